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

}  // namespace
}  // namespace tutti::algorithms::bruck
