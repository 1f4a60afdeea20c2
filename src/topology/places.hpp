// SPDX-License-Identifier: Apache-2.0
// From the places of ranks to the levels of a topology.
#pragma once

#include <span>

#include "topology/discovery.hpp"
#include "topology/topology.hpp"

namespace tutti::topology {

// Adds to `topology`, whose hosts have been set, what divides the ranks of a host and brings some of them together: packages, then the caches in
// them. Nothing on hosts in one piece. `places` by rank.
void add_levels(Topology& topology, std::span<const Place> places);

}  // namespace tutti::topology
