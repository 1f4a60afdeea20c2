// SPDX-License-Identifier: Apache-2.0
// "flat_tree": everybody speaks with one rank only.
#pragma once

#include "schedule/schedule.hpp"

namespace tutti::algorithms::tree {

bool flat_solves(const schedule::Problem& problem);
// For at least two ranks.
schedule::Schedule flat(const schedule::Problem& problem, uint32_t rank);

}  // namespace tutti::algorithms::tree
