// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>

#include "mesh.hpp"
#include "sim/network.hpp"

namespace tutti::sim {
namespace {

constexpr uint64_t kDetectionNs = 50'000;

NetworkOptions options() { return {.detection_delay_ns = kDetectionNs}; }

void settle(Network& network) {
  while (network.advance()) {
  }
}

TEST(Crash, PeersNoticeAfterTheDetectionDelayAndOthersDoNot) {
  Mesh mesh(3, options());
  mesh.network.crash(0);
  EXPECT_TRUE(mesh.network.crashed(0));
  EXPECT_EQ(mesh.network.failure(mesh.end(0, 1)).code(), tuttiAborted);
  mesh.network.advance_until(mesh.start_ns + kDetectionNs - 1);
  EXPECT_EQ(mesh.network.state(mesh.end(1, 0)), EndpointState::open);
  EXPECT_EQ(mesh.network.state(mesh.end(2, 0)), EndpointState::open);
  mesh.network.advance_until(mesh.start_ns + kDetectionNs);
  for (const uint32_t survivor : {1u, 2u}) {
    EXPECT_EQ(mesh.network.state(mesh.end(survivor, 0)), EndpointState::failed);
    EXPECT_EQ(mesh.network.failure(mesh.end(survivor, 0)).code(), tuttiRemoteError);
  }
  EXPECT_EQ(mesh.network.state(mesh.end(1, 2)), EndpointState::open);
}

TEST(Crash, WhatHadLeftArrivesAndTheRestIsLost) {
  Mesh mesh(2, options());
  auto first = pattern(1'000, 1);
  const auto original = first;
  const auto second = pattern(1'000, 2);
  ASSERT_EQ(mesh.send(0, 1, first), Transfer::done);
  ASSERT_EQ(mesh.send(0, 1, second), Transfer::done);
  mesh.network.at(mesh.start_ns + 1'500, [&] { mesh.network.crash(0); });  // the second is half way onto the link
  mesh.network.advance_until(mesh.start_ns + 1'500);
  std::ranges::fill(first, std::byte{0});  // a dead process has no memory
  settle(mesh.network);
  Message message;
  ASSERT_EQ(mesh.peek(1, 0, &message), Transfer::done);
  EXPECT_TRUE(std::ranges::equal(message.payload, original));
  mesh.network.pop(mesh.end(1, 0), 0);
  EXPECT_EQ(mesh.peek(1, 0, &message), Transfer::failed);
}

TEST(Crash, NoticeWaitsForTheLastFrameThatHadLeft) {
  Mesh mesh(2, {.detection_delay_ns = 0});
  const auto payload = pattern(100, 1);
  ASSERT_EQ(mesh.send(0, 1, payload), Transfer::done);
  mesh.network.advance_until(mesh.start_ns + 100);
  mesh.network.crash(0);
  settle(mesh.network);
  EXPECT_EQ(mesh.elapsed_ns(), 100 + kLatencyNs);
  Message message;
  EXPECT_EQ(mesh.peek(1, 0, &message), Transfer::done);
}

TEST(Crash, AfterItsNthFrameANodeSendsNoMore) {
  Mesh mesh(3, options());
  const auto payload = pattern(100, 1);
  mesh.network.crash_after_frames(0, 3);
  EXPECT_EQ(mesh.send(0, 1, payload), Transfer::done);
  EXPECT_EQ(mesh.send(0, 1, payload), Transfer::done);
  EXPECT_FALSE(mesh.network.crashed(0));
  EXPECT_EQ(mesh.send(0, 1, payload), Transfer::done);
  EXPECT_TRUE(mesh.network.crashed(0));
  EXPECT_EQ(mesh.send(0, 1, payload), Transfer::failed);
  EXPECT_EQ(mesh.send(0, 2, payload), Transfer::failed);
  settle(mesh.network);
  EXPECT_EQ(mesh.network.delivered_frame_count(), 3u);
  EXPECT_EQ(mesh.elapsed_ns(), 300 + kDetectionNs);
  EXPECT_EQ(mesh.network.state(mesh.end(1, 0)), EndpointState::failed);
  EXPECT_EQ(mesh.network.state(mesh.end(2, 0)), EndpointState::failed);
}

TEST(Crash, ASenderGetsItsMemoryBackWhenItNotices) {
  Mesh mesh(2, options());
  const auto payload = pattern(100, 1);
  ASSERT_EQ(mesh.send(0, 1, payload), Transfer::done);
  mesh.network.crash(1);
  mesh.network.advance_until(mesh.start_ns + 2 * kLatencyNs);
  EXPECT_EQ(mesh.network.released_bytes(mesh.end(0, 1), 0), 0u);
  settle(mesh.network);
  EXPECT_EQ(mesh.network.released_bytes(mesh.end(0, 1), 0), 100u);
  EXPECT_EQ(mesh.send(0, 1, payload), Transfer::failed);
}

TEST(Crash, ACallToACrashedNodeFails) {
  Mesh mesh(2, options());
  mesh.network.crash(1);
  const PortId port = mesh.network.attach({.node = 0, .group = 1, .secret = {}});
  const EndpointId endpoint = mesh.network.open(port, 1);
  settle(mesh.network);
  EXPECT_EQ(mesh.network.state(endpoint), EndpointState::failed);
}

TEST(BrokenLink, LosesWhatIsInFlightAndFailsBothEndsAlone) {
  Mesh mesh(3, options());
  const auto payload = pattern(100, 1);
  ASSERT_EQ(mesh.send(0, 1, payload), Transfer::done);
  mesh.network.break_link(1, 0);
  EXPECT_EQ(mesh.send(1, 0, payload), Transfer::done) << "nobody has noticed yet";
  settle(mesh.network);
  EXPECT_EQ(mesh.network.delivered_frame_count(), 0u);
  EXPECT_EQ(mesh.elapsed_ns(), kDetectionNs);
  EXPECT_EQ(mesh.network.state(mesh.end(0, 1)), EndpointState::failed);
  EXPECT_EQ(mesh.network.state(mesh.end(1, 0)), EndpointState::failed);
  EXPECT_EQ(mesh.network.state(mesh.end(0, 2)), EndpointState::open);
  EXPECT_EQ(mesh.network.released_bytes(mesh.end(1, 0), 0), 100u);
}

TEST(BrokenLink, ACertainLossBreaksAtTheFirstFrame) {
  Mesh mesh(2, {.detection_delay_ns = kDetectionNs, .faults = {.seed = 1, .lost_per_million = 1'000'000}});
  const auto payload = pattern(100, 1);
  EXPECT_EQ(mesh.send(0, 1, payload), Transfer::done);
  settle(mesh.network);
  EXPECT_EQ(mesh.network.delivered_frame_count(), 0u);
  EXPECT_EQ(mesh.network.state(mesh.end(0, 1)), EndpointState::failed);
}

TEST(Partition, HoldsWhatCrossesItUntilItHealsInOrder) {
  Mesh mesh(4, options());
  const auto payload = pattern(100, 1);
  const std::vector<uint32_t> side{0, 1};
  ASSERT_EQ(mesh.send(0, 2, payload), Transfer::done);  // in flight when the partition begins
  mesh.network.partition(side);
  ASSERT_EQ(mesh.send(0, 1, payload), Transfer::done);
  ASSERT_EQ(mesh.send(2, 3, payload), Transfer::done);
  ASSERT_EQ(mesh.send(0, 2, payload), Transfer::done);
  settle(mesh.network);
  EXPECT_EQ(mesh.network.delivered_frame_count(), 2u) << "within the sides";
  Message message;
  EXPECT_EQ(mesh.peek(2, 0, &message), Transfer::would_block);
  EXPECT_EQ(mesh.network.state(mesh.end(2, 0)), EndpointState::open) << "slow, not dead";

  mesh.network.advance_until(mesh.start_ns + 1'000'000);
  mesh.network.heal();
  ASSERT_EQ(mesh.send(0, 2, payload), Transfer::done);
  settle(mesh.network);
  EXPECT_EQ(mesh.network.delivered_frame_count(), 5u);
  EXPECT_EQ(mesh.elapsed_ns(), 1'000'000 + 100 + kLatencyNs);
  for (const uint64_t number : {0u, 3u, 4u}) {
    ASSERT_EQ(mesh.peek(2, 0, &message), Transfer::done);
    EXPECT_EQ(message.header[0], number);
    mesh.network.pop(mesh.end(2, 0), 0);
  }
}

TEST(Partition, AnotherPartitionKeepsHoldingWhatItStillSeparates) {
  Mesh mesh(3, options());
  const auto payload = pattern(100, 1);
  mesh.network.partition(std::vector<uint32_t>{0});
  ASSERT_EQ(mesh.send(0, 1, payload), Transfer::done);
  ASSERT_EQ(mesh.send(0, 2, payload), Transfer::done);
  settle(mesh.network);
  ASSERT_EQ(mesh.network.delivered_frame_count(), 0u);
  mesh.network.partition(std::vector<uint32_t>{0, 1});
  settle(mesh.network);
  EXPECT_EQ(mesh.network.delivered_frame_count(), 1u);
  mesh.network.heal();
  settle(mesh.network);
  EXPECT_EQ(mesh.network.delivered_frame_count(), 2u);
}

TEST(Jitter, DelaysWithinItsBoundAndNeverReorders) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Mesh mesh(2, {.faults = {.seed = seed, .maximum_jitter_ns = 5'000}});
    const auto payload = pattern(10, 1);
    for (int index = 0; index < 50; ++index) {
      ASSERT_EQ(mesh.send(0, 1, payload), Transfer::done);
    }
    settle(mesh.network);
    EXPECT_GE(mesh.elapsed_ns(), 500 + kLatencyNs);
    EXPECT_LE(mesh.elapsed_ns(), 500 + kLatencyNs + 5'000);
    for (uint64_t index = 0; index < 50; ++index) {
      Message message;
      ASSERT_EQ(mesh.peek(1, 0, &message), Transfer::done);
      EXPECT_EQ(message.header[0], index);
      mesh.network.pop(mesh.end(1, 0), 0);
    }
  }
}

}  // namespace
}  // namespace tutti::sim
