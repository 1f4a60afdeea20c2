// SPDX-License-Identifier: Apache-2.0
// One partner to send to and one to receive from at a time: no receiver is crowded.
#pragma once

#include <span>

#include "planner/algorithm.hpp"

namespace tutti::algorithms::pairwise {

// "pairwise": alltoall, also with variable blocks.
std::span<const planner::Algorithm> algorithms();

}  // namespace tutti::algorithms::pairwise
