// SPDX-License-Identifier: Apache-2.0
// "block_trees": gather and scatter between neighbours alone.
#pragma once

#include "schedule/schedule.hpp"
#include "topology/grid.hpp"

namespace tutti::algorithms::torus {

// Gather and scatter of equal blocks, whose lengths chips between know.
bool tree_blocks_solve(const schedule::Problem& problem, const topology::Grid& grid);
schedule::Schedule tree_blocks(const schedule::Problem& problem, const topology::Grid& grid, uint32_t rank);

}  // namespace tutti::algorithms::torus
