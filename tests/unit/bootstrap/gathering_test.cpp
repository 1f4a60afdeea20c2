// SPDX-License-Identifier: Apache-2.0
// The bootstrap of many ranks in virtual time: rounds, deaths at any moment, and who is named as missing.
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bootstrap/simulation.hpp"
#include "support/test_size.hpp"

namespace tutti::bootstrap {
namespace {

TEST(Gathering, AllRanksGetThroughAllRounds) {
  for (const uint32_t rank_count : {1u, 2u, 3u, 4u, 5u, 7u, 8u, 9u, 16u, 17u, 31u, 33u, 64u, 100u}) {
    for (const uint32_t root_count : {1u, 2u, 3u, rank_count}) {
      if (root_count > rank_count) {
        continue;
      }
      SimulatedBootstrap job({.rank_count = rank_count, .root_count = root_count, .rounds = 3, .contribution_bytes = 10});
      job.run();
      for (uint32_t rank = 0; rank < rank_count; ++rank) {
        EXPECT_TRUE(job.is_done(rank)) << rank << " of " << rank_count << ", " << root_count << " roots: " << job.failure(rank).message();
      }
    }
  }
}

TEST(Gathering, NobodyHasMoreThanAFewMessagesForEachDoubling) {
  constexpr uint32_t rank_count = 1024;
  SimulatedBootstrap job({.rank_count = rank_count, .root_count = 4, .rounds = 2, .contribution_bytes = 100});
  job.run();
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    ASSERT_TRUE(job.is_done(rank));
    const Traffic& traffic = job.traffic_of_rank(rank);
    EXPECT_LE(traffic.messages_sent, 10u * 10);
    EXPECT_LE(traffic.bytes_sent, 2 * rank_count * 104 + 10 * 400);
  }
  // Two handshakes' messages, an introduction: for a share of the ranks and one more.
  EXPECT_LE(job.traffic_of_root(0).messages_sent, 2 * (rank_count / 4 + 1));
}

// Whoever has not got through all rounds has learnt who died, at whatever moment that was.
void expect_death_to_be_known(uint32_t rank_count, uint32_t root_count, uint32_t victim, uint32_t events_before) {
  SimulatedBootstrap job({.rank_count = rank_count, .root_count = root_count, .rounds = 2});
  for (uint32_t event = 0; event < events_before; ++event) {
    if (!job.step()) {
      return;
    }
  }
  if (job.is_done(victim)) {
    return;
  }
  job.kill(victim);
  job.run();
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    if (rank != victim && !job.is_done(rank)) {
      EXPECT_EQ(job.failure(rank).message(), fmt::format("bootstrap: rank {} died: connection closed", victim))
          << "rank " << rank << " of " << rank_count << ", " << root_count << " roots, after " << events_before << " events";
    }
  }
}

TEST(Gathering, ADeathAtAnyMomentIsKnownToAll) {
  for (const uint32_t rank_count : {2u, 3u, 4u, 5u, 8u}) {
    for (uint32_t victim = 0; victim < rank_count; ++victim) {
      const uint32_t stride = tests::test_size() == tests::Size::small ? 3 : 1;
      for (uint32_t events = victim % stride; events < rank_count * 40; events += stride) {
        expect_death_to_be_known(rank_count, 1, victim, events);
        if (rank_count >= 4) {
          expect_death_to_be_known(rank_count, 2, victim, events);
        }
      }
    }
  }
  for (uint32_t events = 0; events < 33 * 60; events += tests::test_size() == tests::Size::small ? 29 : 7) {
    expect_death_to_be_known(33, 1 + events % 3, events % 33, events);
  }
}

// All others name some of the `missing`, and nobody else.
void expect_named(SimulatedBootstrap& job, uint32_t rank_count, const std::set<uint32_t>& missing) {
  for (int i = 0; i < 40; ++i) {
    job.run();
    job.wait_ns(kReportIntervalNs);
  }
  job.run();
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    std::vector<std::string> words{fmt::format("rank {}", *missing.begin()), fmt::format("rank {}", *missing.rbegin()),
                                   fmt::format("ranks {}", fmt::join(missing, ", "))};
    if (!missing.contains(rank)) {
      EXPECT_THAT(words, ::testing::Contains(job.waiting_for(rank))) << "rank " << rank;
    }
  }
}

TEST(Gathering, RanksThatNeverComeAreNamedByAll) {
  for (const uint32_t root_count : {1u, 4u}) {
    SimulatedBootstrap one({.rank_count = 24, .root_count = root_count, .absent = {9}});
    expect_named(one, 24, {9});
    SimulatedBootstrap first_of_a_share({.rank_count = 24, .root_count = root_count, .absent = {12}});
    expect_named(first_of_a_share, 24, {12});
  }
  SimulatedBootstrap two({.rank_count = 7, .absent = {0, 4}});
  expect_named(two, 7, {0, 4});
}

TEST(Gathering, RanksThatDoNotBeginARoundAreNamedByAll) {
  SimulatedBootstrap one({.rank_count = 19, .rounds = 2, .stalled = {11}});
  expect_named(one, 19, {11});
  SimulatedBootstrap two({.rank_count = 16, .rounds = 2, .stalled = {3, 4}});
  expect_named(two, 16, {3, 4});
}

}  // namespace
}  // namespace tutti::bootstrap
