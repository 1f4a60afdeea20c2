// SPDX-License-Identifier: Apache-2.0
// Circles through tori of any lengths.
#pragma once

#include <cstdint>
#include <vector>

#include "topology/grid.hpp"

namespace tutti::topology {

// Of a torus of d axes, 2 or 3, that all wrap, twisted or not: d circles of all ranks that share no wire, so that every wire is in one of them. Empty for
// other grids, for more than 512 ranks, and where a search of bounded length finds none. Equal for equal grids.
std::vector<std::vector<uint32_t>> circles_through(const Grid& grid);

}  // namespace tutti::topology
