// SPDX-License-Identifier: Apache-2.0
// This process's machine, as ranks compare it.
#pragma once

#include <string>
#include <vector>

#include "base/settings.hpp"
#include "topology/discovery.hpp"
#include "topology/memory_speed.hpp"

namespace tutti::comm {

// Where a rank runs.
struct Host {
  std::string id;
  topology::ProcessorWords allowed_cores;  // on which its process may run; no more than its control group has time for
  topology::Place place;
  topology::MemorySpeed memory = {};
};

// TUTTI_HOSTID, else the kernel's boot id: equal in all containers of a machine, so that only a working probe shows shared memory.
std::string host_id(const Settings& settings);

// Of the calling thread.
Host this_host(const Settings& settings);

}  // namespace tutti::comm
