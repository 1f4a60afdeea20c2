// SPDX-License-Identifier: Apache-2.0
// "double_binary_tree": two trees carry half of the vector each; who works in one is a leaf of the other.
#pragma once

#include "schedule/schedule.hpp"

namespace tutti::algorithms::tree {

bool double_binary_solves(const schedule::Problem& problem);
// For at least two ranks.
schedule::Schedule double_binary(const schedule::Problem& problem, uint32_t rank);

}  // namespace tutti::algorithms::tree
