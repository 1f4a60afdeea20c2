// SPDX-License-Identifier: Apache-2.0
#include "schedule/layout.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace tutti::schedule {
namespace {

constexpr uint32_t kSeed = 20240607;

Layout vector_layout(uint64_t element_count, uint32_t chunk_count, uint64_t element_bytes = 4) {
  return Layout({.problem = {.collective = Collective::all_reduce, .rank_count = 4},
                 .chunk_count = chunk_count,
                 .element_count = element_count,
                 .variable = {},
                 .element_bytes = element_bytes});
}

TEST(LayoutOfVectors, RandomCutsPartitionTheVectorExactly) {
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 5000; ++round) {
    const uint64_t element_count = random() % (uint64_t{1} << (random() % 40));
    const auto chunk_count = static_cast<uint32_t>(1 + random() % 70);
    const uint64_t element_bytes = uint64_t{1} << (random() % 4);
    const Layout layout = vector_layout(element_count, chunk_count, element_bytes);
    uint64_t next = 0;
    uint64_t filled = 0;
    for (uint32_t chunk = 0; chunk < chunk_count; ++chunk) {
      EXPECT_EQ(layout.offset({Buffer::input, chunk}), next);
      EXPECT_EQ(layout.offset({Buffer::output, chunk}), next);
      const uint64_t length = layout.length(chunk, 1);
      EXPECT_LE(length, layout.scratch_elements(1));
      filled += length > 0 ? 1 : 0;
      next += length;
      EXPECT_EQ(layout.length(0, chunk + 1), next);
    }
    ASSERT_EQ(next, element_count) << chunk_count << " chunks";
    // Rounding to lines leaves no chunk empty that plain cutting fills.
    const uint64_t plain = (element_count + chunk_count - 1) / chunk_count;
    ASSERT_EQ(filled, plain == 0 ? 0 : (element_count + plain - 1) / plain) << element_count << " in " << chunk_count;
  }
}

TEST(LayoutOfVectors, ChunksBeginOnLinesWhenTheyAreLong) {
  const Layout layout = vector_layout(1000, 4);  // plain: 250 elements, 1000 bytes
  EXPECT_EQ(layout.length(0, 1), 256u);
  EXPECT_EQ(layout.offset({Buffer::input, 3}), 768u);
  EXPECT_EQ(layout.length(3, 1), 232u);
  EXPECT_EQ(layout.length(1, 3), 744u);
}

TEST(LayoutOfVectors, ShortVectorsAreCutEvenly) {
  const Layout layout = vector_layout(10, 4);
  EXPECT_EQ(layout.length(0, 1), 3u);
  EXPECT_EQ(layout.length(3, 1), 1u);
  EXPECT_EQ(layout.scratch_elements(2), 6u);
}

TEST(LayoutOfVectors, ScratchSlotsOfARangeHoldItInOnePiece) {
  const Layout layout = vector_layout(1000, 4);
  EXPECT_EQ(layout.offset({Buffer::scratch, 2}) - layout.offset({Buffer::scratch, 1}), layout.length(0, 1));
}

TEST(LayoutOfVectors, EmptyAndEnormousVectorsStayWithinBounds) {
  const Layout empty = vector_layout(0, 5);
  EXPECT_EQ(empty.length(0, 5), 0u);
  EXPECT_EQ(empty.offset({Buffer::output, 4}), 0u);
  EXPECT_EQ(empty.scratch_elements(7), 0u);
  const Layout enormous = vector_layout(UINT64_MAX, 3, 8);
  EXPECT_EQ(enormous.length(0, 3), UINT64_MAX);
  EXPECT_EQ(enormous.offset({Buffer::output, UINT32_MAX}), UINT64_MAX);
  EXPECT_EQ(enormous.scratch_elements(UINT32_MAX), UINT64_MAX);
  const Layout odd_size = vector_layout(1'000'000, 3, 12);  // 16 elements fill three lines
  EXPECT_EQ(odd_size.length(0, 1) % 16, 0u);
}

LayoutRequest block_request(Collective collective, uint64_t block, uint32_t parts) {
  const uint32_t ranks = 5;
  const uint32_t blocks = collective == Collective::all_to_all ? ranks * ranks : ranks;
  return {.problem = {.collective = collective, .rank_count = ranks, .root = 1},
          .rank = 1,
          .chunk_count = blocks * parts,
          .parts = parts,
          .element_count = block,
          .variable = {},
          .element_bytes = 2};
}

TEST(LayoutOfEqualBlocks, PartsPartitionEveryBlock) {
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 2000; ++round) {
    const uint64_t block = random() % (uint64_t{1} << (random() % 30));
    const auto parts = static_cast<uint32_t>(1 + random() % 9);
    const Layout layout(block_request(Collective::all_gather, block, parts));
    uint64_t next = 0;
    for (uint32_t chunk = 0; chunk < 5 * parts; ++chunk) {
      ASSERT_EQ(layout.offset({Buffer::output, chunk}), next);
      next += layout.length(chunk, 1);
      ASSERT_LE(layout.length(chunk, 1), layout.scratch_elements(1));
      if (chunk % parts == parts - 1) {
        ASSERT_EQ(next, (chunk / parts + 1) * block);
      }
      ASSERT_EQ(layout.length(0, chunk + 1), next);
    }
    ASSERT_EQ(layout.offset({Buffer::input, parts - 1}), layout.length(0, parts - 1));
  }
}

TEST(LayoutOfEqualBlocks, RangesMayWrap) {
  const Layout layout(block_request(Collective::all_gather, 7, 1));
  EXPECT_EQ(layout.length(4, 3), 21u);
  EXPECT_EQ(layout.offset({Buffer::scratch, 3}), 21u);
}

TEST(LayoutOfEqualBlocks, EachSideHasItsOwnNumbering) {
  const Layout scatter(block_request(Collective::scatter, 10, 2));
  EXPECT_EQ(scatter.offset({Buffer::input, 4}), 20u);
  EXPECT_EQ(scatter.offset({Buffer::output, 1}), 5u);
  const Layout gather(block_request(Collective::gather, 10, 2));
  EXPECT_EQ(gather.offset({Buffer::input, 1}), 5u);
  EXPECT_EQ(gather.offset({Buffer::output, 9}), 45u);
  const Layout all_to_all(block_request(Collective::all_to_all, 10, 1));
  EXPECT_EQ(all_to_all.offset({Buffer::input, 4}), 40u);
  EXPECT_EQ(all_to_all.offset({Buffer::output, 4}), 40u);
}

TEST(LayoutOfVariableBlocks, BlocksFollowOneAnotherWithoutDisplacements) {
  const std::vector<uint64_t> counts = {3, 0, 500, 1, 20};
  LayoutRequest request = block_request(Collective::all_gather, 0, 1);
  request.problem.blocks = Blocks::variable;
  request.rank = 2;
  request.variable.receive_counts = counts;
  const Layout layout(request);
  const Layout copy = layout;  // a layout holds no pointer into itself
  uint64_t next = 0;
  for (uint32_t block = 0; block < counts.size(); ++block) {
    EXPECT_EQ(copy.offset({Buffer::output, block}), next);
    EXPECT_EQ(copy.length(block, 1), counts[block]);
    next += counts[block];
  }
  EXPECT_EQ(layout.offset({Buffer::input, 0}), 0u);
  EXPECT_EQ(layout.offset({Buffer::scratch, 1}), 500u);
}

TEST(LayoutOfVariableBlocks, PartsPartitionEveryBlock) {
  const std::vector<uint64_t> counts = {3, 0, 500, 1, 20};
  const std::vector<uint64_t> displacements = {900, 0, 100, 50, 700};
  LayoutRequest request = block_request(Collective::reduce_scatter, 0, 3);
  request.problem.blocks = Blocks::variable;
  request.rank = 2;
  request.variable.receive_counts = counts;
  request.variable.send_displacements = displacements;
  const Layout layout(request);
  for (uint32_t block = 0; block < counts.size(); ++block) {
    uint64_t next = displacements[block];
    for (uint32_t part = 0; part < 3; ++part) {
      EXPECT_EQ(layout.offset({Buffer::input, block * 3 + part}), next);
      EXPECT_LE(layout.length(block * 3 + part, 1), layout.scratch_elements(1));
      next += layout.length(block * 3 + part, 1);
    }
    EXPECT_EQ(next, displacements[block] + counts[block]);
  }
  EXPECT_EQ(layout.offset({Buffer::output, 1}), layout.length(6, 1));
}

TEST(LayoutOfVariableBlocks, AllToAllKnowsItsOwnBlocks) {
  const std::vector<uint64_t> send_counts = {1, 2, 3, 4, 5};
  const std::vector<uint64_t> receive_counts = {10, 2, 30, 40, 50};
  const std::vector<uint64_t> receive_displacements = {0, 100, 200, 300, 400};
  LayoutRequest request = block_request(Collective::all_to_all, 0, 1);
  request.problem.blocks = Blocks::variable;
  request.variable = {.send_counts = send_counts,
                      .send_displacements = {},
                      .receive_counts = receive_counts,
                      .receive_displacements = receive_displacements};
  const Layout layout(request);  // rank 1 of 5
  EXPECT_EQ(layout.length(1 * 5 + 4, 1), 5u);
  EXPECT_EQ(layout.length(3 * 5 + 1, 1), 40u);
  EXPECT_EQ(layout.length(3 * 5 + 4, 1), 0u) << "a block between others";
  EXPECT_EQ(layout.offset({Buffer::input, 3}), 6u);
  EXPECT_EQ(layout.offset({Buffer::output, 3}), 300u);
  EXPECT_EQ(layout.scratch_elements(1), 50u);
}

TEST(LayoutOfVariableBlocks, RanksAwayFromTheRootKnowTheirOwnBlock) {
  LayoutRequest request = block_request(Collective::gather, 42, 1);
  request.problem.blocks = Blocks::variable;
  request.rank = 3;
  const Layout away(request);
  EXPECT_EQ(away.length(3, 1), 42u);
  EXPECT_EQ(away.length(2, 1), 0u);
  EXPECT_EQ(away.scratch_elements(2), 84u);
  const std::vector<uint64_t> counts = {1, 2, 3, 42, 5};
  request.rank = 1;
  request.variable.receive_counts = counts;
  const Layout root(request);
  EXPECT_EQ(root.length(3, 1), 42u);
  EXPECT_EQ(root.offset({Buffer::output, 4}), 48u);
}

TEST(LayoutOfVariableBlocks, SumsThatOverflowSaturate) {
  const std::vector<uint64_t> counts = {UINT64_MAX, UINT64_MAX, 3, 4, 5};
  LayoutRequest request = block_request(Collective::all_gather, 0, 1);
  request.problem.blocks = Blocks::variable;
  request.variable.receive_counts = counts;
  const Layout layout(request);
  EXPECT_EQ(layout.offset({Buffer::output, 4}), UINT64_MAX);
  EXPECT_EQ(layout.offset({Buffer::output, 99}), 0u) << "a slot that does not exist";
}

}  // namespace
}  // namespace tutti::schedule
