// SPDX-License-Identifier: Apache-2.0
// Ranks that reach each other's memory: no message carries data, so that each byte is read where it lies.
#pragma once

#include <span>

#include "planner/algorithm.hpp"

namespace tutti::algorithms::shared {

// "shared_memory": all collectives with equal blocks but barrier, between 2 and 64 ranks that all reach each other's memory.
std::span<const planner::Algorithm> algorithms();

}  // namespace tutti::algorithms::shared
