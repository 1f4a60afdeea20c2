// SPDX-License-Identifier: Apache-2.0
// An endpoint of libfabric.
#pragma once

#include <memory>

#include "base/status.hpp"
#include "transports/ofi/endpoint.hpp"
#include "transports/ofi/providers.hpp"

namespace tutti::transports::ofi {

// Errors: tuttiSystemError naming the call of libfabric that failed.
Result<std::unique_ptr<Endpoint>> open_endpoint(const Offer& offer);

}  // namespace tutti::transports::ofi
