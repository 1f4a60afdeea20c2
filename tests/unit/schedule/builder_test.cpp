// SPDX-License-Identifier: Apache-2.0
#include "schedule/builder.hpp"

#include <gtest/gtest.h>

#include <set>

namespace tutti::schedule {
namespace {

TEST(Builder, LaysLanesOutOneAfterAnotherWhateverTheOrderOfAdding) {
  Builder builder({.rank = 1, .chunk_count = 4, .parts = 2});
  const LaneId first = builder.add_lane();
  const LaneId second = builder.add_lane(1);
  const StepId b0 = builder.receive(second, 3, {.first = 2}, {Buffer::output, 2});
  const StepId a0 = builder.copy(first, {.first = 1}, {.source = {Buffer::input, 1}, .target = {Buffer::output, 1}}, {.waits = {{b0}}});
  builder.send(second, 0, {.first = 2}, {Buffer::output, 2}, {.waits = {{b0, WaitMode::streaming}, {a0}}});
  const Schedule schedule = std::move(builder).build();

  EXPECT_EQ(schedule.rank, 1u);
  EXPECT_EQ(schedule.chunk_count, 4u);
  EXPECT_EQ(schedule.parts, 2u);
  ASSERT_EQ(schedule.lanes.size(), 2u);
  EXPECT_EQ(schedule.lanes[0], (Lane{.channel = 0, .first_step = 0, .step_count = 1}));
  EXPECT_EQ(schedule.lanes[1], (Lane{.channel = 1, .first_step = 1, .step_count = 2}));
  ASSERT_EQ(schedule.steps.size(), 3u);
  EXPECT_EQ(schedule.steps[0].kind, StepKind::copy);
  EXPECT_EQ(schedule.steps[1].kind, StepKind::receive);
  EXPECT_EQ(schedule.steps[2].kind, StepKind::send);
  ASSERT_EQ(schedule.waits_of(schedule.steps[0]).size(), 1u);
  EXPECT_EQ(schedule.waits_of(schedule.steps[0])[0], (Wait{.step = 1, .mode = WaitMode::complete}));
  ASSERT_EQ(schedule.waits_of(schedule.steps[2]).size(), 2u);
  EXPECT_EQ(schedule.waits_of(schedule.steps[2])[0], (Wait{.step = 1, .mode = WaitMode::streaming}));
  EXPECT_EQ(schedule.waits_of(schedule.steps[2])[1], (Wait{.step = 0, .mode = WaitMode::complete}));
}

TEST(Builder, DropsEmptyLanesAndCountsOnlyChannelsInUse) {
  Builder builder({});
  builder.add_lane(3);
  const LaneId used = builder.add_lane(1);
  builder.add_lane(2);
  builder.send(used, 1, {}, {Buffer::input, 0});
  const Schedule schedule = std::move(builder).build();
  ASSERT_EQ(schedule.lanes.size(), 1u);
  EXPECT_EQ(schedule.lanes[0].channel, 1u);
  EXPECT_EQ(schedule.channel_count, 2u);
}

TEST(Builder, NothingToDoIsASchedule) {
  const Schedule schedule = Builder({}).build();
  EXPECT_TRUE(schedule.lanes.empty());
  EXPECT_EQ(schedule.channel_count, 1u);
}

TEST(Builder, ReservesScratchConsecutively) {
  Builder builder({});
  EXPECT_EQ(builder.add_scratch(3), 0u);
  EXPECT_EQ(builder.add_scratch(2), 3u);
  EXPECT_EQ(std::move(builder).build().scratch_slots, 5u);
}

TEST(Builder, KeepsWhatStepsHaveBesideTheirSpans) {
  Builder builder({});
  const LaneId lane = builder.add_lane();
  builder.receive_reduce(lane, 2, {.first = 0, .count = 1}, {.source = {Buffer::input, 0}, .target = {Buffer::output, 0}},
                         {.operands = Operands::received_first});
  const std::vector<Span> sources = {{Buffer::input, 0}, {Buffer::scratch, 1}};
  builder.reduce(lane, {}, sources, {Buffer::output, 0}, {.final = Final::yes});
  const Schedule schedule = std::move(builder).build();
  EXPECT_EQ(schedule.steps[0].operands, Operands::received_first);
  EXPECT_EQ(schedule.steps[0].final, Final::no);
  EXPECT_EQ(schedule.steps[0].peer, 2u);
  EXPECT_TRUE(schedule.sources_of(schedule.steps[0]).empty());
  EXPECT_EQ(schedule.steps[1].final, Final::yes);
  ASSERT_EQ(schedule.sources_of(schedule.steps[1]).size(), 2u);
  EXPECT_EQ(schedule.sources_of(schedule.steps[1])[1], (Span{Buffer::scratch, 1}));
}

TEST(Builder, KeepsSignalsAndFurtherTargets) {
  Builder builder({.rank = 1, .chunk_count = 2});
  const LaneId first = builder.add_lane();
  const LaneId second = builder.add_lane();
  const Span theirs{.buffer = Buffer::output, .slot = 1, .rank = 0};
  const std::vector<Span> sources = {{Buffer::input, 1}};
  const StepId awaited = builder.await(second, 0);
  const StepId reduced = builder.reduce(second, {.first = 1}, sources, {Buffer::output, 1}, {.further_targets = {theirs}});
  builder.copy(second, {.first = 0}, {.source = {.buffer = Buffer::output, .slot = 0, .rank = 0}, .target = {Buffer::output, 0}},
               {.if_private = true});
  builder.signal(first, 0, {.waits = {{awaited}, {reduced}}});
  const Schedule schedule = std::move(builder).build();
  ASSERT_EQ(schedule.steps.size(), 4u);
  EXPECT_EQ(schedule.steps[0].kind, StepKind::signal);
  EXPECT_EQ(schedule.steps[0].peer, 0u);
  EXPECT_EQ(schedule.waits_of(schedule.steps[0]).size(), 2u);
  EXPECT_EQ(schedule.steps[1].kind, StepKind::await);
  EXPECT_TRUE(schedule.further_targets_of(schedule.steps[1]).empty());
  ASSERT_EQ(schedule.further_targets_of(schedule.steps[2]).size(), 1u);
  EXPECT_EQ(schedule.further_targets_of(schedule.steps[2])[0], theirs);
  EXPECT_FALSE(schedule.steps[2].if_private);
  EXPECT_TRUE(schedule.steps[3].if_private);
  EXPECT_TRUE(schedule.further_targets_of(schedule.steps[3]).empty());
}

TEST(Problem, HasAWordForEachCollective) {
  std::set<std::string_view> words;
  for (uint32_t index = 0; index < kCollectiveCount; ++index) {
    words.insert(name_of(static_cast<Collective>(index)));
  }
  EXPECT_EQ(words.size(), kCollectiveCount);
  EXPECT_EQ(words.count("invalid"), 0u);
  EXPECT_EQ(name_of(Collective::all_to_all), "alltoall");
  EXPECT_EQ(name_of(static_cast<Collective>(200)), "invalid");
}

TEST(Problem, TextNamesWhatMatters) {
  EXPECT_EQ(to_string(Problem{.collective = Collective::all_reduce, .rank_count = 8, .in_place = InPlace::yes}),
            "allreduce, 8 ranks, in place");
  EXPECT_EQ(to_string(Problem{.collective = Collective::gather, .rank_count = 1, .root = 0, .blocks = Blocks::variable}),
            "gather, 1 rank, root 0, variable blocks");
}

TEST(Problem, HashDependsOnEveryField) {
  const Problem base{.collective = Collective::reduce, .rank_count = 4};
  std::vector<Problem> others(5, base);
  others[0].collective = Collective::broadcast;
  others[1].rank_count = 5;
  others[2].root = 1;
  others[3].in_place = InPlace::yes;
  others[4].blocks = Blocks::variable;
  std::set<uint64_t> hashes = {hash(base)};
  for (const Problem& other : others) {
    hashes.insert(hash(other));
  }
  EXPECT_EQ(hashes.size(), 6u);
  EXPECT_EQ(hash(base), hash(Problem(base)));
}

}  // namespace
}  // namespace tutti::schedule
