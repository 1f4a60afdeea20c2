// SPDX-License-Identifier: Apache-2.0
// A binomial tree for each rank's block, all at once, turned so that few blocks go far and many near.
#pragma once

#include "schedule/problem.hpp"
#include "schedule/schedule.hpp"

namespace tutti::algorithms::bruck {

// allgather, reducescatter, also with variable blocks; allreduce. Of two to 1024 ranks.
bool parallel_trees_solve(const schedule::Problem& problem);
schedule::Schedule parallel_trees(const schedule::Problem& problem, uint32_t rank);

}  // namespace tutti::algorithms::bruck
