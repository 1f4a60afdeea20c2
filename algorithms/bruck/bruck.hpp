// SPDX-License-Identifier: Apache-2.0
// Blocks travel distances 1, 2, 4, ... in bundles: few, larger messages.
#pragma once

#include <span>

#include "planner/algorithm.hpp"

namespace tutti::algorithms::bruck {

// "bruck": allgather and alltoall, equal blocks. Over networks "bruck_four" and
// "bruck_eight": alltoall, equal blocks, with fewer rounds of more messages; "parallel_trees": allreduce; allgather
// and reducescatter, also with variable blocks.
std::span<const planner::Algorithm> algorithms();

}  // namespace tutti::algorithms::bruck
