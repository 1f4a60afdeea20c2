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
const planner::Algorithm& recursive_halving() { return algorithms()[2]; }
const planner::Algorithm& circulant_graph() { return algorithms()[3]; }

TEST(RecursiveDoublingTest, SolvesAllReduce) { tests::expect_solves_all_it_applies_to(doubling(), Collective::all_reduce); }
TEST(RecursiveDoublingTest, SolvesAllGather) { tests::expect_solves_all_it_applies_to(doubling(), Collective::all_gather); }
TEST(DisseminationTest, SolvesBarrier) { tests::expect_solves_all_it_applies_to(dissemination(), Collective::barrier); }

TEST(RecursiveHalvingTest, SolvesAllReduce) { tests::expect_solves_all_it_applies_to(recursive_halving(), Collective::all_reduce); }
TEST(RecursiveHalvingTest, SolvesReduceScatter) { tests::expect_solves_all_it_applies_to(recursive_halving(), Collective::reduce_scatter); }
TEST(CirculantTest, SolvesAllReduce) { tests::expect_solves_all_it_applies_to(circulant_graph(), Collective::all_reduce); }
TEST(CirculantTest, SolvesReduceScatter) { tests::expect_solves_all_it_applies_to(circulant_graph(), Collective::reduce_scatter); }

// Messages to different peers, in which a vector may come in two pieces.
uint32_t count_rounds(const Schedule& schedule) {
  uint32_t rounds = 0;
  uint32_t peer = schedule.rank;
  for (const Step& step : schedule.steps) {
    rounds += step.kind == StepKind::send && step.peer != peer ? 1 : 0;
    peer = step.kind == StepKind::send ? step.peer : peer;
  }
  return rounds;
}

TEST(CirculantTest, SendsTheLeastInTheFewestRoundsOfAnyRankCount) {
  for (uint32_t rank_count = 2; rank_count <= 64; ++rank_count) {
    const auto fewest = static_cast<uint32_t>(std::bit_width(rank_count - 1));
    for (const Schedule& schedule : tests::build_all(circulant_graph(), {.rank_count = rank_count})) {
      EXPECT_EQ(tests::count_chunks_sent(schedule), 2 * (rank_count - 1));
      EXPECT_LE(count_rounds(schedule), 2 * fewest);
    }
    for (const Schedule& schedule : tests::build_all(circulant_graph(), {.collective = Collective::reduce_scatter, .rank_count = rank_count})) {
      EXPECT_EQ(tests::count_chunks_sent(schedule), rank_count - 1);
      EXPECT_EQ(count_rounds(schedule), fewest);
      EXPECT_LE(schedule.scratch_slots, (rank_count + 1) / 2);
    }
  }
}

TEST(RecursiveHalvingTest, SendsTheLeastAndMostToTheNearest) {
  for (const Schedule& schedule : tests::build_all(recursive_halving(), {.rank_count = 16})) {
    EXPECT_EQ(tests::count_chunks_sent(schedule), 2 * 15u);
    EXPECT_EQ(schedule.scratch_slots, 0u);
    for (const Step& step : schedule.steps) {
      EXPECT_EQ(step.chunk_count, 8 / (step.peer ^ schedule.rank));
    }
  }
}

TEST(RecursiveHalvingTest, OnOneHostIsLeftToWhatWorksInMemory) {
  topology::Topology host = tests::reaching_topology(8);
  for (uint32_t rank = 0; rank < 8; ++rank) {
    host.set_host(rank, 0);
  }
  EXPECT_FALSE(recursive_halving().applies({.rank_count = 8}, host));
  EXPECT_FALSE(circulant_graph().applies({.rank_count = 8}, host));
}

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
