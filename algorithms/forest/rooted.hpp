// SPDX-License-Identifier: Apache-2.0
// Trees from one chip to all, each over links in one direction, so that together they bring what the narrowest cut lets through.
//
// That there are so many: J. Edmonds, "Edge-disjoint branchings", 1973. How to find them: K. Berczi and A. Frank, "Packing arborescences", 2009: trees grow link
// by link, each over one that leaves the others enough.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "algorithms/forest/network.hpp"
#include "algorithms/forest/packing.hpp"
#include "algorithms/forest/wiring.hpp"

namespace tutti::algorithms::forest {

struct RootedTrees {
  uint64_t bytes_per_s = 0;      // of each tree, if all links are shared alike
  uint32_t trees_of_a_link = 0;  // the most that share one direction of a wire
  uint32_t depth = 0;            // of the deepest
  std::vector<Tree> trees;
};

// Nothing where links do not join all chips, where switches join switches, or where the work is spent.
std::optional<RootedTrees> pack_rooted(const Network& network, uint32_t root, Work& work);

}  // namespace tutti::algorithms::forest
