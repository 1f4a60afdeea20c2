// SPDX-License-Identifier: Apache-2.0
// What holds for the schedules of all algorithms, beside solving their problems.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "golden/registered_algorithms.hpp"
#include "support/schedule_support.hpp"

namespace tutti {
namespace {

using namespace schedule;

// Calls check(algorithm, problem) for all problems of some rank counts that cover the shapes: alone, a pair, odd, even, a power of two.
template <typename Check>
void for_each_case(Check check) {
  int count = 0;
  for (const planner::Algorithm& algorithm : tests::registered_algorithms()) {
    for (const Collective collective : tests::kCollectives) {
      for (const uint32_t rank_count : {1u, 2u, 3u, 5u, 6u, 8u, 11u}) {
        for (const Problem& problem : tests::problems_of(collective, rank_count)) {
          if (tests::applies(algorithm, problem)) {
            check(algorithm, problem);
            ++count;
          }
        }
      }
    }
  }
  EXPECT_GT(count, 1000);
}

TEST(SchedulePropertyTest, EqualInputsGiveEqualSchedules) {
  for_each_case([](const planner::Algorithm& algorithm, const Problem& problem) {
    EXPECT_EQ(tests::build_all(algorithm, problem), tests::build_all(algorithm, problem))
        << algorithm.name << ", " << to_string(problem);
  });
}

// The messages of a schedule, in the order of each of its channels.
using Port = std::tuple<uint32_t /*channel*/, uint32_t /*peer*/, bool /*sends*/>;
using Messages = std::map<Port, std::vector<std::pair<uint32_t /*first chunk*/, uint32_t /*count*/>>>;

Messages messages_of(const Schedule& schedule) {
  Messages messages;
  for (const Lane& lane : schedule.lanes) {
    for (const Step& step : schedule.steps_of(lane)) {
      if (step.kind != StepKind::copy && step.kind != StepKind::reduce) {
        messages[{lane.channel, step.peer, step.kind == StepKind::send}].emplace_back(step.first_chunk, step.chunk_count);
      }
    }
  }
  return messages;
}

// Whether buffers are in place is a rank's own affair; in a reduce, only the root has two buffers to compare. So ranks must be able to run
// one algorithm together though each builds its schedule for its own buffers.
TEST(SchedulePropertyTest, MessagesDoNotDependOnBuffersBeingInPlace) {
  for_each_case([](const planner::Algorithm& algorithm, Problem problem) {
    problem.in_place = InPlace::no;
    const std::vector<Schedule> apart = tests::build_all(algorithm, problem);
    problem.in_place = InPlace::yes;
    ASSERT_TRUE(tests::applies(algorithm, problem)) << algorithm.name << ", " << to_string(problem);
    const std::vector<Schedule> in_place = tests::build_all(algorithm, problem);
    for (uint32_t rank = 0; rank < problem.rank_count; ++rank) {
      EXPECT_EQ(messages_of(apart[rank]), messages_of(in_place[rank]))
          << algorithm.name << ", " << to_string(problem) << ", rank " << rank;
      EXPECT_EQ(apart[rank].chunk_count, in_place[rank].chunk_count);
    }
  });
}

// Scratch that no step writes would be memory for nothing.
TEST(SchedulePropertyTest, HasNoMoreScratchThanItWrites) {
  for_each_case([](const planner::Algorithm& algorithm, const Problem& problem) {
    for (const Schedule& schedule : tests::build_all(algorithm, problem)) {
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
