// SPDX-License-Identifier: Apache-2.0
// Hosts whose ranks are divided into domains, in ways that no real one need have.
#pragma once

#include <cstdint>
#include <vector>

#include "support/schedule_support.hpp"

namespace tutti::tests {

using Domains = std::vector<uint32_t>;  // by rank

inline topology::Topology one_host(uint32_t rank_count) {
  topology::Topology topology = reaching_topology(rank_count);
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    topology.set_host(rank, 0);
  }
  return topology;
}

// One host with these levels, outermost first.
inline topology::Topology divided(const std::vector<Domains>& levels) {
  topology::Topology topology = one_host(static_cast<uint32_t>(levels.front().size()));
  for (const Domains& domains : levels) {
    topology.add_level({.name = "part", .domains = domains});
  }
  return topology;
}

template <typename Domain>
Domains domains_by(uint32_t rank_count, Domain domain) {
  Domains domains;
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    domains.push_back(domain(rank));
  }
  return domains;
}

}  // namespace tutti::tests
