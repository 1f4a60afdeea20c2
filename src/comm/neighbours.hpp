// SPDX-License-Identifier: Apache-2.0
// Which ranks connect to each other while a communicator comes up. Others do at the first operation that needs it.
#pragma once

#include <cstdint>
#include <vector>

namespace tutti::comm {

// Up to so many ranks all pairs do: what pairs of one host may do differs (containers, users, seccomp), and of so few every one can be tried, in
// no more descriptors than processes commonly may have (32 * 31 * 2 sides if they are threads of one).
inline constexpr uint32_t kMostFullyLinked = 32;

// The ranks that `rank` connects to, ascending: all others, or of very many those at distances 1, 2, 4, ... in the circle of ranks, both ways. That is
// mutual.
std::vector<uint32_t> first_neighbours(uint32_t rank, uint32_t rank_count);

}  // namespace tutti::comm
