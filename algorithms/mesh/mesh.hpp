// SPDX-License-Identifier: Apache-2.0
// Chips on a line or grid that wraps nowhere: messages between neighbours only.
#pragma once

#include <span>

#include "planner/algorithm.hpp"

namespace tutti::algorithms::mesh {

// "mesh": allreduce, allgather, reducescatter.
std::span<const planner::Algorithm> algorithms();

}  // namespace tutti::algorithms::mesh
