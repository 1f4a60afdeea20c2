// SPDX-License-Identifier: Apache-2.0
#include "schedule/assembly.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "schedule/verifier.hpp"

namespace tutti::schedule {
namespace {

// An allreduce of two ranks, in place or not: a copy of the own vector is sent.
Schedule exchange_of_pair(uint32_t rank) {
  Builder builder({.rank = rank});
  const Span own{Buffer::input, 0};
  const Span aside{Buffer::scratch, builder.add_scratch(1)};
  const StepId copied = builder.copy(builder.add_lane(), {}, {.source = own, .target = aside});
  builder.send(builder.add_lane(), 1 - rank, {}, aside, {.waits = {{copied, WaitMode::streaming}}});
  builder.receive_reduce(builder.add_lane(), 1 - rank, {}, {.source = own, .target = {Buffer::output, 0}},
                         {.operands = rank == 0 ? Operands::local_first : Operands::received_first,
                          .final = Final::yes,
                          .waits = {{copied, WaitMode::streaming}}});
  return std::move(builder).build();
}

Homes in(Buffer buffer) {
  return [buffer](uint32_t chunk) { return Span{buffer, chunk}; };
}

// Pairs of neighbours, then of ranks two apart: recursive doubling.
Schedule doubling_of_four(const Problem& problem, uint32_t rank) {
  Assembly assembly(problem, {.rank = rank, .chunk_count = 1, .parts = 1});
  const std::vector<std::vector<Chunks>> whole = {{{0, 1}}};
  const Problem pair{.collective = Collective::all_reduce, .rank_count = 2};
  for (const uint32_t distance : {1u, 2u}) {
    const std::vector<uint32_t> members = {rank & ~distance, rank | distance};
    const Schedule schedule = exchange_of_pair((rank & distance) != 0 ? 1 : 0);
    assembly.add({.problem = pair,
                  .schedule = schedule,
                  .members = members,
                  .way = distance,
                  .first_channel = 0,
                  .final = distance == 2 ? Final::yes : Final::no,
                  .chunks = whole,
                  .input = in(distance == 1 ? Buffer::input : Buffer::output),
                  .output = in(Buffer::output)});
  }
  return std::move(assembly).build();
}

TEST(Assembly, RunsWaitForWhatTheyReadAndWrite) {
  for (const InPlace in_place : {InPlace::no, InPlace::yes}) {
    const Problem problem{.collective = Collective::all_reduce, .rank_count = 4, .in_place = in_place};
    std::vector<Schedule> schedules;
    for (uint32_t rank = 0; rank < 4; ++rank) {
      schedules.push_back(doubling_of_four(problem, rank));
    }
    const Status status = verify(problem, schedules);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(schedules[0].scratch_slots, 2u);
    uint32_t final_count = 0;
    for (const Step& step : schedules[0].steps) {
      final_count += step.final == Final::yes ? 1 : 0;
    }
    EXPECT_EQ(final_count, 1u) << "the last run's";
  }
}

// Of three steps one after another that of the middle has no blocks here: the last waits for the first all the same.
TEST(Assembly, StepsWithoutBlocksPassTheirWaitsOn) {
  const auto input = [](uint32_t slot) { return Span{Buffer::input, slot}; };
  const auto output = [](uint32_t slot) { return Span{Buffer::output, slot}; };
  Builder builder({.rank = 1, .chunk_count = 3, .parts = 1});
  const StepId first = builder.receive(builder.add_lane(), 0, {0}, output(0));
  const StepId second = builder.receive(builder.add_lane(), 2, {2}, output(2), {.waits = {{first, WaitMode::complete}}});
  builder.copy(builder.add_lane(), {1}, {.source = input(0), .target = output(1)}, {.waits = {{second, WaitMode::complete}}});
  const Schedule group = std::move(builder).build();
  const Problem of_group{.collective = Collective::all_gather, .rank_count = 3};
  const Problem problem{.collective = Collective::all_gather, .rank_count = 5};
  Assembly assembly(problem, {.rank = 1, .chunk_count = 5, .parts = 1});
  const std::vector<uint32_t> members = {0, 1, 4};
  const std::vector<std::vector<Chunks>> blocks = {{{0, 1}, {3, 1}}, {{1, 1}}, {}};
  assembly.add({.problem = of_group,
                .schedule = group,
                .members = members,
                .chunks = blocks,
                .input = [](uint32_t) { return Span{Buffer::input, 0}; },
                .output = in(Buffer::output)});
  const Schedule schedule = std::move(assembly).build();
  ASSERT_EQ(schedule.steps.size(), 3u) << "two blocks of rank 0, one of its own";
  ASSERT_EQ(schedule.lanes.size(), 2u);
  const auto copy = std::ranges::find(schedule.steps, StepKind::copy, &Step::kind);
  ASSERT_NE(copy, schedule.steps.end());
  ASSERT_EQ(copy->wait_count, 1u);
  const Step& awaited = schedule.steps[schedule.waits_of(*copy).front().step];
  EXPECT_EQ(awaited.kind, StepKind::receive);
  EXPECT_EQ(awaited.first_chunk, 3u) << "the last of the first step";
}

TEST(Assembly, TakesNoWorkInPeersMemoryNorChunksOutOfPlace) {
  const Problem problem{.collective = Collective::all_reduce, .rank_count = 2};
  EXPECT_TRUE(can_be_assembled(problem, exchange_of_pair(0)));
  Schedule signals = exchange_of_pair(0);
  signals.steps.back().kind = StepKind::signal;
  EXPECT_FALSE(can_be_assembled(problem, signals));
  Schedule reads_peer = exchange_of_pair(0);
  reads_peer.steps.front().source.rank = 1;
  EXPECT_FALSE(can_be_assembled(problem, reads_peer));
  Schedule displaced = exchange_of_pair(0);
  displaced.chunk_count = 2;
  displaced.steps.front().source.slot = 1;
  EXPECT_FALSE(can_be_assembled(problem, displaced));
}

}  // namespace
}  // namespace tutti::schedule
