// SPDX-License-Identifier: Apache-2.0
// Chips on a torus of any dimension, twisted or not: all links of a chip at once, and messages between neighbours only.
#pragma once

#include <span>

#include "planner/algorithm.hpp"

namespace tutti::algorithms::torus {

// Where some axis wraps: "torus": allreduce, allgather, reducescatter; "swing", "swing_whole": allreduce. Also on meshes: "axis_trees": broadcast, reduce;
// "dimension_order": all-to-all; "axis_exchange": allreduce, barrier.
std::span<const planner::Algorithm> algorithms();

}  // namespace tutti::algorithms::torus
