// SPDX-License-Identifier: Apache-2.0
#include "schedule/rounds.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "sample_schedules.hpp"

namespace tutti::schedule {
namespace {

TEST(Rounds, OfARingAreOneMessageFromEachRank) {
  const auto passages = rounds_of(samples::ring_all_reduce({.collective = Collective::all_reduce, .rank_count = 4}));
  ASSERT_EQ(passages.size(), 4u * 6u);
  for (size_t index = 0; index < passages.size(); ++index) {
    const Passage& passage = passages[index];
    EXPECT_EQ(passage.round, index / 4);
    EXPECT_EQ(passage.target, (passage.source + 1) % 4);
    EXPECT_EQ(passage.kind, passage.round < 3 ? Passage::Kind::reduced : Passage::Kind::copied);
  }
}

TEST(Rounds, WhatIsPassedOnComesARoundLater) {
  const auto passages = rounds_of(samples::chain_broadcast({.collective = Collective::broadcast, .rank_count = 3}, 2));
  const std::vector<Passage> expected = {{.round = 0, .source = 0, .target = 1, .first_chunk = 0},
                                         {.round = 1, .source = 0, .target = 1, .first_chunk = 1},
                                         {.round = 1, .source = 1, .target = 2, .first_chunk = 0},
                                         {.round = 2, .source = 1, .target = 2, .first_chunk = 1}};
  EXPECT_TRUE(std::ranges::is_permutation(passages, expected));
}

TEST(Rounds, PeersMemoryIsReadAfterASignal) {
  std::vector<Schedule> schedules;
  Builder owner({.rank = 0});
  const LaneId lane = owner.add_lane();
  owner.signal(lane, 1);
  owner.await(lane, 1);
  schedules.push_back(std::move(owner).build());
  Builder reader({.rank = 1});
  const LaneId reading = reader.add_lane();
  reader.await(reading, 0);
  reader.copy(reading, {}, {.source = {.buffer = Buffer::input, .slot = 0, .rank = 0}, .target = {.buffer = Buffer::output, .slot = 0}});
  reader.signal(reading, 0);
  schedules.push_back(std::move(reader).build());
  EXPECT_EQ(rounds_of(schedules), (std::vector<Passage>{{.round = 0, .source = 0, .target = 1, .kind = Passage::Kind::told},
                                                        {.round = 1, .source = 0, .target = 1, .kind = Passage::Kind::copied},
                                                        {.round = 2, .source = 1, .target = 0, .kind = Passage::Kind::told}}));
}

}  // namespace
}  // namespace tutti::schedule
