// SPDX-License-Identifier: Apache-2.0
// "two_shot": the vector is cut up so that all ranks share the work, then put together again.
#pragma once

#include "schedule/schedule.hpp"

namespace tutti::algorithms::direct {

bool two_shot_solves(const schedule::Problem& problem);
// For at least two ranks.
schedule::Schedule two_shot(const schedule::Problem& problem, uint32_t rank);

}  // namespace tutti::algorithms::direct
