// SPDX-License-Identifier: Apache-2.0
// Which transports a communicator may use: TUTTI_TRANSPORTS.
#pragma once

#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "transport/transport.hpp"

namespace tutti::comm {

// The transports `words` allows ("shm,tcp", or all but some: "^tcp"; empty: every automatic one), best first. Errors name the unknown word
// and list the known ones.
Result<std::vector<const transport::TransportType*>> select_transports(std::string_view words);

}  // namespace tutti::comm
