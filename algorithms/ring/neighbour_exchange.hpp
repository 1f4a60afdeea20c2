// SPDX-License-Identifier: Apache-2.0
// Allgather by pairs of neighbours that exchange what came last, to either side in turn.
#pragma once

#include "schedule/problem.hpp"
#include "schedule/schedule.hpp"

namespace tutti::algorithms::ring {

// allgather, also with variable blocks, of an even number of ranks.
bool neighbour_exchange_solves(const schedule::Problem& problem);
schedule::Schedule neighbour_exchange(const schedule::Problem& problem, uint32_t rank);

}  // namespace tutti::algorithms::ring
