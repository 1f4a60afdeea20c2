// SPDX-License-Identifier: Apache-2.0
// Trees that span all chips, each for both directions of its links: what goes up a tree to be reduced comes down it again, so that a link carries as much
// each way.
//
// How many there can be: over all partitions of the chips into s parts, the capacity between parts by s-1 is at least their rate together (C. Nash-Williams,
// "Edge-disjoint spanning trees of finite graphs", J. London Math. Soc. 1961; W. Tutte, the same year). How to find them: growing.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "algorithms/forest/network.hpp"
#include "algorithms/forest/packing.hpp"
#include "algorithms/forest/wiring.hpp"

namespace tutti::algorithms::forest {

struct SpanningTrees {
  uint64_t bytes_per_s = 0;      // of each tree, if all links are shared alike
  uint32_t trees_of_a_link = 0;  // the most that share one, or that join two chips by a switch
  uint32_t depth = 0;            // of the deepest
  std::vector<Tree> trees;       // each from its middle
};

// Of links from chip to chip, and of switches between chips. Nothing if these do not join all chips, or the work is spent.
std::optional<SpanningTrees> pack_spanning(const Network& network, Work& work);

}  // namespace tutti::algorithms::forest
