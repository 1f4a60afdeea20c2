// SPDX-License-Identifier: Apache-2.0
// Trees in which everybody who has heard takes part in each round. "binomial": the number of ranks that take part doubles with each round; k-nomial:
// it grows k times. "bine": binomial too, with nearer partners.
#pragma once

#include "schedule/schedule.hpp"

namespace tutti::algorithms::tree {

// All for at least two ranks.
bool binomial_solves(const schedule::Problem& problem);
// 2 for a binomial tree.
schedule::Schedule k_nomial(const schedule::Problem& problem, uint32_t rank, uint32_t radix);

// What a binomial tree does, of powers of two of ranks.
bool bine_solves(const schedule::Problem& problem);
schedule::Schedule bine(const schedule::Problem& problem, uint32_t rank);

}  // namespace tutti::algorithms::tree
