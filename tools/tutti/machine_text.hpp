// SPDX-License-Identifier: Apache-2.0
// This machine, as discovery sees it.
#pragma once

#include <string>
#include <vector>

#include "base/status.hpp"
#include "comm/measured_links.hpp"
#include "topology/discovery.hpp"
#include "topology/network_adapters.hpp"

namespace tutti::tool {

// Processors with the same place.
struct Domain {
  topology::Place place;
  std::vector<uint32_t> processors;  // ascending
};

// Of all processors that this process may use, in the order of packages, NUMA nodes and caches.
Result<std::vector<Domain>> domains_of_this_machine();

struct ThisMachine {
  std::vector<Domain> domains;
  uint32_t processor_quota = 0;  // of the control group; 0: none
  std::vector<topology::NetworkAdapter> adapters;
  comm::MeasuredLinks measured;  // by calibrate, if it has
};

Result<ThisMachine> this_machine();

std::string tree_text(const ThisMachine& machine);
std::string json_text(const ThisMachine& machine);

}  // namespace tutti::tool
