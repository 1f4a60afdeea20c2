// SPDX-License-Identifier: Apache-2.0
// Blocks travel distances 1, 2, 4, ... in bundles: few, larger messages.
#pragma once

#include <span>

#include "planner/algorithm.hpp"

namespace tutti::algorithms::bruck {

// "bruck": allgather and alltoall, equal blocks.
std::span<const planner::Algorithm> algorithms();

}  // namespace tutti::algorithms::bruck
