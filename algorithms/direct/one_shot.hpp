// SPDX-License-Identifier: Apache-2.0
// "one_shot": every block goes straight to where it is needed.
#pragma once

#include "algorithms/direct/mesh.hpp"
#include "schedule/schedule.hpp"

namespace tutti::algorithms::direct {

bool one_shot_solves(const schedule::Problem& problem);
// For at least two ranks.
schedule::Schedule one_shot(const schedule::Problem& problem, uint32_t rank, Travel travel);
// An allreduce of at least three ranks, or of two that are not in place.
schedule::Schedule one_shot_all_reduce(const schedule::Problem& problem, const Mesh::Options& options);

}  // namespace tutti::algorithms::direct
