// SPDX-License-Identifier: Apache-2.0
#include "transports/fault/fault_transport.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

#include "echo_transport.hpp"

namespace tutti::transports::fault {
namespace {

using testing::HasSubstr;
using transport::Frame;
using transport::Link;
using transport::Outcome;
using transport::PeerState;

constexpr uint32_t kPeer = 1;
constexpr uint32_t kChannel = 2;

// A faulty transport over an echo, connected to peers 1 and 2.
struct Subject {
  explicit Subject(FaultScript script) {
    auto inner = std::make_unique<EchoTransport>(3);
    echo = inner.get();
    transport = std::make_unique<FaultTransport>(std::move(inner), 3, std::move(script));
    for (const uint32_t peer : {1u, 2u}) {
      transport->connect(peer, transport->address());
    }
  }
  Link& link(uint32_t peer = kPeer) { return *transport->link(peer); }
  Outcome send(uint64_t sequence, uint32_t channel = kChannel) {
    return link().try_send(channel, {.call = sequence, .message_bytes = 0}, payload);
  }
  Outcome peek(Frame* frame, uint32_t channel = kChannel) { return link().peek(channel, {}, frame); }

  std::vector<std::byte> payload = std::vector<std::byte>(100, std::byte{0x11});
  EchoTransport* echo = nullptr;
  std::unique_ptr<FaultTransport> transport;
};

FaultScript script_of(Fault fault) { return {.seed = 42, .faults = {std::move(fault)}}; }

int flipped_bits(std::span<const std::byte> a, std::span<const std::byte> b) {
  int bits = 0;
  for (size_t index = 0; index < a.size(); ++index) {
    bits += std::popcount(std::to_integer<unsigned>(a[index] ^ b[index]));
  }
  return bits;
}

TEST(FaultTransport, IsNotMadeByName) {
  EXPECT_EQ(type().name, "fault");
  EXPECT_FALSE(type().automatic);
  const transport::Secret secret{};
  const Settings settings;
  const auto made = type().create({.rank = 0, .rank_count = 1, .communicator_id = 0, .secret = secret, .host_id = "",
                                   .clock = monotonic_clock(), .settings = settings});
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code(), tuttiInvalidUsage);
}

TEST(FaultTransport, AnEmptyScriptChangesNothing) {
  Subject subject({});
  Frame frame;
  ASSERT_EQ(subject.send(1), Outcome::done);
  ASSERT_EQ(subject.peek(&frame), Outcome::done);
  EXPECT_TRUE(std::ranges::equal(frame.payload, subject.payload));
  subject.link().pop(kChannel);
  EXPECT_EQ(subject.peek(&frame), Outcome::would_block);
  EXPECT_TRUE(subject.link().failure().ok());
  EXPECT_EQ(subject.link().released_bytes(kChannel), 100u);
  EXPECT_EQ(subject.link().describe(), "fault over echo");
}

TEST(FaultTransport, FailsTheNthFrameSentForGoodHoweverOftenItIsOffered) {
  Subject subject(script_of({.nth = 3, .status = Status(tuttiSystemError, "on purpose")}));
  EXPECT_EQ(subject.send(1), Outcome::done);
  subject.echo->echo(kPeer)->room = 0;
  for (int attempt = 0; attempt < 5; ++attempt) {
    EXPECT_EQ(subject.send(2), Outcome::would_block);
  }
  subject.echo->echo(kPeer)->room = 10;
  EXPECT_EQ(subject.send(2, kChannel + 1), Outcome::done) << "all channels count together";
  EXPECT_EQ(subject.send(3), Outcome::failed);
  EXPECT_EQ(subject.send(3), Outcome::failed);
  EXPECT_EQ(subject.link().failure().code(), tuttiSystemError);
  EXPECT_EQ(subject.link().failure().message(), "on purpose");
  EXPECT_EQ(subject.link(2).try_send(kChannel, {}, {}), Outcome::done) << "counts are kept per link";
}

TEST(FaultTransport, FailsTheNthFrameReceivedOnOneChannel) {
  Subject subject(script_of({.direction = Direction::receive, .channel = kChannel, .nth = 2}));
  Frame frame;
  ASSERT_EQ(subject.send(0, kChannel + 1), Outcome::done);
  ASSERT_EQ(subject.peek(&frame, kChannel + 1), Outcome::done);
  subject.link().pop(kChannel + 1);
  ASSERT_EQ(subject.send(1), Outcome::done);
  ASSERT_EQ(subject.send(2), Outcome::done);
  ASSERT_EQ(subject.peek(&frame), Outcome::done);
  ASSERT_EQ(subject.peek(&frame), Outcome::done);
  subject.link().pop(kChannel);
  EXPECT_EQ(subject.peek(&frame), Outcome::failed);
}

TEST(FaultTransport, CorruptsOneBitOfOneFrameSent) {
  Subject subject(script_of({.action = Action::corrupt, .nth = 2}));
  const std::vector<std::byte> original = subject.payload;
  ASSERT_EQ(subject.send(1), Outcome::done);
  subject.echo->echo(kPeer)->room = 0;
  ASSERT_EQ(subject.send(2), Outcome::would_block);
  subject.echo->echo(kPeer)->room = 10;
  ASSERT_EQ(subject.send(2), Outcome::done);
  ASSERT_EQ(subject.send(3), Outcome::done);
  EXPECT_EQ(subject.payload, original) << "the sender's memory is its own";
  for (const int expected : {0, 1, 0}) {
    Frame frame;
    ASSERT_EQ(subject.peek(&frame), Outcome::done);
    EXPECT_EQ(flipped_bits(frame.payload, original), expected);
    subject.link().pop(kChannel);
  }
  EXPECT_EQ(subject.link().released_bytes(kChannel), 300u);
}

TEST(FaultTransport, CorruptsOneBitOfOneFrameReceivedInPlaceOrInALanding) {
  for (const size_t landing_bytes : {size_t{0}, size_t{100}}) {
    SCOPED_TRACE(landing_bytes);
    Subject subject(script_of({.direction = Direction::receive, .action = Action::corrupt}));
    std::vector<std::byte> landing(landing_bytes);
    ASSERT_EQ(subject.link().try_send(kChannel, {}, {}), Outcome::done) << "empty: nothing to corrupt";
    ASSERT_EQ(subject.send(1), Outcome::done);
    Frame frame;
    ASSERT_EQ(subject.peek(&frame), Outcome::done);
    EXPECT_TRUE(frame.payload.empty());
    subject.link().pop(kChannel);
    for (int look = 0; look < 3; ++look) {
      ASSERT_EQ(subject.link().peek(kChannel, landing, &frame), Outcome::done);
      EXPECT_EQ(flipped_bits(frame.payload, subject.payload), 1);
    }
    subject.link().pop(kChannel);
  }
}

TEST(FaultTransport, StallsOneChannelForSomeCallsOrUntilReleased) {
  Subject counted(script_of({.action = Action::stall, .channel = kChannel, .stalled_calls = 3}));
  for (int call = 0; call < 3; ++call) {
    EXPECT_EQ(counted.send(1), Outcome::would_block);
    EXPECT_EQ(counted.send(1, kChannel + 1), Outcome::done);
  }
  EXPECT_EQ(counted.send(1), Outcome::done);

  Subject held(script_of({.direction = Direction::receive, .action = Action::stall, .channel = kChannel}));
  ASSERT_EQ(held.send(1), Outcome::done);
  Frame frame;
  for (int call = 0; call < 1'000; ++call) {
    ASSERT_EQ(held.peek(&frame), Outcome::would_block);
  }
  held.transport->release(kPeer, kChannel);
  EXPECT_EQ(held.peek(&frame), Outcome::done);
}

TEST(FaultTransport, AResetDropsTheConnectionBelowOnceNoFrameIsInUse) {
  Subject subject(script_of({.action = Action::reset, .nth = 2}));
  Frame frame;
  ASSERT_EQ(subject.send(1), Outcome::done);
  ASSERT_EQ(subject.peek(&frame), Outcome::done);
  EXPECT_EQ(subject.send(2), Outcome::failed);
  subject.transport->poll();
  ASSERT_NE(subject.echo->echo(kPeer), nullptr) << "its frame is being looked at";
  ASSERT_EQ(subject.peek(&frame), Outcome::done);
  EXPECT_TRUE(std::ranges::equal(frame.payload, subject.payload));
  subject.link().pop(kChannel);
  EXPECT_EQ(subject.transport->poll(), 1u);
  EXPECT_EQ(subject.echo->echo(kPeer), nullptr);
  EXPECT_EQ(subject.transport->state(kPeer), PeerState::connected) << "the failed link stays until disconnect()";
  EXPECT_EQ(subject.peek(&frame), Outcome::failed);
  EXPECT_EQ(subject.link().failure().code(), tuttiRemoteError);
  EXPECT_EQ(subject.link().released_bytes(kChannel), 100u);
  subject.transport->disconnect(kPeer);
  EXPECT_EQ(subject.transport->link(kPeer), nullptr);
  EXPECT_NE(subject.transport->link(2), nullptr);
}

TEST(FaultTransport, APeerCanBeUnreachable) {
  Subject subject({.unreachable_peers = {2}});
  EXPECT_EQ(subject.transport->state(1), PeerState::connected);
  EXPECT_EQ(subject.transport->state(2), PeerState::unreachable);
  EXPECT_EQ(subject.transport->link(2), nullptr);
  EXPECT_THAT(subject.transport->reason(2), HasSubstr("fault script"));
}

std::vector<Outcome> stormy_outcomes(uint64_t seed) {
  Subject subject({.seed = seed, .storms = {.per_million = 300'000, .longest_calls = 6}});
  std::vector<Outcome> outcomes;
  for (uint64_t call = 0; call < 500; ++call) {
    outcomes.push_back(subject.send(call));
  }
  return outcomes;
}

TEST(FaultTransport, StormsComeFromTheSeed) {
  const std::vector<Outcome> outcomes = stormy_outcomes(1);
  EXPECT_EQ(outcomes, stormy_outcomes(1));
  EXPECT_NE(outcomes, stormy_outcomes(2));
  EXPECT_GT(std::ranges::count(outcomes, Outcome::done), 50);
  EXPECT_GT(std::ranges::count(outcomes, Outcome::would_block), 50);
}

}  // namespace
}  // namespace tutti::transports::fault
