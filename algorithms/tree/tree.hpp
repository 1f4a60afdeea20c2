// SPDX-License-Identifier: Apache-2.0
// Trees: data fans out from a root or in towards it.
#pragma once

#include <span>

#include "planner/algorithm.hpp"

namespace tutti::algorithms::tree {

// "binomial": broadcast, reduce, gather, scatter. "double_binary_tree": allreduce, broadcast, reduce.
// "flat_tree": allreduce, all-gather, reduce-scatter, barrier. Over networks also "k_nomial_four", "k_nomial_eight" and, of powers of two, "bine": as
// "binomial"; "circulant_pipeline": broadcast and reduce.
std::span<const planner::Algorithm> algorithms();

}  // namespace tutti::algorithms::tree
