// SPDX-License-Identifier: Apache-2.0
// Circles over the links of any small machine.
#pragma once

#include <cstdint>
#include <vector>

#include "topology/topology.hpp"

namespace tutti::topology {

// Circles of all ranks, at most 16, over links that lead from chip to chip, found by a search of bounded length: of those that it finds as many as bring the most
// bandwidth when all have the same. A link that is k times as fast as they is in k of them, at most 4. Empty where ranks are joined otherwise, of fewer than
// 3 ranks or more than 16, and without a fabric. Equal for equal machines.
std::vector<std::vector<uint32_t>> circles_over_links(const Topology& topology);

}  // namespace tutti::topology
