// SPDX-License-Identifier: Apache-2.0
// "axis_exchange": along one axis after another, everybody hears everybody of the line.
#pragma once

#include "schedule/schedule.hpp"
#include "topology/grid.hpp"

namespace tutti::algorithms::torus {

// Allreduce and barrier, on any torus or mesh.
bool axis_exchange_solves(const schedule::Problem& problem, const topology::Grid& grid);
schedule::Schedule axis_exchange(const schedule::Problem& problem, const topology::Grid& grid, uint32_t rank);

}  // namespace tutti::algorithms::torus
