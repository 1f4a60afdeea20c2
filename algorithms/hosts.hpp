// SPDX-License-Identifier: Apache-2.0
// What families ask of the machine.
#pragma once

#include <cstdint>

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

}  // namespace tutti::algorithms
