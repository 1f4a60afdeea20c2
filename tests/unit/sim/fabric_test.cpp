// SPDX-License-Identifier: Apache-2.0
// Frames on the links of a fabric.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "mesh.hpp"
#include "support/graph_fabric.hpp"

namespace tutti::sim {
namespace {

// A hop takes 100 ns, the protocol 1,000.
topology::Topology topology_of(const tests::GraphFabric::Shape& shape) {
  topology::Topology topology(shape.chip_count);
  topology.set_fabric(std::make_shared<tests::GraphFabric>(shape));
  return topology;
}

topology::Topology ring(uint32_t count) { return topology_of(tests::ring_shape(count, kBandwidth)); }

// When each frame arrives, in order.
std::vector<uint64_t> arrivals_on_fabric(Mesh& mesh) {
  std::vector<uint64_t> times;
  uint64_t seen = mesh.network.delivered_frame_count();
  while (mesh.network.advance()) {
    for (; seen < mesh.network.delivered_frame_count(); ++seen) {
      times.push_back(mesh.elapsed_ns());
    }
  }
  return times;
}

TEST(NetworkOnAFabric, AFrameTakesItsBytesAndTheLatencyOfItsWay) {
  Mesh mesh(ring(8), {});
  const auto payload = pattern(500, 1);
  ASSERT_EQ(mesh.send(0, 2, payload), Transfer::done);
  EXPECT_EQ(arrivals_on_fabric(mesh), (std::vector<uint64_t>{500 + 1'000 + 200}));
  Message message;
  ASSERT_EQ(mesh.peek(2, 0, &message), Transfer::done);
  EXPECT_TRUE(std::ranges::equal(message.payload, payload));
}

TEST(NetworkOnAFabric, FramesOfAChannelLeaveOneAfterAnother) {
  Mesh mesh(ring(8), {});
  const auto payload = pattern(500, 1);
  mesh.send(0, 1, payload);
  mesh.send(0, 1, payload);
  EXPECT_EQ(arrivals_on_fabric(mesh), (std::vector<uint64_t>{500 + 1'100, 1'000 + 1'100}));
}

TEST(NetworkOnAFabric, FramesOfAMessageTakeAsLongAsAllOfIt) {
  Mesh mesh(topology_of(tests::ring_shape(8, 3'000'000'000)), {});
  const auto payload = pattern(100, 1);
  for (uint32_t frame = 0; frame < 3; ++frame) {
    ASSERT_EQ(mesh.send(0, 1, payload, 0, 300), Transfer::done);
  }
  EXPECT_EQ(arrivals_on_fabric(mesh), (std::vector<uint64_t>{34 + 1'100, 67 + 1'100, 100 + 1'100}));
}

TEST(NetworkOnAFabric, WaysShareTheirLinks) {
  Mesh mesh(ring(8), {});
  const auto payload = pattern(500, 1);
  mesh.send(0, 2, payload);
  mesh.send(1, 3, payload);
  mesh.send(4, 5, payload);
  mesh.send(2, 1, payload);
  const std::vector<uint64_t> expected = {500 + 1'100, 500 + 1'100, 1'000 + 1'200, 1'000 + 1'200};
  EXPECT_EQ(arrivals_on_fabric(mesh), expected) << "1-2 is shared, the other direction is not";
}

TEST(NetworkOnAFabric, TheSenderHasItsMemoryBackWhenAFrameHasLeft) {
  Mesh mesh(ring(8), {});
  auto payload = pattern(500, 1);
  const auto original = payload;
  ASSERT_EQ(mesh.send(0, 1, payload), Transfer::done);
  EXPECT_EQ(mesh.network.released_bytes(mesh.end(0, 1), 0), 0u);
  ASSERT_TRUE(mesh.network.advance_instant());
  EXPECT_EQ(mesh.elapsed_ns(), 500u);
  EXPECT_EQ(mesh.network.released_bytes(mesh.end(0, 1), 0), 500u);
  std::ranges::fill(payload, std::byte{0});
  while (mesh.network.advance()) {
  }
  EXPECT_EQ(mesh.network.released_bytes(mesh.end(0, 1), 0), 500u);
  Message message;
  ASSERT_EQ(mesh.peek(1, 0, &message), Transfer::done);
  EXPECT_TRUE(std::ranges::equal(message.payload, original));
}

TEST(NetworkOnAFabric, CloseComesBehindWhatWasSent) {
  Mesh mesh(ring(4), {});
  const auto payload = pattern(50'000, 1);
  ASSERT_EQ(mesh.send(0, 1, payload), Transfer::done);
  ASSERT_EQ(mesh.send(0, 1, payload), Transfer::done);
  mesh.network.close(mesh.end(0, 1));
  while (mesh.network.advance()) {
  }
  Message message;
  for (uint32_t frame = 0; frame < 2; ++frame) {
    ASSERT_EQ(mesh.peek(1, 0, &message), Transfer::done);
    EXPECT_TRUE(std::ranges::equal(message.payload, payload));
    mesh.network.pop(mesh.end(1, 0), 0);
  }
  EXPECT_EQ(mesh.peek(1, 0, &message), Transfer::failed);
}

TEST(NetworkOnAFabric, WhatHasNotLeftACrashedNodeIsLost) {
  Mesh mesh(ring(4), {});
  const auto payload = pattern(500, 1);
  for (uint32_t frame = 0; frame < 3; ++frame) {
    ASSERT_EQ(mesh.send(0, 1, payload), Transfer::done);
  }
  mesh.network.crash_after_frames(0, 2);
  while (mesh.network.advance()) {
  }
  EXPECT_EQ(mesh.network.delivered_frame_count(), 2u);
  EXPECT_EQ(mesh.network.state(mesh.end(1, 0)), EndpointState::failed);
}

TEST(NetworkOnAFabric, ChipsWithoutALinkAreRefusedWhereTheMachineForwardsNothing) {
  Mesh mesh(ring(8), {.reach = Reach::adjacent_only});
  const auto payload = pattern(500, 1);
  EXPECT_EQ(mesh.send(0, 1, payload, 3), Transfer::done);
  EXPECT_EQ(mesh.send(0, 2, payload, kControlChannel), Transfer::done) << "words about the work go everywhere";
  EXPECT_EQ(mesh.send(0, 2, payload, 3), Transfer::failed);
  EXPECT_EQ(mesh.network.failure(mesh.end(0, 2)).message(), "no link joins chips 0 and 2");
}

TEST(NetworkOnAFabric, SizedPayloadsArriveAsTheirSizes) {
  Mesh mesh(ring(4), {.payloads = Payloads::sized});
  const std::vector<std::byte> payload(500);
  ASSERT_EQ(mesh.send(0, 1, payload, 2), Transfer::done);
  while (mesh.network.advance()) {
  }
  std::vector<std::byte> landing(500, std::byte{7});
  Message message;
  ASSERT_EQ(mesh.network.peek(mesh.end(1, 0), 2, landing, &message), Transfer::done);
  EXPECT_EQ(message.payload.data(), landing.data());
  EXPECT_EQ(message.payload.size(), 500u);
  EXPECT_EQ(landing.front(), std::byte{7});
}

TEST(NetworkOnAFabric, CountsWhatPassesALink) {
  Mesh mesh(ring(4), {});
  const auto payload = pattern(500, 1);
  mesh.send(0, 1, payload);
  mesh.send(0, 1, payload);
  while (mesh.network.advance()) {
  }
  const topology::Flows& flows = mesh.network.traffic()->flows();
  EXPECT_EQ(flows.carried_bytes(0), 1'000u);
  EXPECT_EQ(flows.busy_ns(0), 1'000u);
  EXPECT_EQ(flows.carried_bytes(1), 0u);
}

TEST(Network, TellsWhichNodesHaveSomethingNew) {
  Mesh mesh(4);
  mesh.network.take_woken();
  const auto payload = pattern(10, 1);
  ASSERT_EQ(mesh.send(0, 2, payload), Transfer::done);
  EXPECT_TRUE(mesh.network.take_woken().empty());
  while (mesh.network.advance()) {
  }
  std::vector<uint32_t> woken = mesh.network.take_woken();
  std::ranges::sort(woken);
  EXPECT_EQ(woken, (std::vector<uint32_t>{0, 2}));
  EXPECT_TRUE(mesh.network.take_woken().empty());
}

TEST(NetworkOnAFabric, FramesOfAGangTravelAsOne) {
  Mesh mesh(topology_of(tests::switch_shape(4, kBandwidth, 1000)), {});
  const auto payload = pattern(500, 1);
  const Gang gang{.number = 3, .message_count = 3};
  for (const uint32_t source : {1u, 2u}) {
    ASSERT_EQ(mesh.send_in_gang(source, 0, payload, gang), Transfer::done);
  }
  EXPECT_FALSE(mesh.network.advance()) << "they wait for the third";
  ASSERT_EQ(mesh.send_in_gang(3, 0, payload, gang), Transfer::done);
  EXPECT_EQ(arrivals_on_fabric(mesh), (std::vector<uint64_t>{700, 700, 700}));
  for (const uint32_t source : {1u, 2u, 3u}) {
    Message message;
    ASSERT_EQ(mesh.peek(0, source, &message), Transfer::done);
    EXPECT_TRUE(std::ranges::equal(message.payload, payload));
  }
}

TEST(NetworkOnAFabric, AGangThatTheSwitchesCannotServeGoesOneByOne) {
  Mesh mesh(topology_of(tests::switch_shape(4, kBandwidth, 0)), {});
  const auto payload = pattern(500, 1);
  for (const uint32_t source : {1u, 2u, 3u}) {
    mesh.send_in_gang(source, 0, payload, {.number = 3, .message_count = 3});
  }
  for (const uint64_t at_ns : arrivals_on_fabric(mesh)) {
    EXPECT_NEAR(static_cast<double>(at_ns), 1'500 + 1'200, 2) << "three on one link";
  }
}

TEST(NetworkOnAFabric, WhoWaitsForADeadNodesFrameGoesOnAlone) {
  for (const bool is_broken : {false, true}) {
    Mesh mesh(topology_of(tests::switch_shape(4, kBandwidth, 1000)), {});
    const auto payload = pattern(500, 1);
    const Gang gang{.number = 3, .message_count = 3};
    mesh.send_in_gang(1, 0, payload, gang);
    mesh.send_in_gang(2, 0, payload, gang);
    if (is_broken) {
      mesh.network.break_link(3, 0);
    } else {
      mesh.network.crash(3);
    }
    while (mesh.network.advance()) {
    }
    for (const uint32_t source : {1u, 2u}) {
      Message message;
      EXPECT_EQ(mesh.peek(0, source, &message), Transfer::done) << source;
    }
    mesh.send_in_gang(1, 0, payload, gang);
    EXPECT_TRUE(mesh.network.advance()) << "nor do later ones wait";
  }
}

}  // namespace
}  // namespace tutti::sim
