// SPDX-License-Identifier: Apache-2.0
// "in_switch" and "in_switch_tree": the direct algorithms with messages that switches reduce and copy on their way.
#pragma once

#include "schedule/schedule.hpp"
#include "topology/topology.hpp"

namespace tutti::algorithms::direct {

// On machines all of whose ranks are joined by one level of switches that can do what the collective needs.
bool in_switch_solves(const schedule::Problem& problem, const topology::Topology& topology);
schedule::Schedule in_switch(const schedule::Problem& problem, uint32_t rank);

bool in_switch_tree_solves(const schedule::Problem& problem, const topology::Topology& topology);
schedule::Schedule in_switch_tree(const schedule::Problem& problem, uint32_t rank);

}  // namespace tutti::algorithms::direct
