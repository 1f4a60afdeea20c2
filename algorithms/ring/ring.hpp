// SPDX-License-Identifier: Apache-2.0
// Ranks in a circle, each sending to the next and receiving from the one before: every link carries as little as it can.
#pragma once

#include <span>

#include "planner/algorithm.hpp"

namespace tutti::algorithms::ring {

// "ring": allreduce, reduce, broadcast; allgather and reducescatter, also with variable blocks. "rings": the same where
// topology::circles_of() knows several. "neighbour_exchange": allgather of even numbers of ranks over networks, also with variable blocks.
std::span<const planner::Algorithm> algorithms();

}  // namespace tutti::algorithms::ring
