// SPDX-License-Identifier: Apache-2.0
// Every rank exchanges with every other rank at once: the fewest hops, on links between all pairs.
#pragma once

#include <span>

#include "planner/algorithm.hpp"

namespace tutti::algorithms::direct {

// "one_shot": all collectives but barrier. "two_shot": allreduce, reduce, broadcast.
std::span<const planner::Algorithm> algorithms();

}  // namespace tutti::algorithms::direct
