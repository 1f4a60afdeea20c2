// SPDX-License-Identifier: Apache-2.0
// Trees that span all chips, as many from each root, that together need no more of any link than there is.
//
// L. Zhao, S. Maleki, Z. Yang, H. Pourreza and A. Krishnamurthy, "ForestColl: Throughput-Optimal Collective Communications on Heterogeneous Network
// Fabrics", arXiv 2402.06787. That there are so many trees: J. Edmonds, "Edge-disjoint branchings", 1973. How to find them: K. Berczi and A. Frank,
// "Packing arborescences", 2009. How to take switches out: J. Bang-Jensen, A. Frank and B. Jackson, "Preserving and increasing local
// edge-connectivity in mixed graphs", SIAM J. Discrete Math. 1995.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "algorithms/forest/network.hpp"

namespace tutti::algorithms::forest {

inline constexpr uint32_t kNobody = UINT32_MAX;

struct Tree {
  uint32_t root = 0;
  uint64_t count = 1;             // how many trees are alike
  std::vector<uint32_t> parents;  // by chip; kNobody: the root's
  std::vector<uint32_t> depths;   // by chip
};

struct Packing {
  Rate best;                      // of a root, times its weight
  uint32_t slack_per_mille = 0;   // the rate is as much less than the best
  uint64_t trees_per_weight = 1;  // a root has as many times its weight; they share the rate
  // Of links between chips as trees use them, perhaps by way of switches: how many trees each has room for. chip_count^2.
  std::vector<uint64_t> rooms;
  std::vector<Tree> trees;  // root after root
};

// How near to the optimum a packing must come, and what it may take.
struct Effort {
  uint64_t most_trees = 12;                // per weight; fewer of less than the optimum may do
  std::vector<uint32_t> slacks_per_mille;  // that are tried, one after another
};

// Nothing where chips cannot be reached, where the work is spent, or where only ways that messages do not take would do. Capacities are as large in both
// directions of a link.
std::optional<Packing> pack(const Network& network, const Weights& weights, const Effort& effort, Work& work);

}  // namespace tutti::algorithms::forest
