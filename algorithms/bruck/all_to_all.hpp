// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "schedule/schedule.hpp"

namespace tutti::algorithms::bruck {

// For at least two ranks.
schedule::Schedule all_to_all(const schedule::Problem& problem, uint32_t rank);

}  // namespace tutti::algorithms::bruck
