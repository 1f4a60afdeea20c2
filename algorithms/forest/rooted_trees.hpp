// SPDX-License-Identifier: Apache-2.0
// The part of "packed_trees" that goes from or to one root: a share of the vector goes down each tree, or is reduced up it.
#pragma once

#include <optional>

#include "algorithms/forest/rooted.hpp"
#include "schedule/schedule.hpp"

namespace tutti::algorithms::forest {

// Nothing where links are all alike, which algorithms along axes use as well.
std::optional<RootedTrees> rooted_trees_of(const Network& network, uint32_t root);

// A broadcast or reduce.
schedule::Schedule rooted_trees(const schedule::Problem& problem, const RootedTrees& rooted, uint32_t rank);

}  // namespace tutti::algorithms::forest
