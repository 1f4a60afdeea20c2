// SPDX-License-Identifier: Apache-2.0
// The machine that the ranks of a communicator have described to each other.
#pragma once

#include <cstdint>
#include <vector>

#include "base/function_ref.hpp"
#include "comm/records.hpp"
#include "engine/idle.hpp"
#include "topology/topology.hpp"

namespace tutti::comm {

// Equal on every rank. `link` gives the links of pairs, the lower rank first.
topology::Topology make_topology(const std::vector<Introduction>& introductions,
                                 FunctionRef<topology::LinkSpec(uint32_t source, uint32_t target)> link);

// Of the host of `rank`: the fastest that any rank there has measured, which was disturbed least.
topology::MemorySpeed memory_speed_of(const std::vector<Introduction>& introductions, uint32_t rank);

// Whether `rank`'s host has fewer cores than ranks.
engine::Crowding crowding_of(const std::vector<Introduction>& introductions, uint32_t rank);

}  // namespace tutti::comm
