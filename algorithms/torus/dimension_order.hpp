// SPDX-License-Identifier: Apache-2.0
// "dimension_order": each block goes along one axis after another, from neighbour to neighbour.
#pragma once

#include "schedule/schedule.hpp"
#include "topology/grid.hpp"

namespace tutti::algorithms::torus {

// All-to-all on tori that are not twisted, and on meshes.
bool dimension_order_solves(const schedule::Problem& problem, const topology::Grid& grid);
schedule::Schedule dimension_order(const schedule::Problem& problem, const topology::Grid& grid, uint32_t rank);

}  // namespace tutti::algorithms::torus
