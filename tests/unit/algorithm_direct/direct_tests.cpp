// SPDX-License-Identifier: Apache-2.0
#include "algorithms/direct/direct.hpp"

#include <gtest/gtest.h>

#include "support/schedule_support.hpp"

namespace tutti::algorithms::direct {
namespace {

using namespace schedule;

const planner::Algorithm& one_shot() { return algorithms()[0]; }
const planner::Algorithm& two_shot() { return algorithms()[1]; }

class OneShotTest : public testing::TestWithParam<Collective> {};
class TwoShotTest : public testing::TestWithParam<Collective> {};

TEST_P(OneShotTest, SolvesAllItAppliesTo) { tests::expect_solves_all_it_applies_to(one_shot(), GetParam()); }
TEST_P(TwoShotTest, SolvesAllItAppliesTo) { tests::expect_solves_all_it_applies_to(two_shot(), GetParam()); }

TEST_P(OneShotTest, AppliesToEveryFormOfTheCollective) {
  for (uint32_t rank_count = 1; rank_count <= tests::kLargestRankCount; ++rank_count) {
    for (const Problem& problem : tests::problems_of(GetParam(), rank_count)) {
      EXPECT_TRUE(tests::applies(one_shot(), problem)) << to_string(problem);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Collectives, OneShotTest,
                         testing::Values(Collective::all_reduce, Collective::reduce, Collective::broadcast,
                                         Collective::all_gather, Collective::reduce_scatter, Collective::all_to_all,
                                         Collective::gather, Collective::scatter),
                         [](const auto& info) { return std::string(name_of(info.param)); });
INSTANTIATE_TEST_SUITE_P(Collectives, TwoShotTest,
                         testing::Values(Collective::all_reduce, Collective::reduce, Collective::broadcast),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST(OneShotTest, TwoRanksReduceWhatArrivesWithoutScratch) {
  for (const Collective collective : {Collective::all_reduce, Collective::reduce, Collective::reduce_scatter}) {
    for (const Schedule& schedule : tests::build_all(one_shot(), {.collective = collective, .rank_count = 2})) {
      EXPECT_EQ(schedule.scratch_slots, 0u);
      EXPECT_LE(schedule.steps.size(), 2u);
    }
  }
}

TEST(OneShotTest, TwoRanksInPlaceCopyOnOneSideOnly) {
  const std::vector<Schedule> schedules = tests::build_all(one_shot(), {.rank_count = 2, .in_place = InPlace::yes});
  EXPECT_EQ(tests::count_steps(schedules[0], StepKind::copy), 0u);
  EXPECT_EQ(tests::count_steps(schedules[1], StepKind::copy), 1u);
}

TEST(OneShotTest, ReducesInRankOrderInOnePass) {
  for (const Schedule& schedule : tests::build_all(one_shot(), {.rank_count = 5})) {
    EXPECT_EQ(tests::count_steps(schedule, StepKind::reduce), 1u);
    ASSERT_EQ(schedule.sources.size(), 5u);
    uint32_t next_slot = 0;
    for (uint32_t rank = 0; rank < 5; ++rank) {
      const Span expected = rank == schedule.rank ? Span{Buffer::input, 0} : Span{Buffer::scratch, next_slot++};
      EXPECT_EQ(schedule.sources[rank], expected) << "contribution of rank " << rank;
    }
  }
}

TEST(OneShotTest, AllToAllInPlacePutsAsideHalfOfTheBlocks) {
  uint32_t aside = 0;
  for (const Schedule& schedule :
       tests::build_all(one_shot(), {.collective = Collective::all_to_all, .rank_count = 6, .in_place = InPlace::yes})) {
    EXPECT_LE(schedule.scratch_slots, 3u);
    aside += schedule.scratch_slots;
  }
  EXPECT_EQ(aside, 6u * 5u / 2u);
}

TEST(TwoShotTest, AllReduceOfTwoRanksNeedsNeitherScratchNorCopies) {
  for (const InPlace in_place : {InPlace::no, InPlace::yes}) {
    for (const Schedule& schedule : tests::build_all(two_shot(), {.rank_count = 2, .in_place = in_place})) {
      EXPECT_EQ(schedule.scratch_slots, 0u);
      EXPECT_EQ(schedule.steps.size(), 4u);
    }
  }
}

TEST(TwoShotTest, AllReduceSendsTheLeastAnyAlgorithmCan) {
  for (uint32_t rank_count = 2; rank_count <= 9; ++rank_count) {
    for (const Schedule& schedule : tests::build_all(two_shot(), {.rank_count = rank_count})) {
      EXPECT_EQ(schedule.chunk_count, rank_count);
      EXPECT_EQ(tests::count_chunks_sent(schedule), 2 * (rank_count - 1));
    }
  }
}

TEST(TwoShotTest, BroadcastRootSendsEachByteOnce) {
  const std::vector<Schedule> schedules =
      tests::build_all(two_shot(), {.collective = Collective::broadcast, .rank_count = 6, .root = 4});
  EXPECT_EQ(schedules[4].chunk_count, 5u);
  EXPECT_EQ(tests::count_chunks_sent(schedules[4]), 5u);
}

}  // namespace
}  // namespace tutti::algorithms::direct
