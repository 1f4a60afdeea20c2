// SPDX-License-Identifier: Apache-2.0
#include "sim/network.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "mesh.hpp"
#include "sim/driver.hpp"

namespace tutti::sim {
namespace {

TEST(Network, AnOpenConnectionTakesOneLatency) {
  const Mesh mesh(2);
  EXPECT_EQ(mesh.network.state(mesh.end(0, 1)), EndpointState::open);
  EXPECT_EQ(mesh.network.state(mesh.end(1, 0)), EndpointState::open);
  EXPECT_EQ(mesh.start_ns, kLatencyNs);
}

TEST(Network, AFrameTakesItsBytesAndTheLatencyToTheNanosecond) {
  Mesh mesh(2);
  const auto payload = pattern(500, 1);
  Message message;
  ASSERT_EQ(mesh.send(0, 1, payload), Transfer::done);
  EXPECT_EQ(mesh.network.next_event_ns(), mesh.start_ns + 500 + kLatencyNs);
  mesh.network.advance_until(mesh.start_ns + 500 + kLatencyNs - 1);
  EXPECT_EQ(mesh.peek(1, 0, &message), Transfer::would_block);
  EXPECT_EQ(mesh.network.released_bytes(mesh.end(0, 1), 0), 0u);
  mesh.network.advance_until(mesh.start_ns + 500 + kLatencyNs);
  ASSERT_EQ(mesh.peek(1, 0, &message), Transfer::done);
  EXPECT_TRUE(std::ranges::equal(message.payload, payload));
  EXPECT_EQ(mesh.network.released_bytes(mesh.end(0, 1), 0), 500u);
}

TEST(Network, AFractionOfANanosecondIsRoundedUp) {
  Mesh mesh(2, {}, link_spec(10, 3'000'000'000));
  const auto payload = pattern(100, 1);
  ASSERT_EQ(mesh.send(0, 1, payload), Transfer::done);
  EXPECT_EQ(mesh.network.next_event_ns(), mesh.start_ns + 34 + 10);
}

TEST(Network, FramesOfOneLinkWaitForEachOtherAndThoseOfOthersDoNot) {
  Mesh mesh(3);
  const auto large = pattern(4'000, 1);
  const auto small = pattern(100, 2);
  ASSERT_EQ(mesh.send(0, 1, large, 0), Transfer::done);
  ASSERT_EQ(mesh.send(0, 1, small, 3), Transfer::done);  // another channel, the same link
  ASSERT_EQ(mesh.send(0, 2, small), Transfer::done);
  ASSERT_EQ(mesh.send(1, 0, small), Transfer::done);
  std::vector<uint64_t> times;
  while (mesh.network.advance()) {
    times.push_back(mesh.elapsed_ns());
  }
  EXPECT_EQ(times, (std::vector<uint64_t>{100 + kLatencyNs, 100 + kLatencyNs, 4'000 + kLatencyNs, 4'100 + kLatencyNs}));
}

// Four nodes on a host in two halves, at a byte per nanosecond and half of that between the halves.
topology::Topology halves() {
  topology::Topology topology = topology::Topology::uniform(4, link_spec());
  for (uint32_t node = 0; node < 4; ++node) {
    topology.set_host(node, 0);
  }
  topology.add_level({.name = "half", .domains = {0, 0, 1, 1}, .crossing_ns = 50, .crossing_bytes_per_s = kBandwidth / 2});
  return topology;
}

std::vector<uint64_t> arrivals(Mesh& mesh) {
  std::vector<uint64_t> times;
  while (mesh.network.advance()) {
    times.push_back(mesh.elapsed_ns());
  }
  return times;
}

TEST(NetworkOnOneHost, ANodeSendsOneFrameAtATimeAndTakesOneIn) {
  Mesh mesh(halves(), {});
  const auto payload = pattern(1'000, 1);
  mesh.send(0, 1, payload);
  mesh.send(2, 3, payload);
  EXPECT_EQ(arrivals(mesh), (std::vector<uint64_t>{1'000 + kLatencyNs, 1'000 + kLatencyNs})) << "different nodes";
  Mesh crowded(halves(), {});
  crowded.send(0, 1, payload);
  crowded.send(0, 1, payload, 1);
  crowded.send(1, 0, payload);
  EXPECT_EQ(arrivals(crowded), (std::vector<uint64_t>{1'000 + kLatencyNs, 1'000 + kLatencyNs, 2'000 + kLatencyNs})) << "the other way is free";
}

TEST(NetworkOnOneHost, WhatPassesBetweenDomainsTakesTurns) {
  Mesh mesh(halves(), {});
  const auto payload = pattern(1'000, 1);
  mesh.send(0, 2, payload);
  mesh.send(1, 3, payload);
  mesh.send(3, 1, payload);
  const uint64_t latency = kLatencyNs + 50;
  EXPECT_EQ(arrivals(mesh), (std::vector<uint64_t>{2'000 + latency, 2'000 + latency, 4'000 + latency})) << "the other way is free";
}

TEST(Network, EachPairHasItsOwnLink) {
  topology::Topology topology = topology::Topology::uniform(3, link_spec());
  topology.set_link(0, 2, link_spec(7, 100'000'000));
  Mesh mesh(topology, {});
  const auto payload = pattern(10, 1);
  ASSERT_EQ(mesh.send(0, 2, payload), Transfer::done);
  ASSERT_TRUE(mesh.network.advance());
  EXPECT_EQ(mesh.elapsed_ns(), 100 + 7u);
}

TEST(Network, AFullWindowBlocksUntilRoomHasTravelledBack) {
  Mesh mesh(2, {.window_bytes = 2 * (100 + kFrameHeaderBytes)});
  const auto payload = pattern(100, 1);
  ASSERT_EQ(mesh.send(0, 1, payload), Transfer::done);
  ASSERT_EQ(mesh.send(0, 1, payload), Transfer::done);
  EXPECT_EQ(mesh.send(0, 1, payload), Transfer::would_block);
  EXPECT_EQ(mesh.send(0, 1, payload, 1), Transfer::done) << "another channel has a window of its own";
  while (mesh.network.advance()) {
  }
  EXPECT_EQ(mesh.send(0, 1, payload), Transfer::would_block) << "arrived, but not consumed";
  Message message;
  ASSERT_EQ(mesh.peek(1, 0, &message), Transfer::done);
  mesh.network.pop(mesh.end(1, 0), 0);
  EXPECT_EQ(mesh.send(0, 1, payload), Transfer::would_block) << "consumed, but the sender does not know yet";
  const uint64_t consumed_ns = mesh.network.now_ns();
  ASSERT_TRUE(mesh.network.advance());
  EXPECT_EQ(mesh.network.now_ns(), consumed_ns + kLatencyNs);
  EXPECT_EQ(mesh.send(0, 1, payload), Transfer::done);
  EXPECT_EQ(mesh.send(0, 1, payload), Transfer::would_block);
}

TEST(Network, AWindowOfNothingStillTakesOneFrame) {
  Mesh mesh(2, {.max_frame_bytes = 1'000, .window_bytes = 0});
  const auto payload = pattern(1'000, 1);
  EXPECT_EQ(mesh.send(0, 1, payload), Transfer::done);
  EXPECT_EQ(mesh.send(0, 1, {}), Transfer::would_block);
}

TEST(Network, ALandingReceivesThePayload) {
  Mesh mesh(2);
  const auto payload = pattern(64, 1);
  std::vector<std::byte> landing(80, std::byte{0xee});
  Message message;
  ASSERT_EQ(mesh.network.peek(mesh.end(1, 0), 0, landing, &message), Transfer::would_block);
  ASSERT_EQ(mesh.send(0, 1, payload), Transfer::done);
  while (mesh.network.advance()) {
  }
  ASSERT_EQ(mesh.network.peek(mesh.end(1, 0), 0, landing, &message), Transfer::done);
  EXPECT_EQ(message.payload.data(), landing.data());
  EXPECT_TRUE(std::ranges::equal(message.payload, payload));
  EXPECT_EQ(landing[64], std::byte{0xee});
}

TEST(Network, CloseDeliversWhatWasSentEvenWhenTheSenderTakesItsMemoryBack) {
  Mesh mesh(2);
  auto payload = pattern(300, 1);
  const auto original = payload;
  ASSERT_EQ(mesh.send(0, 1, payload), Transfer::done);
  mesh.network.close(mesh.end(0, 1));
  std::ranges::fill(payload, std::byte{0});
  while (mesh.network.advance()) {
  }
  Message message;
  ASSERT_EQ(mesh.peek(1, 0, &message), Transfer::done);
  EXPECT_TRUE(std::ranges::equal(message.payload, original));
  mesh.network.pop(mesh.end(1, 0), 0);
  EXPECT_EQ(mesh.peek(1, 0, &message), Transfer::failed);
  EXPECT_EQ(mesh.network.failure(mesh.end(1, 0)).code(), tuttiRemoteError);
  EXPECT_EQ(mesh.network.failure(mesh.end(1, 0)).message(), "connection closed by peer");
}

TEST(Network, AnActionRunsAtItsTimeAndStopsTheClockThere) {
  Network network(topology::Topology::uniform(1, link_spec()));
  std::vector<uint64_t> times;
  network.at(50, [&] {
    times.push_back(network.now_ns());
    network.at(10, [&] { times.push_back(network.now_ns()); });  // has passed: now
  });
  network.at(70, {});
  while (network.advance()) {
  }
  EXPECT_EQ(times, (std::vector<uint64_t>{50, 50}));
  EXPECT_EQ(network.now_ns(), 70u);
  network.advance_until(1'000);
  EXPECT_EQ(network.now_ns(), 1'000u);
}

TEST(Network, ACallToAPortThatIsGoneIsRefused) {
  Network network(topology::Topology::uniform(2, link_spec()));
  const PortId caller = network.attach({.node = 0, .group = 1, .secret = {}});
  const PortId gone = network.attach({.node = 1, .group = 1, .secret = {}});
  network.detach(gone);
  const EndpointId late = network.open(caller, gone);
  while (network.advance()) {
  }
  EXPECT_EQ(network.state(late), EndpointState::failed);
  EXPECT_FALSE(network.was_open(late));
  EXPECT_EQ(network.now_ns(), 2 * kLatencyNs);
}

// Traffic that reacts to what it receives, over links with every random fault; returns the trace.
uint64_t gossip_trace(uint64_t seed) {
  Mesh mesh(4, {.window_bytes = 3'000,
                .detection_delay_ns = 5'000,
                .faults = {.seed = seed, .maximum_jitter_ns = 400, .delayed_per_million = 50'000, .delay_ns = 20'000,
                           .lost_per_million = 2'000}});
  Driver driver(mesh.network);
  std::vector<uint64_t> rounds(4, 0);
  const auto payload = pattern(700, 1);
  for (uint32_t node = 0; node < 4; ++node) {
    driver.add([&, node]() -> size_t {
      size_t work = 0;
      for (uint32_t peer = 0; peer < 4; ++peer) {
        Message message;
        while (peer != node && mesh.peek(node, peer, &message) == Transfer::done) {
          mesh.network.pop(mesh.end(node, peer), 0);
          ++work;
        }
        if (peer != node && rounds[node] < 300 &&
            mesh.send(node, peer, std::span(payload).first(rounds[node] % 700)) == Transfer::done) {
          ++work;
          ++rounds[node];
        }
      }
      return work;
    });
  }
  EXPECT_EQ(driver.run_until_idle(), Driver::Outcome::stalled);
  EXPECT_GT(mesh.network.delivered_frame_count(), 100u);
  return mesh.network.trace_hash();
}

TEST(Network, TheSameSeedReplaysTheSameRun) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    EXPECT_EQ(gossip_trace(seed), gossip_trace(seed));
    EXPECT_NE(gossip_trace(seed), gossip_trace(seed + 1));
  }
}

TEST(Driver, TellsDoneFromStalledFromExhausted) {
  Mesh mesh(2);
  Driver driver(mesh.network);
  const auto payload = pattern(10, 1);
  ASSERT_EQ(mesh.send(0, 1, payload), Transfer::done);
  Message message;
  EXPECT_EQ(driver.run_until([&] { return mesh.peek(1, 0, &message) == Transfer::done; }), Driver::Outcome::done);
  EXPECT_EQ(driver.run_until([] { return false; }), Driver::Outcome::stalled);
  driver.add([]() -> size_t { return 1; });
  EXPECT_EQ(driver.run_until([] { return false; }, 100), Driver::Outcome::exhausted);
}

}  // namespace
}  // namespace tutti::sim
