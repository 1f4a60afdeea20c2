// SPDX-License-Identifier: Apache-2.0
// "swing" on axes of any length, and "swing_blocks", which does it block by block.
#pragma once

#include "schedule/schedule.hpp"
#include "topology/grid.hpp"

namespace tutti::algorithms::torus {

// Allreduce.
bool swing_ranges_solve(const schedule::Problem& problem, const topology::Grid& grid);
schedule::Schedule swing_ranges(const schedule::Problem& problem, const topology::Grid& grid, uint32_t rank);

// Allreduce, reducescatter or allgather.
bool swing_blocks_solve(const schedule::Problem& problem, const topology::Grid& grid);
schedule::Schedule swing_blocks(const schedule::Problem& problem, const topology::Grid& grid, uint32_t rank);

}  // namespace tutti::algorithms::torus
