// SPDX-License-Identifier: Apache-2.0
// "swing": halves of the vector are reduced and gathered between partners that stay close. "swing_whole": partners exchange all of it, in half the steps.
#pragma once

#include "schedule/schedule.hpp"
#include "topology/grid.hpp"

namespace tutti::algorithms::torus {

bool swing_solves(const schedule::Problem& problem, const topology::Grid& grid);
schedule::Schedule swing(const schedule::Problem& problem, const topology::Grid& grid, uint32_t rank);

// From four ranks on.
bool swing_whole_solves(const schedule::Problem& problem, const topology::Grid& grid);
schedule::Schedule swing_whole(const schedule::Problem& problem, const topology::Grid& grid, uint32_t rank);

}  // namespace tutti::algorithms::torus
