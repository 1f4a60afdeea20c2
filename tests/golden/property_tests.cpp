// SPDX-License-Identifier: Apache-2.0
// What holds for the schedules of all algorithms, beside solving their problems.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "golden/registered_algorithms.hpp"
#include "support/grids.hpp"

namespace tutti {
namespace {

using namespace schedule;

// Calls check(algorithm, problem, topology) for all problems of some rank counts that cover the shapes: alone, a pair, odd, even,
// a power of two.
template <typename Check>
void for_each_case(Check check) {
  int count = 0;
  for (const planner::Algorithm& algorithm : tests::registered_algorithms()) {
    for (const Collective collective : tests::kCollectives) {
      for (const uint32_t rank_count : {1u, 2u, 3u, 4u, 5u, 6u, 8u, 11u}) {
        for (const Problem& problem : tests::problems_of(collective, rank_count)) {
          for (const topology::Topology& topology : tests::topologies_for(algorithm, problem)) {
            check(algorithm, problem, topology);
            ++count;
          }
        }
      }
    }
  }
  EXPECT_GT(count, 1000);
}

TEST(SchedulePropertyTest, EqualInputsGiveEqualSchedules) {
  for_each_case([](const planner::Algorithm& algorithm, const Problem& problem, const topology::Topology& topology) {
    EXPECT_EQ(tests::build_all(algorithm, problem, topology), tests::build_all(algorithm, problem, topology))
        << algorithm.name << ", " << to_string(problem);
  });
}

// Scratch that no step writes would be memory for nothing.
TEST(SchedulePropertyTest, HasNoMoreScratchThanItWrites) {
  for_each_case([](const planner::Algorithm& algorithm, const Problem& problem, const topology::Topology& topology) {
    for (const Schedule& schedule : tests::build_all(algorithm, problem, topology)) {
      std::vector<bool> written(schedule.scratch_slots);
      for (const Step& step : schedule.steps) {
        for (uint32_t index = 0; step.target.buffer == Buffer::scratch && index < step.chunk_count; ++index) {
          written[step.target.slot + index] = true;
        }
      }
      EXPECT_EQ(std::count(written.begin(), written.end(), false), 0)
          << algorithm.name << ", " << to_string(problem) << ", rank " << schedule.rank;
    }
  });
}

}  // namespace
}  // namespace tutti
