// SPDX-License-Identifier: Apache-2.0
#include "algorithms/bruck/bruck.hpp"

#include <gtest/gtest.h>

#include <bit>

#include "support/schedule_support.hpp"

namespace tutti::algorithms::bruck {
namespace {

using namespace schedule;

const planner::Algorithm& bruck() { return algorithms().front(); }

class BruckTest : public testing::TestWithParam<Collective> {};

TEST_P(BruckTest, SolvesAllItAppliesTo) { tests::expect_solves_all_it_applies_to(bruck(), GetParam()); }

TEST_P(BruckTest, SendsOneMessageARound) {
  for (uint32_t rank_count = 2; rank_count <= tests::kLargestRankCount; ++rank_count) {
    for (const Schedule& schedule : tests::build_all(bruck(), {.collective = GetParam(), .rank_count = rank_count})) {
      EXPECT_EQ(tests::count_steps(schedule, StepKind::send), static_cast<uint32_t>(std::bit_width(rank_count - 1)));
    }
  }
}

TEST_P(BruckTest, LeavesVariableBlocksToOthers) {
  EXPECT_FALSE(tests::applies(bruck(), {.collective = GetParam(), .rank_count = 4, .blocks = Blocks::variable}));
}

INSTANTIATE_TEST_SUITE_P(Collectives, BruckTest, testing::Values(Collective::all_gather, Collective::all_to_all),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST(BruckTest, AllGatherSendsEachBlockOnce) {
  for (const Schedule& schedule : tests::build_all(bruck(), {.collective = Collective::all_gather, .rank_count = 11})) {
    EXPECT_EQ(tests::count_chunks_sent(schedule), 10u);
  }
}

const planner::Algorithm& bruck_four() { return algorithms()[1]; }
const planner::Algorithm& bruck_eight() { return algorithms()[2]; }
const planner::Algorithm& parallel_trees_algorithm() { return algorithms()[3]; }

TEST(WideBruckTest, SolvesAllToAll) {
  tests::expect_solves_all_it_applies_to(bruck_four(), Collective::all_to_all);
  tests::expect_solves_all_it_applies_to(bruck_eight(), Collective::all_to_all);
}

TEST(WideBruckTest, SendsAsManyMessagesAsDigitsHaveValues) {
  for (const Schedule& schedule : tests::build_all(bruck_four(), {.collective = Collective::all_to_all, .rank_count = 64})) {
    EXPECT_EQ(tests::count_steps(schedule, StepKind::send), 9u);
    EXPECT_EQ(tests::count_chunks_sent(schedule), 9 * 16u);
  }
  for (const Schedule& schedule : tests::build_all(bruck_eight(), {.collective = Collective::all_to_all, .rank_count = 64})) {
    EXPECT_EQ(tests::count_steps(schedule, StepKind::send), 14u);
    EXPECT_EQ(tests::count_chunks_sent(schedule), 14 * 8u);
  }
}

TEST(ParallelTreesTest, SolveAllGather) { tests::expect_solves_all_it_applies_to(parallel_trees_algorithm(), Collective::all_gather); }
TEST(ParallelTreesTest, SolveAllReduce) { tests::expect_solves_all_it_applies_to(parallel_trees_algorithm(), Collective::all_reduce); }
TEST(ParallelTreesTest, SolveReduceScatter) { tests::expect_solves_all_it_applies_to(parallel_trees_algorithm(), Collective::reduce_scatter); }

TEST(ParallelTreesTest, SendTheLeastAndFewBlocksFar) {
  for (uint32_t rank_count = 2; rank_count <= tests::kLargestRankCount; ++rank_count) {
    for (const Collective collective : {Collective::all_gather, Collective::reduce_scatter}) {
      for (const Schedule& schedule : tests::build_all(parallel_trees_algorithm(), {.collective = collective, .rank_count = rank_count})) {
        EXPECT_EQ(tests::count_chunks_sent(schedule), rank_count - 1);
        uint32_t far = 0;
        for (const Step& step : schedule.steps) {
          const uint32_t ahead = (step.peer + rank_count - schedule.rank) % rank_count;
          far += step.kind == StepKind::send && ahead != 1 && ahead != rank_count - 1 ? 1 : 0;
        }
        EXPECT_LE(far, rank_count / 2);
      }
    }
  }
}

}  // namespace
}  // namespace tutti::algorithms::bruck
