// SPDX-License-Identifier: Apache-2.0
#include "transports/sim/sim_transport.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "sim/driver.hpp"

namespace tutti::transports::sim {
namespace {

using testing::HasSubstr;
using transport::Outcome;
using transport::PeerState;

constexpr uint64_t kLatencyNs = 2'000;

class SimTransportTest : public testing::Test {
 protected:
  std::unique_ptr<SimTransport> make(uint32_t rank, uint32_t node, uint64_t communicator_id = 1) {
    return std::make_unique<SimTransport>(network_, context(rank, communicator_id), node);
  }
  transport::TransportContext context(uint32_t rank, uint64_t communicator_id = 1) {
    return {.rank = rank,
            .rank_count = 2,
            .communicator_id = communicator_id,
            .secret = secret_,
            .host_id = "",
            .clock = network_.clock(),
            .settings = settings_};
  }
  // Advances until nothing happens any more.
  void settle(std::initializer_list<SimTransport*> transports) {
    tutti::sim::Driver driver(network_);
    for (SimTransport* transport : transports) {
      driver.add([transport] { return transport->poll(); });
    }
    EXPECT_EQ(driver.run_until_idle(), tutti::sim::Driver::Outcome::stalled);
  }

  transport::Secret secret_{};
  Settings settings_;
  tutti::sim::Network network_{
      topology::Topology::uniform(4, {.latency_ns = kLatencyNs, .bandwidth_bytes_per_s = 1'000'000'000, .source = "a datasheet"}),
      {.max_frame_bytes = 4'096, .detection_delay_ns = 10'000}};
};

TEST_F(SimTransportTest, IsNotMadeByName) {
  EXPECT_EQ(type().name, "sim");
  EXPECT_FALSE(type().automatic);
  const auto made = type().create(context(0));
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code(), tuttiInvalidUsage);
  EXPECT_THAT(made.error().message(), HasSubstr("simulation"));
}

TEST_F(SimTransportTest, ConnectsInVirtualTimeAndTellsTheModelledLink) {
  const auto a = make(0, 3);  // ranks need not be nodes
  const auto b = make(1, 2);
  a->connect(1, b->address());
  EXPECT_EQ(a->state(1), PeerState::connecting);
  EXPECT_EQ(a->link(1), nullptr);
  b->connect(0, a->address());
  settle({a.get(), b.get()});
  ASSERT_EQ(a->state(1), PeerState::connected);
  ASSERT_EQ(b->state(0), PeerState::connected);
  EXPECT_EQ(network_.now_ns(), kLatencyNs);
  EXPECT_EQ(a->poll(), 0u);
  const transport::Link& link = *a->link(1);
  EXPECT_EQ(link.max_frame_bytes(), 4'096u);
  EXPECT_EQ(link.estimate().latency_ns, kLatencyNs);
  EXPECT_EQ(link.estimate().bandwidth_bytes_per_s, 1'000'000'000u);
  EXPECT_EQ(link.estimate().source, "a datasheet");
  EXPECT_EQ(link.describe(), "sim node 3 -> node 2");
}

TEST_F(SimTransportTest, RanksOfAnotherCommunicatorOrTheSameNodeAreUnreachable) {
  const auto a = make(0, 0);
  const auto stranger = make(1, 1, 2);
  const auto neighbour = make(1, 0);
  a->connect(1, stranger->address());
  EXPECT_EQ(a->state(1), PeerState::unreachable);
  EXPECT_THAT(a->reason(1), HasSubstr("another communicator"));
  a->connect(1, neighbour->address());
  EXPECT_EQ(a->state(1), PeerState::unreachable);
  EXPECT_THAT(a->reason(1), HasSubstr("same simulated node"));
}

TEST_F(SimTransportTest, CallsThatMakeNoSenseChangeNothing) {
  const auto a = make(0, 0);
  const auto b = make(1, 1);
  a->connect(7, b->address());
  a->connect(0, a->address());
  a->disconnect(7);
  EXPECT_EQ(a->state(7), PeerState::unreachable);
  EXPECT_EQ(a->link(7), nullptr);
  EXPECT_THAT(a->reason(7), HasSubstr("rank 7 of 2"));
  EXPECT_EQ(a->poll(), 0u);
}

TEST_F(SimTransportTest, APeerThatLeavesBeforeItAnswersIsUnreachable) {
  const auto a = make(0, 0);
  auto b = make(1, 1);
  a->connect(1, b->address());
  settle({a.get(), b.get()});
  EXPECT_EQ(a->state(1), PeerState::connecting);
  b.reset();
  settle({a.get()});
  EXPECT_EQ(a->state(1), PeerState::unreachable);
  EXPECT_THAT(a->reason(1), HasSubstr("refused"));
}

TEST_F(SimTransportTest, FramesThatArrivedBeforeACrashCanBeReadEvenIfNobodyPolledBefore) {
  const auto a = make(0, 0);
  const auto b = make(1, 1);
  a->connect(1, b->address());
  b->connect(0, a->address());
  settle({a.get()});
  const std::vector<std::byte> payload(100, std::byte{5});
  ASSERT_EQ(a->link(1)->try_send(3, {.call = 8, .message_bytes = 9}, payload), Outcome::done);
  while (network_.advance()) {
  }
  network_.crash(0);
  while (network_.advance()) {
  }
  EXPECT_EQ(b->poll(), 1u);
  ASSERT_EQ(b->state(0), PeerState::connected);
  transport::Frame frame;
  ASSERT_EQ(b->link(0)->peek(3, {}, &frame), Outcome::done);
  EXPECT_EQ(frame.header, (transport::FrameHeader{.call = 8, .message_bytes = 9}));
  EXPECT_TRUE(std::ranges::equal(frame.payload, payload));
  b->link(0)->pop(3);
  EXPECT_EQ(b->link(0)->peek(3, {}, &frame), Outcome::failed);
  EXPECT_EQ(b->link(0)->failure().code(), tuttiRemoteError);
  EXPECT_EQ(a->link(1)->try_send(3, {}, payload), Outcome::failed);
  EXPECT_EQ(a->link(1)->failure().code(), tuttiAborted);
}

TEST_F(SimTransportTest, ConnectsAgainAfterBothHaveDisconnected) {
  const auto a = make(0, 0);
  const auto b = make(1, 1);
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(round);
    a->connect(1, b->address());
    b->connect(0, a->address());
    settle({a.get(), b.get()});
    ASSERT_EQ(a->state(1), PeerState::connected);
    ASSERT_EQ(b->state(0), PeerState::connected);
    EXPECT_TRUE(a->link(1)->failure().ok());
    a->disconnect(1);
    b->disconnect(0);
    EXPECT_EQ(a->reason(1), "disconnected");
    settle({a.get(), b.get()});
  }
}

}  // namespace
}  // namespace tutti::transports::sim
