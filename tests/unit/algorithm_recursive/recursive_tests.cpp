// SPDX-License-Identifier: Apache-2.0
#include "algorithms/recursive/recursive.hpp"

#include <gtest/gtest.h>

#include <bit>

#include "support/schedule_support.hpp"

namespace tutti::algorithms::recursive {
namespace {

using namespace schedule;

const planner::Algorithm& doubling() { return algorithms()[0]; }
const planner::Algorithm& dissemination() { return algorithms()[1]; }

TEST(RecursiveDoublingTest, SolvesAllReduce) { tests::expect_solves_all_it_applies_to(doubling(), Collective::all_reduce); }
TEST(RecursiveDoublingTest, SolvesAllGather) { tests::expect_solves_all_it_applies_to(doubling(), Collective::all_gather); }
TEST(DisseminationTest, SolvesBarrier) { tests::expect_solves_all_it_applies_to(dissemination(), Collective::barrier); }

TEST(RecursiveDoublingTest, AllReduceAppliesToAnyRankCount) {
  for (uint32_t rank_count = 1; rank_count <= tests::kLargestRankCount; ++rank_count) {
    EXPECT_TRUE(tests::applies(doubling(), {.rank_count = rank_count}));
  }
}

TEST(RecursiveDoublingTest, AllGatherAppliesToPowersOfTwo) {
  for (uint32_t rank_count = 1; rank_count <= tests::kLargestRankCount; ++rank_count) {
    EXPECT_EQ(tests::applies(doubling(), {.collective = Collective::all_gather, .rank_count = rank_count}),
              std::has_single_bit(rank_count));
  }
}

TEST(RecursiveDoublingTest, SendsOneMessageARound) {
  for (const uint32_t rounds : {1u, 2u, 3u, 4u, 5u}) {
    for (const Schedule& schedule : tests::build_all(doubling(), {.rank_count = 1u << rounds})) {
      EXPECT_EQ(tests::count_steps(schedule, StepKind::send), rounds);
      EXPECT_EQ(tests::count_steps(schedule, StepKind::receive_reduce), rounds);
      EXPECT_EQ(tests::count_steps(schedule, StepKind::copy), 0u);
    }
  }
}

TEST(RecursiveDoublingTest, ExtraRanksCostTwoMessages) {
  for (const Schedule& schedule : tests::build_all(doubling(), {.rank_count = 7})) {
    EXPECT_LE(tests::count_steps(schedule, StepKind::send), 3u);
    EXPECT_LE(tests::count_steps(schedule, StepKind::receive_reduce), 3u);
  }
}

TEST(DisseminationTest, TakesAsManyRoundsAsTheLogarithm) {
  for (uint32_t rank_count = 2; rank_count <= tests::kLargestRankCount; ++rank_count) {
    const Problem problem{.collective = Collective::barrier, .rank_count = rank_count};
    for (const Schedule& schedule : tests::build_all(dissemination(), problem)) {
      EXPECT_EQ(tests::count_steps(schedule, StepKind::send), static_cast<uint32_t>(std::bit_width(rank_count - 1)));
    }
  }
}

// Of an empty message, the first none of its bytes are there at once.
TEST(DisseminationTest, WaitsForWholeSteps) {
  for (const Schedule& schedule : tests::build_all(dissemination(), {.collective = Collective::barrier, .rank_count = 6})) {
    EXPECT_FALSE(schedule.waits.empty());
    for (const Wait& wait : schedule.waits) {
      EXPECT_EQ(wait.mode, WaitMode::complete);
    }
  }
}

}  // namespace
}  // namespace tutti::algorithms::recursive
