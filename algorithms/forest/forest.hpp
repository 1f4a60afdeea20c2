// SPDX-License-Identifier: Apache-2.0
// Any machine whose links are known: trees that span all chips, packed so that the scarcest links are always busy.
#pragma once

#include <span>

#include "planner/algorithm.hpp"

namespace tutti::algorithms::forest {

// "forest": allreduce, reduce, broadcast; allgather and reducescatter, also with variable blocks. Of 3 to 32 chips, not all of one torus, full mesh
// or switch. "packed_trees": allreduce, reduce, broadcast (packed_trees.hpp).
std::span<const planner::Algorithm> algorithms();

}  // namespace tutti::algorithms::forest
