// SPDX-License-Identifier: Apache-2.0
// This process's machine, as ranks compare it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/settings.hpp"

namespace tutti::comm {

// TUTTI_HOSTID, else the kernel's boot id: equal in all containers of a machine, so that only a working probe shows shared memory.
std::string host_id(const Settings& settings);

// Cores the process may run on (its affinity), one bit each.
std::vector<uint64_t> allowed_cores();

}  // namespace tutti::comm
