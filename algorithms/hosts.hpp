// SPDX-License-Identifier: Apache-2.0
// What families ask of the machine.
#pragma once

#include <cstdint>

#include "schedule/problem.hpp"
#include "topology/topology.hpp"

namespace tutti::algorithms {

// Whether messages cost what networks take, for some of them at least. Ranks of one host reach each other's memory, or share one copying core each,
// where forms that save messages in flight gain nothing that the others have not.
inline bool has_network(const topology::Topology& topology) {
  if (topology.fabric() != nullptr) {
    return true;
  }
  for (uint32_t rank = 1; rank < topology.rank_count(); ++rank) {
    if (topology.host(rank) != topology.host(0)) {
      return true;
    }
  }
  return topology.rank_count() == 1;  // whoever is alone is served by all
}

// planner::Algorithm::applies of what solves the same problems on every machine, or on those with a network.
template <bool (*solves)(const schedule::Problem&)>
bool applies_anywhere(const schedule::Problem& problem, const topology::Topology&) {
  return solves(problem);
}
template <bool (*solves)(const schedule::Problem&)>
bool applies_to_networks(const schedule::Problem& problem, const topology::Topology& topology) {
  return solves(problem) && has_network(topology);
}

}  // namespace tutti::algorithms
