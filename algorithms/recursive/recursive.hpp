// SPDX-License-Identifier: Apache-2.0
// Partners at distances 1, 2, 4, ...: the fewest rounds in which everybody hears of everybody.
#pragma once

#include <span>

#include "planner/algorithm.hpp"

namespace tutti::algorithms::recursive {

// "recursive_doubling": allreduce, and allgather on powers of two. "dissemination": barrier. Over networks also "recursive_halving": allreduce and
// reducescatter on powers of two; "circulant": allreduce and reducescatter, also with variable blocks.
std::span<const planner::Algorithm> algorithms();

}  // namespace tutti::algorithms::recursive
