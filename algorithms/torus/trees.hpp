// SPDX-License-Identifier: Apache-2.0
// "axis_trees": a tree for each link of a chip, or of a corner, none of which use a link in the same direction.
#pragma once

#include "schedule/schedule.hpp"
#include "topology/grid.hpp"

namespace tutti::algorithms::torus {

// Broadcast and reduce, on any torus or mesh.
bool axis_trees_solve(const schedule::Problem& problem, const topology::Grid& grid);
schedule::Schedule axis_trees(const schedule::Problem& problem, const topology::Grid& grid, uint32_t rank);

}  // namespace tutti::algorithms::torus
