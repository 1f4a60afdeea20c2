// SPDX-License-Identifier: Apache-2.0
#include "algorithms/tree/tree.hpp"

#include <gtest/gtest.h>

#include <bit>

#include "support/schedule_support.hpp"
#include "topology/fitting.hpp"

namespace tutti::algorithms::tree {
namespace {

using namespace schedule;

const planner::Algorithm& binomial() { return algorithms()[0]; }
const planner::Algorithm& bine_tree() { return algorithms()[1]; }
const planner::Algorithm& pipeline() { return algorithms()[2]; }
const planner::Algorithm& double_binary() { return algorithms()[3]; }
const planner::Algorithm& k_nomial_four() { return algorithms()[4]; }
const planner::Algorithm& k_nomial_eight() { return algorithms()[5]; }
const planner::Algorithm& flat() { return algorithms()[6]; }

class BinomialTest : public testing::TestWithParam<Collective> {};
class DoubleBinaryTreeTest : public testing::TestWithParam<Collective> {};
class FlatTreeTest : public testing::TestWithParam<Collective> {};

TEST_P(BinomialTest, SolvesAllItAppliesTo) { tests::expect_solves_all_it_applies_to(binomial(), GetParam()); }
TEST_P(BinomialTest, AreSolvedByNegabinaryAndKNomialTreesToo) {
  tests::expect_solves_all_it_applies_to(bine_tree(), GetParam());
  tests::expect_solves_all_it_applies_to(k_nomial_four(), GetParam());
  tests::expect_solves_all_it_applies_to(k_nomial_eight(), GetParam());
}
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

TEST(CirculantPipelineTest, SolvesBroadcastAndReduce) {
  for (const Collective collective : {Collective::broadcast, Collective::reduce}) {
    for (uint32_t rank_count = 2; rank_count <= tests::kLargestRankCount; ++rank_count) {
      for (const InPlace in_place : {InPlace::no, InPlace::yes}) {
        const Problem problem{.collective = collective, .rank_count = rank_count, .root = rank_count / 3, .in_place = in_place};
        EXPECT_TRUE(tests::solves(pipeline(), problem));
      }
    }
  }
}

TEST(CirculantPipelineTest, EverybodyGetsEveryChunkOnceAndSendsLittleMore) {
  for (uint32_t rank_count = 2; rank_count <= 40; ++rank_count) {
    const auto logarithm = static_cast<uint32_t>(std::bit_width(rank_count - 1));
    const uint32_t chunk_count = 2 * logarithm * logarithm;
    for (const Schedule& schedule : tests::build_all(pipeline(), {.collective = Collective::broadcast, .rank_count = rank_count})) {
      EXPECT_EQ(tests::count_steps(schedule, StepKind::receive), schedule.rank == 0 ? 0u : chunk_count);
      EXPECT_LE(tests::count_steps(schedule, StepKind::send), chunk_count - 1 + logarithm);
    }
  }
}

TEST(KNomialTest, RootHasRadixLessOneChildrenForEachRound) {
  const std::vector<Schedule> schedules = tests::build_all(k_nomial_four(), {.collective = Collective::broadcast, .rank_count = 64, .root = 1});
  EXPECT_EQ(tests::count_steps(schedules[1], StepKind::send), 9u);
  const std::vector<Schedule> wide = tests::build_all(k_nomial_eight(), {.collective = Collective::broadcast, .rank_count = 64, .root = 1});
  EXPECT_EQ(tests::count_steps(wide[1], StepKind::send), 14u);
}

// Blocks, or vectors, that pass between the two groups of a dragonfly, for roots here and there.
uint64_t crossing(const planner::Algorithm& algorithm, Collective collective, const topology::Topology& topology) {
  constexpr uint32_t kBetweenRoots = 61;
  uint64_t chunk_count = 0;
  for (uint32_t root = 0; root < topology.rank_count(); root += kBetweenRoots) {
    const Problem problem{.collective = collective, .rank_count = topology.rank_count(), .root = root};
    for (const Schedule& schedule : tests::build_all(algorithm, problem, topology)) {
      for (const Step& step : schedule.steps) {
        const bool crosses = step.kind == StepKind::send && topology.host(schedule.rank) != topology.host(step.peer);
        chunk_count += crosses ? step.chunk_count : 0;
      }
    }
  }
  return chunk_count;
}

TEST(BineTest, SendsAThirdLessBetweenGroupsThanABinomialTree) {
  const auto topology = topology::load_topology("hpe-slingshot-frontier:256", TUTTI_SOURCE_DIR "/topologies", 2048);
  ASSERT_TRUE(topology) << topology.error().message();
  ASSERT_EQ(topology->host_count(), 2u);
  for (const Collective collective : {Collective::broadcast, Collective::gather}) {
    const auto near = static_cast<double>(crossing(bine_tree(), collective, *topology));
    const double ratio = near / static_cast<double>(crossing(binomial(), collective, *topology));
    EXPECT_NEAR(ratio, 2.0 / 3, 0.04) << name_of(collective);
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
