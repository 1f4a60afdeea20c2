// SPDX-License-Identifier: Apache-2.0
#include "comm/neighbours.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

namespace tutti::comm {
namespace {

TEST(Neighbours, AreMutualAndFewOfMany) {
  for (const uint32_t rank_count : {1u, 2u, 8u, kMostFullyLinked, kMostFullyLinked + 1, 64u, 100u, 257u}) {
    for (uint32_t rank = 0; rank < rank_count; ++rank) {
      const auto neighbours = first_neighbours(rank, rank_count);
      EXPECT_TRUE(std::ranges::is_sorted(neighbours));
      EXPECT_FALSE(std::ranges::binary_search(neighbours, rank));
      const size_t most = rank_count <= kMostFullyLinked ? rank_count - 1 : 2 * static_cast<size_t>(std::bit_width(rank_count - 1));
      EXPECT_LE(neighbours.size(), most);
      for (const uint32_t neighbour : neighbours) {
        EXPECT_TRUE(std::ranges::binary_search(first_neighbours(neighbour, rank_count), rank));
      }
    }
  }
}

}  // namespace
}  // namespace tutti::comm
