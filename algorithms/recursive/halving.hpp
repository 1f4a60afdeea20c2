// SPDX-License-Identifier: Apache-2.0
// Reducescatter in rounds in which ranks send away half of what they still have, and allreduce with the same rounds backwards.
#pragma once

#include "schedule/problem.hpp"
#include "schedule/schedule.hpp"

namespace tutti::algorithms::recursive {

// allreduce, reducescatter. Partners at distances 1, 2, 4, ... of powers of two of ranks, two at least.
bool halving_solves(const schedule::Problem& problem);
schedule::Schedule halving(const schedule::Problem& problem, uint32_t rank);

// allreduce; reducescatter, also of variable blocks. Of any number of ranks, two at least.
bool circulant_solves(const schedule::Problem& problem);
schedule::Schedule circulant(const schedule::Problem& problem, uint32_t rank);

}  // namespace tutti::algorithms::recursive
