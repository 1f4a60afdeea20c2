// SPDX-License-Identifier: Apache-2.0
// "far_first": one_shot in which what has far to go leaves first.
#pragma once

#include "schedule/schedule.hpp"
#include "topology/topology.hpp"

namespace tutti::algorithms::direct {

// Where some ranks are farther off than others.
bool far_first_solves(const schedule::Problem& problem, const topology::Topology& topology);
schedule::Schedule far_first(const schedule::Problem& problem, const topology::Topology& topology, uint32_t rank);

}  // namespace tutti::algorithms::direct
