// SPDX-License-Identifier: Apache-2.0
// "binomial": the number of ranks that take part doubles with each round.
#pragma once

#include "schedule/schedule.hpp"

namespace tutti::algorithms::tree {

bool binomial_solves(const schedule::Problem& problem);
// For at least two ranks.
schedule::Schedule binomial(const schedule::Problem& problem, uint32_t rank);

}  // namespace tutti::algorithms::tree
