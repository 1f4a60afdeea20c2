// SPDX-License-Identifier: Apache-2.0
// Some of a machine's ranks as a machine of their own.
#pragma once

#include <cstdint>
#include <span>

#include "topology/topology.hpp"

namespace tutti::topology {

// Rank i is `ranks[i]` of `whole`. Of a fabric the levels that the ranks differ in remain, for algorithms that ask what joins them, and
// messages go the ways of the whole; without one where the ranks are some of a lattice, which is then none. On hosts nobody reaches another's memory.
Topology subset_of(const Topology& whole, std::span<const uint32_t> ranks);

}  // namespace tutti::topology
