// SPDX-License-Identifier: Apache-2.0
#include "comm/neighbours.hpp"

#include <algorithm>

namespace tutti::comm {

std::vector<uint32_t> first_neighbours(uint32_t rank, uint32_t rank_count) {
  std::vector<uint32_t> neighbours;
  if (rank_count <= kMostFullyLinked) {
    for (uint32_t peer = 0; peer < rank_count; ++peer) {
      if (peer != rank) {
        neighbours.push_back(peer);
      }
    }
    return neighbours;
  }
  for (uint64_t distance = 1; distance < rank_count; distance *= 2) {
    neighbours.push_back(static_cast<uint32_t>((rank + distance) % rank_count));
    neighbours.push_back(static_cast<uint32_t>((rank + rank_count - distance) % rank_count));
  }
  std::ranges::sort(neighbours);
  const auto repeated = std::ranges::unique(neighbours);
  neighbours.erase(repeated.begin(), repeated.end());
  return neighbours;
}

}  // namespace tutti::comm
