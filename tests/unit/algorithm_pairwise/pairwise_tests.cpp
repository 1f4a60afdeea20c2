// SPDX-License-Identifier: Apache-2.0
#include "algorithms/pairwise/pairwise.hpp"

#include <gtest/gtest.h>

#include "support/schedule_support.hpp"

namespace tutti::algorithms::pairwise {
namespace {

using namespace schedule;

const planner::Algorithm& pairwise() { return algorithms().front(); }

TEST(PairwiseTest, SolvesAllToAll) { tests::expect_solves_all_it_applies_to(pairwise(), Collective::all_to_all); }

TEST(PairwiseTest, AppliesToEveryFormOfAllToAll) {
  for (uint32_t rank_count = 1; rank_count <= tests::kLargestRankCount; ++rank_count) {
    for (const Problem& problem : tests::problems_of(Collective::all_to_all, rank_count)) {
      EXPECT_TRUE(tests::applies(pairwise(), problem)) << to_string(problem);
    }
  }
}

TEST(PairwiseTest, InPlacePutsAsideEverySecondBlock) {
  for (const uint32_t rank_count : {2u, 3u, 7u, 8u}) {
    for (const Schedule& schedule : tests::build_all(
             pairwise(), {.collective = Collective::all_to_all, .rank_count = rank_count, .in_place = InPlace::yes})) {
      EXPECT_EQ(tests::count_steps(schedule, StepKind::copy), rank_count / 2);
      EXPECT_EQ(schedule.scratch_slots, std::min(rank_count / 2, 2u));
    }
  }
}

}  // namespace
}  // namespace tutti::algorithms::pairwise
