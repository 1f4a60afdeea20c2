// SPDX-License-Identifier: Apache-2.0
#include "algorithms/ring/ring.hpp"

#include <gtest/gtest.h>

#include "support/schedule_support.hpp"

namespace tutti::algorithms::ring {
namespace {

using namespace schedule;

const planner::Algorithm& ring() { return algorithms().front(); }

class RingTest : public testing::TestWithParam<Collective> {};

TEST_P(RingTest, SolvesAllItAppliesTo) { tests::expect_solves_all_it_applies_to(ring(), GetParam()); }

INSTANTIATE_TEST_SUITE_P(Collectives, RingTest,
                         testing::Values(Collective::all_reduce, Collective::reduce, Collective::broadcast,
                                         Collective::all_gather, Collective::reduce_scatter),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST(RingTest, AllReduceSendsTheLeastAnyAlgorithmCan) {
  for (uint32_t rank_count = 2; rank_count <= 9; ++rank_count) {
    for (const Schedule& schedule : tests::build_all(ring(), {.rank_count = rank_count})) {
      EXPECT_EQ(schedule.chunk_count, rank_count);
      EXPECT_EQ(tests::count_chunks_sent(schedule), 2 * (rank_count - 1));
    }
  }
}

TEST(RingTest, AllReduceNeedsNeitherScratchNorCopies) {
  for (const InPlace in_place : {InPlace::no, InPlace::yes}) {
    for (const Schedule& schedule : tests::build_all(ring(), {.rank_count = 5, .in_place = in_place})) {
      EXPECT_EQ(schedule.scratch_slots, 0u);
      EXPECT_EQ(tests::count_steps(schedule, StepKind::copy), 0u);
    }
  }
}

TEST(RingTest, ReduceScatterKeepsAtMostTwoPartialBlocks) {
  for (uint32_t rank_count = 2; rank_count <= 9; ++rank_count) {
    for (const Schedule& schedule :
         tests::build_all(ring(), {.collective = Collective::reduce_scatter, .rank_count = rank_count})) {
      EXPECT_EQ(schedule.scratch_slots, std::min(rank_count - 2, 2u));
    }
  }
}

TEST(RingTest, TalksToNeighboursOnly) {
  for (const Collective collective : {Collective::all_reduce, Collective::reduce, Collective::broadcast,
                                      Collective::all_gather, Collective::reduce_scatter}) {
    for (const Problem& problem : tests::problems_of(collective, 7)) {
      if (!tests::applies(ring(), problem)) {
        continue;
      }
      const Status status = verify(problem, tests::build_all(ring(), problem), {.has_link = [](uint32_t source, uint32_t target) {
                                     return target == (source + 1) % 7;
                                   }});
      EXPECT_TRUE(status.ok()) << status.message();
    }
  }
}

TEST(RingTest, LeavesOtherCollectivesToOthers) {
  for (const Collective collective : {Collective::all_to_all, Collective::gather, Collective::scatter, Collective::barrier}) {
    for (const Problem& problem : tests::problems_of(collective, 4)) {
      EXPECT_FALSE(tests::applies(ring(), problem)) << to_string(problem);
    }
  }
}

}  // namespace
}  // namespace tutti::algorithms::ring
