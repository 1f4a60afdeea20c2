// SPDX-License-Identifier: Apache-2.0
// "circulant_pipeline": chunks of the vector leave the root one after another, and everybody passes on in each round what somebody lacks.
#pragma once

#include "schedule/schedule.hpp"

namespace tutti::algorithms::tree {

// broadcast, reduce; for at least two ranks.
bool circulant_pipeline_solves(const schedule::Problem& problem);
schedule::Schedule circulant_pipeline(const schedule::Problem& problem, uint32_t rank);

}  // namespace tutti::algorithms::tree
