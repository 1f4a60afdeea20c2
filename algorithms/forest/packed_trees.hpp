// SPDX-License-Identifier: Apache-2.0
// "packed_trees": trees that share the links between chips, each for a share of the vector, which is reduced up them, spread down them, or both at once.
#pragma once

#include "planner/algorithm.hpp"

namespace tutti::algorithms::forest {

// Allreduce of 3 to 160 chips that links join, or switches that join chips alone, but for one that joins all; broadcast and reduce where such links are not
// all alike.
bool packed_trees_apply(const schedule::Problem& problem, const topology::Topology& topology);
schedule::Schedule packed_trees(const schedule::Problem& problem, const topology::Topology& topology, uint32_t rank);

}  // namespace tutti::algorithms::forest
