// SPDX-License-Identifier: Apache-2.0
// "one_shot": every block goes straight to where it is needed.
#pragma once

#include "algorithms/travel.hpp"
#include "schedule/schedule.hpp"

namespace tutti::algorithms::direct {

bool one_shot_solves(const schedule::Problem& problem);
// For at least two ranks.
schedule::Schedule one_shot(const schedule::Problem& problem, uint32_t rank, Travel travel);

}  // namespace tutti::algorithms::direct
