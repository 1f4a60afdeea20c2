// SPDX-License-Identifier: Apache-2.0
// Threads for services, and who owns them: the process. A service outlives the call that made its id, so a registry keeps it; a finished one
// is reaped when the next starts, and all end when the process does.
#pragma once

#include "base/status.hpp"
#include "bootstrap/service.hpp"

namespace tutti::bootstrap {

// Runs a service of `options` on a thread of its own until it has finished or the process exits. Thread-safe.
Status run_in_background(Service::Options options);

}  // namespace tutti::bootstrap
