// SPDX-License-Identifier: Apache-2.0
// "relay_tree": a tree in which those far off hear from the root itself, and others through ranks between, where that is early enough.
#pragma once

#include "schedule/schedule.hpp"
#include "topology/topology.hpp"

namespace tutti::algorithms::direct {

// Broadcast or reduce, where some ranks are farther off than others.
bool relay_tree_solves(const schedule::Problem& problem, const topology::Topology& topology);
schedule::Schedule relay_tree(const schedule::Problem& problem, const topology::Topology& topology, uint32_t rank);

}  // namespace tutti::algorithms::direct
