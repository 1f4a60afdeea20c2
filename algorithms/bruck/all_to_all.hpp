// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "schedule/schedule.hpp"

namespace tutti::algorithms::bruck {

// For at least two ranks. Blocks go together by the digits, to the base `radix`, of how far they go.
schedule::Schedule all_to_all(const schedule::Problem& problem, uint32_t rank, uint32_t radix);

}  // namespace tutti::algorithms::bruck
