// SPDX-License-Identifier: Apache-2.0
#include "algorithms/tree/tree.hpp"

#include <gtest/gtest.h>

#include <bit>

#include "support/schedule_support.hpp"

namespace tutti::algorithms::tree {
namespace {

using namespace schedule;

const planner::Algorithm& binomial() { return algorithms()[0]; }
const planner::Algorithm& double_binary() { return algorithms()[1]; }
const planner::Algorithm& flat() { return algorithms()[2]; }

class BinomialTest : public testing::TestWithParam<Collective> {};
class DoubleBinaryTreeTest : public testing::TestWithParam<Collective> {};
class FlatTreeTest : public testing::TestWithParam<Collective> {};

TEST_P(BinomialTest, SolvesAllItAppliesTo) { tests::expect_solves_all_it_applies_to(binomial(), GetParam()); }
TEST_P(DoubleBinaryTreeTest, SolvesAllItAppliesTo) { tests::expect_solves_all_it_applies_to(double_binary(), GetParam()); }
TEST_P(FlatTreeTest, SolvesAllItAppliesTo) { tests::expect_solves_all_it_applies_to(flat(), GetParam()); }

INSTANTIATE_TEST_SUITE_P(Collectives, BinomialTest,
                         testing::Values(Collective::broadcast, Collective::reduce, Collective::gather, Collective::scatter),
                         [](const auto& info) { return std::string(name_of(info.param)); });
INSTANTIATE_TEST_SUITE_P(Collectives, DoubleBinaryTreeTest,
                         testing::Values(Collective::all_reduce, Collective::broadcast, Collective::reduce),
                         [](const auto& info) { return std::string(name_of(info.param)); });

INSTANTIATE_TEST_SUITE_P(Collectives, FlatTreeTest,
                         testing::Values(Collective::all_reduce, Collective::all_gather, Collective::reduce_scatter, Collective::barrier),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST(FlatTreeTest, TakesTwoMessagesForEachRankButTheRoot) {
  for (uint32_t rank_count = 2; rank_count <= tests::kLargestRankCount; ++rank_count) {
    for (const Collective collective : {Collective::all_reduce, Collective::all_gather, Collective::reduce_scatter, Collective::barrier}) {
      uint32_t message_count = 0;
      for (const Schedule& schedule : tests::build_all(flat(), {.collective = collective, .rank_count = rank_count})) {
        message_count += tests::count_steps(schedule, StepKind::send);
      }
      EXPECT_EQ(message_count, 2 * (rank_count - 1)) << name_of(collective);
    }
  }
}

TEST(BinomialTest, RootHasAChildForEachRound) {
  for (uint32_t rank_count = 2; rank_count <= tests::kLargestRankCount; ++rank_count) {
    const std::vector<Schedule> schedules =
        tests::build_all(binomial(), {.collective = Collective::broadcast, .rank_count = rank_count, .root = 1});
    EXPECT_EQ(tests::count_steps(schedules[1], StepKind::send), static_cast<uint32_t>(std::bit_width(rank_count - 1)));
  }
}

TEST(BinomialTest, GatherAndScatterLeaveVariableBlocksToOthers) {
  for (const Collective collective : {Collective::gather, Collective::scatter}) {
    EXPECT_FALSE(tests::applies(binomial(), {.collective = collective, .rank_count = 4, .blocks = Blocks::variable}));
  }
}

// An inner node of one tree is a leaf of the other, so nobody sends more than twice the vector in an allreduce, once
// up, once down.
TEST(DoubleBinaryTreeTest, NobodySendsMoreThanTwiceTheVector) {
  for (uint32_t rank_count = 2; rank_count <= tests::kLargestRankCount; rank_count += 2) {
    for (const Schedule& schedule : tests::build_all(double_binary(), {.rank_count = rank_count})) {
      EXPECT_LE(tests::count_chunks_sent(schedule), 2 * schedule.chunk_count) << rank_count << " ranks, rank " << schedule.rank;
    }
  }
}

TEST(DoubleBinaryTreeTest, BroadcastRanksSendAtMostTheVector) {
  for (uint32_t rank_count = 2; rank_count <= tests::kLargestRankCount; ++rank_count) {
    for (const uint32_t root : tests::roots_of(rank_count)) {
      for (const Schedule& schedule :
           tests::build_all(double_binary(), {.collective = Collective::broadcast, .rank_count = rank_count, .root = root})) {
        EXPECT_LE(tests::count_chunks_sent(schedule), schedule.chunk_count) << rank_count << " ranks, rank " << schedule.rank;
      }
    }
  }
}

TEST(DoubleBinaryTreeTest, TreesHaveChannelsOfTheirOwn) {
  for (const Schedule& schedule : tests::build_all(double_binary(), {.rank_count = 6})) {
    EXPECT_EQ(schedule.channel_count, 2u);
    for (const Lane& lane : schedule.lanes) {
      for (const Step& step : schedule.steps_of(lane)) {
        EXPECT_EQ(step.first_chunk, lane.channel);
      }
    }
  }
}

}  // namespace
}  // namespace tutti::algorithms::tree
