// SPDX-License-Identifier: Apache-2.0
#include "algorithms/shared/shared.hpp"

#include <gtest/gtest.h>

#include "support/planted_bugs.hpp"
#include "support/schedule_support.hpp"

namespace tutti::algorithms::shared {
namespace {

using namespace schedule;
using tests::drop_step;

const planner::Algorithm& shared_memory() { return algorithms()[0]; }
const planner::Algorithm& root_reads() { return algorithms()[1]; }

uint32_t count_signals(const std::vector<Schedule>& schedules) {
  uint32_t count = 0;
  for (const Schedule& schedule : schedules) {
    count += tests::count_steps(schedule, StepKind::signal);
  }
  return count;
}

class SharedMemoryTest : public testing::TestWithParam<Collective> {};

TEST_P(SharedMemoryTest, SolvesAllItAppliesTo) { tests::expect_solves_all_it_applies_to(shared_memory(), GetParam()); }

TEST_P(SharedMemoryTest, AppliesToEveryFormWithEqualBlocks) {
  for (uint32_t rank_count = 2; rank_count <= tests::kLargestRankCount; ++rank_count) {
    for (const Problem& problem : tests::problems_of(GetParam(), rank_count)) {
      EXPECT_EQ(tests::applies(shared_memory(), problem), problem.blocks == Blocks::equal) << to_string(problem);
    }
  }
}

// Some ranks in place and others not, as their callers like it.
void expect_solves_where_ranks_differ_in_place(const planner::Algorithm& algorithm, Collective collective) {
  for (const uint32_t rank_count : {2u, 3u, 4u, 5u}) {
    for (Problem problem : tests::problems_of(collective, rank_count)) {
      if (!tests::applies(algorithm, problem) || problem.in_place == InPlace::yes) {
        continue;
      }
      const std::vector<Schedule> apart = tests::build_all(algorithm, problem);
      problem.in_place = InPlace::yes;
      const std::vector<Schedule> same = tests::build_all(algorithm, problem);
      for (uint32_t mask = 0; mask < uint32_t{1} << rank_count; ++mask) {
        const auto in_place = [&](uint32_t rank) { return (mask >> rank & 1) != 0 ? InPlace::yes : InPlace::no; };
        std::vector<Schedule> mixed;
        for (uint32_t rank = 0; rank < rank_count; ++rank) {
          mixed.push_back(in_place(rank) == InPlace::yes ? same[rank] : apart[rank]);
        }
        const Status status = verify(problem, mixed, {.in_place = in_place});
        EXPECT_TRUE(status.ok()) << to_string(problem) << ", ranks in place: " << mask << ": " << status.message();
      }
    }
  }
}

TEST_P(SharedMemoryTest, SolvesWhereRanksDifferInPlace) { expect_solves_where_ranks_differ_in_place(shared_memory(), GetParam()); }

INSTANTIATE_TEST_SUITE_P(Collectives, SharedMemoryTest,
                         testing::Values(Collective::all_reduce, Collective::reduce, Collective::broadcast, Collective::all_gather,
                                         Collective::reduce_scatter, Collective::all_to_all, Collective::gather, Collective::scatter),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST(SharedMemoryTest, NeedsLinksThatReachMemoryBetweenAllPairs) {
  const Problem problem{.collective = Collective::all_reduce, .rank_count = 3};
  topology::Topology topology = tests::reaching_topology(3);
  EXPECT_TRUE(shared_memory().applies(problem, topology));
  topology.set_link(0, 2, {});
  EXPECT_FALSE(shared_memory().applies(problem, topology));
  EXPECT_FALSE(shared_memory().applies(problem, topology::Topology(3)));
}

TEST(SharedMemoryTest, IsForTwoToSixtyFourRanksAndForWhatHasData) {
  const auto applies = [](const Problem& problem) { return tests::applies(shared_memory(), problem); };
  EXPECT_FALSE(applies({.collective = Collective::all_reduce, .rank_count = 1}));
  EXPECT_TRUE(applies({.collective = Collective::all_reduce, .rank_count = 64}));
  EXPECT_FALSE(applies({.collective = Collective::all_reduce, .rank_count = 65}));
  EXPECT_FALSE(applies({.collective = Collective::barrier, .rank_count = 4}));
  EXPECT_FALSE(applies({.collective = Collective::send, .rank_count = 2}));
}

TEST(SharedMemoryTest, SolvesForAsManyRanksAsItTakes) {
  EXPECT_TRUE(tests::solves(shared_memory(), {.collective = Collective::all_reduce, .rank_count = 64, .in_place = InPlace::yes}));
  EXPECT_TRUE(tests::solves(shared_memory(), {.collective = Collective::all_to_all, .rank_count = 64, .in_place = InPlace::yes}));
}

// One round lends the memory and one gives it back; allreduce and gather have another, for outputs that are private.
TEST(SharedMemoryTest, SignalsNoMoreThanItMust) {
  constexpr uint32_t kRanks = 5;
  const auto signals = [](Collective collective) {
    return count_signals(tests::build_all(shared_memory(), {.collective = collective, .rank_count = kRanks, .root = 3}));
  };
  constexpr uint32_t kPairs = kRanks * (kRanks - 1);
  EXPECT_EQ(signals(Collective::all_reduce), 3 * kPairs);
  EXPECT_EQ(signals(Collective::reduce_scatter), 2 * kPairs);
  EXPECT_EQ(signals(Collective::all_gather), 2 * kPairs);
  EXPECT_EQ(signals(Collective::all_to_all), 2 * kPairs);
  EXPECT_EQ(signals(Collective::reduce), 2 * kPairs - (kRanks - 1)) << "a chunk that comes is a signal, too";
  EXPECT_EQ(signals(Collective::broadcast), 2 * (kRanks - 1));
  EXPECT_EQ(signals(Collective::scatter), 2 * (kRanks - 1));
  EXPECT_EQ(signals(Collective::gather), 3 * (kRanks - 1));
}

// Of the steps of a kind with a peer, all in one lane.
std::vector<uint32_t> steps_with(const Schedule& schedule, StepKind kind, uint32_t peer) {
  std::vector<uint32_t> steps;
  for (uint32_t index = 0; index < schedule.steps.size(); ++index) {
    if (schedule.steps[index].kind == kind && schedule.steps[index].peer == peer) {
      steps.push_back(index);
    }
  }
  return steps;
}

// Each signal, with its await, is needed for something; so is each of the steps that it waits for. But in an alltoall in place a rank that puts
// blocks aside needs no first signal for peers that are in place too, which it does not know of them.
void expect_no_signal_to_spare_and_none_too_early(const planner::Algorithm& algorithm, Collective collective) {
  uint32_t dropped = 0;
  for (const uint32_t rank_count : {2u, 3u, 4u}) {
    for (const Problem& problem : tests::problems_of(collective, rank_count)) {
      if (!tests::applies(algorithm, problem)) {
        continue;
      }
      const std::vector<Schedule> all = tests::build_all(algorithm, problem);
      for (uint32_t from = 0; from < rank_count; ++from) {
        for (uint32_t to = 0; to < rank_count; ++to) {
          const std::vector<uint32_t> signals = steps_with(all[from], StepKind::signal, to);
          const std::vector<uint32_t> awaits = steps_with(all[to], StepKind::await, from);
          ASSERT_EQ(signals.size(), awaits.size());
          for (size_t index = 0; index < signals.size(); ++index) {
            std::vector<Schedule> fewer = all;
            drop_step(fewer[from], signals[index]);
            drop_step(fewer[to], awaits[index]);
            const bool is_for_others = problem.collective == Collective::all_to_all && problem.in_place == InPlace::yes && index == 0;
            EXPECT_TRUE(is_for_others || !verify(problem, fewer).ok())
                << to_string(problem) << ": signal " << index << " from " << from << " to " << to;
            std::vector<Schedule> earlier = all;
            Step& signal = earlier[from].steps[signals[index]];
            if (signal.wait_count > 0) {
              signal.wait_count = 0;
              EXPECT_FALSE(verify(problem, earlier).ok())
                  << to_string(problem) << ": early signal " << index << " from " << from << " to " << to;
            }
            ++dropped;
          }
        }
      }
    }
  }
  EXPECT_GT(dropped, 0u);
}

TEST_P(SharedMemoryTest, HasNoSignalToSpareAndSignalsNoneTooEarly) {
  expect_no_signal_to_spare_and_none_too_early(shared_memory(), GetParam());
}

TEST(SharedMemoryTest, NoDataTravelsInMessages) {
  for (const Collective collective : tests::kCollectives) {
    const Problem problem{.collective = collective, .rank_count = 4, .root = 1};
    if (collective == Collective::reduce || !tests::applies(shared_memory(), problem)) {
      continue;
    }
    for (const Schedule& schedule : tests::build_all(shared_memory(), problem)) {
      EXPECT_EQ(tests::count_chunks_sent(schedule), 0u) << to_string(schedule);
      EXPECT_EQ(schedule.scratch_slots, 0u) << to_string(schedule);
    }
  }
}

TEST(SharedMemoryTest, PeersBeginWithDifferentPeers) {
  std::vector<bool> read_first(6);
  for (const Schedule& schedule : tests::build_all(shared_memory(), {.collective = Collective::all_gather, .rank_count = 6})) {
    for (const Step& step : schedule.steps) {
      if (step.kind == StepKind::copy && step.source.rank != kOwnRank) {
        EXPECT_FALSE(read_first[step.source.rank]);
        read_first[step.source.rank] = true;
        break;
      }
    }
  }
  EXPECT_EQ(std::count(read_first.begin(), read_first.end(), true), 6);
}

TEST(SharedMemoryTest, AllToAllInPlacePutsAsideHalfOfTheBlocks) {
  uint32_t aside = 0;
  for (const Schedule& schedule :
       tests::build_all(shared_memory(), {.collective = Collective::all_to_all, .rank_count = 6, .in_place = InPlace::yes})) {
    EXPECT_LE(schedule.scratch_slots, 3u);
    aside += schedule.scratch_slots;
  }
  EXPECT_EQ(aside, 6u * 5u / 2u);
}

TEST(RootReadsTest, SolvesReductionsAndNothingElse) {
  tests::expect_solves_all_it_applies_to(root_reads(), Collective::reduce);
  expect_solves_where_ranks_differ_in_place(root_reads(), Collective::reduce);
  for (const Collective collective : tests::kCollectives) {
    EXPECT_EQ(tests::applies(root_reads(), {.collective = collective, .rank_count = 4, .root = 1}), collective == Collective::reduce);
  }
  EXPECT_FALSE(root_reads().applies({.collective = Collective::reduce, .rank_count = 3}, topology::Topology(3)));
}

TEST(RootReadsTest, PeersTellWhereTheirInputIsAndHearThatItIsFree) {
  constexpr uint32_t kRanks = 5;
  const std::vector<Schedule> schedules = tests::build_all(root_reads(), {.collective = Collective::reduce, .rank_count = kRanks, .root = 3});
  EXPECT_EQ(count_signals(schedules), 2 * (kRanks - 1));
  for (const Schedule& schedule : schedules) {
    EXPECT_EQ(tests::count_chunks_sent(schedule), 0u);
    EXPECT_EQ(schedule.scratch_slots, 0u);
    EXPECT_EQ(tests::count_steps(schedule, StepKind::reduce), schedule.rank == 3 ? 1u : 0u);
  }
  expect_no_signal_to_spare_and_none_too_early(root_reads(), Collective::reduce);
}

}  // namespace
}  // namespace tutti::algorithms::shared
