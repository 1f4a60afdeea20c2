// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <random>
#include <thread>

#include "support.hpp"
#include "support/test_size.hpp"

namespace tutti::transports::shm {
namespace {

using transport::Frame;
using transport::FrameHeader;
using transport::kChannelCount;
using transport::Link;
using transport::Outcome;
using transport::PeerState;

void send(Link& link, uint32_t channel, uint64_t number, size_t byte_count) {
  ASSERT_EQ(link.try_send(channel, {number, channel}, pattern(byte_count, number)), Outcome::done);
}

void expect(Link& link, uint32_t channel, uint64_t number, size_t byte_count) {
  Frame frame;
  ASSERT_EQ(link.peek(channel, {}, &frame), Outcome::done) << "channel " << channel << ", frame " << number;
  EXPECT_EQ(frame.header, (FrameHeader{number, channel}));
  const std::vector<std::byte> expected = pattern(byte_count, number);
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), frame.payload.begin(), frame.payload.end())) << number;
  link.pop(channel);
}

Outcome peek(Link& link, uint32_t channel) {
  Frame frame;
  return link.peek(channel, {}, &frame);
}

TEST(ShmType, IsTheFirstChoice) {
  EXPECT_EQ(type().name, "shm");
  EXPECT_EQ(type().preference, 100);
  EXPECT_TRUE(type().automatic);
}

TEST(ShmTransport, ConnectsAndTellsAboutItself) {
  World world(2);
  EXPECT_EQ(world[0]->state(1), PeerState::unreachable);
  EXPECT_EQ(world[0]->link(1), nullptr);
  EXPECT_LE(world[0]->address().size(), transport::kMaxAddressBytes);
  world.connect_all();
  EXPECT_EQ(world[0]->state(1), PeerState::connecting);
  EXPECT_EQ(world[1]->state(0), PeerState::connecting);
  world.poll();
  ASSERT_EQ(world[0]->state(1), PeerState::connected);
  ASSERT_EQ(world[1]->state(0), PeerState::connected);
  Link& link = world.link(0, 1);
  EXPECT_EQ(link.describe(), "shm");
  EXPECT_GT(link.estimate().latency_ns, 0u);
  EXPECT_GT(link.estimate().bandwidth_bytes_per_s, 0u);
  EXPECT_FALSE(link.estimate().source.empty());
  EXPECT_TRUE(link.failure().ok());
}

TEST(ShmTransport, ConnectsWhoeverBeginsFirst) {
  for (const uint32_t first : {0u, 1u}) {
    World world(2);
    world.connect(first, 1 - first);
    world.poll();
    EXPECT_EQ(world[1 - first]->link(first), nullptr);  // was not asked to
    world.connect(1 - first, first);
    world.poll();
    EXPECT_EQ(world[0]->state(1), PeerState::connected) << first;
    EXPECT_EQ(world[1]->state(0), PeerState::connected) << first;
  }
}

TEST(ShmTransport, AllPairsOfManyRanksTalk) {
  World world(9);
  world.connect_all();
  world.poll();
  for (uint32_t rank = 0; rank < world.size(); ++rank) {
    for (uint32_t peer = 0; peer < world.size(); ++peer) {
      if (peer != rank) send(world.link(rank, peer), peer % kChannelCount, rank * 100 + peer, rank * 300);
    }
  }
  for (uint32_t rank = 0; rank < world.size(); ++rank) {
    for (uint32_t peer = 0; peer < world.size(); ++peer) {
      if (peer != rank) expect(world.link(rank, peer), rank % kChannelCount, peer * 100 + rank, peer * 300);
    }
  }
}

TEST(ShmTransport, OtherHostIsNotTried) {
  World world(2);
  world.replace(1, {.host_id = "another host"});
  world.connect_all();
  EXPECT_EQ(world[0]->state(1), PeerState::unreachable);
  EXPECT_EQ(world[1]->state(0), PeerState::unreachable);
  EXPECT_EQ(world[0]->reason(1), "other host");
}

TEST(ShmTransport, AddressesWithoutSenseLeaveThePeerUnreachable) {
  World world(2);
  const std::vector<std::byte> good = world[1]->address();
  for (size_t length = 0; length < good.size(); ++length) {
    world[0]->connect(1, std::span(good).first(length));
    ASSERT_EQ(world[0]->state(1), PeerState::unreachable) << length;
    ASSERT_FALSE(world[0]->reason(1).empty());
  }
  std::mt19937_64 random(static_cast<uint64_t>(testing::UnitTest::GetInstance()->random_seed()));
  for (int round = 0; round < 200; ++round) {
    std::vector<std::byte> bytes(random() % transport::kMaxAddressBytes);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    world[0]->connect(1, bytes);
    ASSERT_EQ(world[0]->state(1), PeerState::unreachable);
  }
  world.connect_all();
  world.poll();
  EXPECT_EQ(world[0]->state(1), PeerState::connected);  // and do no harm
}

TEST(ShmTransport, AListenerThatIsGoneIsUnreachableFromBothSides) {
  for (const uint32_t gone : {0u, 1u}) {
    World world(2);
    const std::vector<std::byte> address = world[gone]->address();
    world[gone].destroy();
    world[1 - gone]->connect(gone, address);
    world.poll();
    EXPECT_EQ(world[1 - gone]->state(gone), PeerState::unreachable) << gone;
    EXPECT_EQ(world[1 - gone]->reason(gone), "nobody listens on its Unix socket in this network namespace");
  }
}

TEST(ShmTransport, WrongSecretIsRejectedAndEndsWithTheDeadline) {
  World world(2);
  RankOptions other;
  other.secret[5] = std::byte{1};
  world.replace(1, other);
  world.connect_all();
  world.poll();
  EXPECT_EQ(world[0]->state(1), PeerState::unreachable);
  EXPECT_EQ(world[0]->reason(1), "wrong secret");
  EXPECT_EQ(world[1]->state(0), PeerState::connecting);  // the right rank 0 may still come
  world.advance_ns(Settings{}.timeout_ms * kMillisecondNs);
  world.poll();
  EXPECT_EQ(world[1]->state(0), PeerState::unreachable);
  EXPECT_EQ(world[1]->reason(0), "no answer within 300000 ms");
}

TEST(ShmTransport, OtherCommunicatorIsRejected) {
  World world(2);
  world.replace(1, {.communicator_id = 78});
  world.connect_all();
  world.poll();
  EXPECT_EQ(world[0]->state(1), PeerState::unreachable);
  EXPECT_EQ(world[1]->link(0), nullptr);
}

TEST(ShmTransport, AnotherRanksAddressIsNoticed) {
  World world(3);
  world[0]->connect(1, world[2]->address());
  world.poll();
  EXPECT_EQ(world[0]->state(1), PeerState::unreachable);
  EXPECT_EQ(world[0]->reason(1), "its socket belongs to rank 2");
}

TEST(ShmTransport, ConnectsAnewAfterDisconnect) {
  ConnectedPair pair;
  send(pair.link_of(0), 2, 1, 10);
  for (int round = 0; round < 3; ++round) {
    pair[0]->disconnect(1);
    pair[1]->disconnect(0);
    EXPECT_EQ(pair[0]->link(1), nullptr);
    EXPECT_EQ(pair[0]->state(1), PeerState::unreachable);
    EXPECT_EQ(pair[0]->reason(1), "disconnected");
    pair.connect_all();
    pair.poll();
    EXPECT_EQ(peek(pair.link_of(1), 2), Outcome::would_block);  // nothing of the old link
    send(pair.link_of(0), 2, 7, 2000);
    expect(pair.link_of(1), 2, 7, 2000);
  }
}

TEST(ShmTransport, GivesUpAnAttempt) {
  World world(2);
  world.connect(0, 1);
  world.connect(1, 0);
  world[0]->disconnect(1);
  world[1]->disconnect(0);
  world.poll();
  EXPECT_EQ(world[0]->state(1), PeerState::unreachable);
  EXPECT_EQ(world[1]->state(0), PeerState::unreachable);
}

TEST(ShmLink, EverySizeInBothDirections) {
  ConnectedPair pair({.slice_bytes = 4096});
  ASSERT_EQ(pair.link_of(0).max_frame_bytes(), 4096u);
  ASSERT_EQ(pair.link_of(1).max_frame_bytes(), 4096u);
  for (size_t byte_count = 0; byte_count <= 4096; byte_count += byte_count < 1100 ? 1 : 7) {
    send(pair.link_of(0), 2, byte_count, byte_count);
    send(pair.link_of(1), 2, byte_count + 9, 4096 - byte_count);
    expect(pair.link_of(1), 2, byte_count, byte_count);
    expect(pair.link_of(0), 2, byte_count + 9, 4096 - byte_count);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(ShmLink, LandingIsIgnored) {
  ConnectedPair pair;
  send(pair.link_of(0), 2, 1, 1000);
  std::vector<std::byte> landing(1000);
  Frame frame;
  ASSERT_EQ(pair.link_of(1).peek(2, landing, &frame), Outcome::done);
  EXPECT_EQ(frame.payload.size(), 1000u);
  EXPECT_NE(frame.payload.data(), landing.data());
}

TEST(ShmLink, PayloadIsReleasedAtOnce) {
  ConnectedPair pair;
  std::vector<std::byte> payload = pattern(30'000, 1);
  ASSERT_EQ(pair.link_of(0).try_send(2, {1, 2}, payload), Outcome::done);
  EXPECT_EQ(pair.link_of(0).released_bytes(2), 30'000u);
  EXPECT_EQ(pair.link_of(0).released_bytes(3), 0u);
  std::fill(payload.begin(), payload.end(), std::byte{0});
  expect(pair.link_of(1), 2, 1, 30'000);
}

TEST(ShmLink, AnUnreadChannelDelaysNoOther) {
  ConnectedPair pair;
  Link& sender = pair.link_of(0);
  uint64_t stuck = 0;
  while (sender.try_send(4, {stuck, 4}, pattern(5000, stuck)) == Outcome::done) ASSERT_LT(++stuck, 1000u);
  ASSERT_GT(stuck, 0u);
  for (uint32_t channel = 0; channel < kChannelCount; ++channel) {
    if (channel == 4) continue;
    for (uint64_t number = 0; number < 1000; ++number) {
      send(sender, channel, number, number * 13 % 3000);
      expect(pair.link_of(1), channel, number, number * 13 % 3000);
    }
  }
  for (uint64_t number = 0; number < stuck; ++number) expect(pair.link_of(1), 4, number, 5000);
  send(sender, 4, 1, 5000);
}

TEST(ShmLink, RandomTrafficDrivenByOneThread) {
  ConnectedPair pair({.slice_bytes = 8192});
  const int seed = testing::UnitTest::GetInstance()->random_seed();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(static_cast<uint64_t>(seed));
  struct Flow {
    uint64_t sent = 0;
    uint64_t received = 0;
  };
  std::array<std::array<Flow, kChannelCount>, 2> flows{};
  const auto size_of_frame = [](uint64_t number) { return number % 11 == 0 ? number * 7 % 8193 : number * 3 % 60; };
  const uint64_t step_count = tests::test_size() == tests::Size::small ? 60'000 : 300'000;
  for (uint64_t step = 0; step < step_count; ++step) {
    const auto rank = static_cast<uint32_t>(random() % 2);
    const auto channel = static_cast<uint32_t>(random() % kChannelCount);
    Flow& flow = flows[rank][channel];
    if (random() % 2 == 0) {
      const Outcome outcome = pair.link_of(rank).try_send(channel, {flow.sent, channel}, pattern(size_of_frame(flow.sent), flow.sent));
      ASSERT_NE(outcome, Outcome::failed);
      flow.sent += outcome == Outcome::done ? 1 : 0;
    } else if (flow.received < flow.sent) {
      expect(pair.link_of(1 - rank), channel, flow.received, size_of_frame(flow.received));
      if (testing::Test::HasFatalFailure()) return;
      ++flow.received;
    } else {
      ASSERT_EQ(peek(pair.link_of(1 - rank), channel), Outcome::would_block);
    }
  }
  for (const auto& direction : flows) {
    for (const Flow& flow : direction) EXPECT_GT(flow.received, step_count / 400);
  }
}

TEST(ShmLink, TwoThreadsExchange) {
  World world(2);
  world.connect_all();
  const uint64_t frame_count = tests::test_size() == tests::Size::small ? 20'000 : 100'000;
  std::array<uint64_t, 2> wrong{};
  const auto exchange = [&](uint32_t rank) {
    transport::Transport& transport = *world[rank];
    while (transport.state(1 - rank) == PeerState::connecting) {
      transport.poll();
      std::this_thread::yield();
    }
    Link& link = *transport.link(1 - rank);
    uint64_t sent = 0;
    uint64_t received = 0;
    while (sent < frame_count || received < frame_count) {
      transport.poll();
      const size_t byte_count = sent % 1000 == 0 ? 30'000 : sent % 80;
      if (sent < frame_count && link.try_send(2, {sent, rank}, pattern(byte_count, sent)) == Outcome::done) ++sent;
      Frame frame;
      if (link.peek(2, {}, &frame) == Outcome::done) {
        const std::vector<std::byte> expected = pattern(received % 1000 == 0 ? 30'000 : received % 80, received);
        wrong[rank] += frame.header != FrameHeader{received, 1 - rank} ? 1 : 0;
        wrong[rank] += std::equal(expected.begin(), expected.end(), frame.payload.begin(), frame.payload.end()) ? 0 : 1;
        link.pop(2);
        ++received;
      } else {
        std::this_thread::yield();
      }
    }
  };
  std::thread other(exchange, 1);
  exchange(0);
  other.join();
  EXPECT_EQ(wrong[0] + wrong[1], 0u);
}

TEST(ShmLink, FramesSentBeforeTheEndAreStillDelivered) {
  for (const uint32_t leaver : {0u, 1u}) {
    ConnectedPair pair;
    Link& rest = pair.link_of(1 - leaver);
    for (uint64_t number = 0; number < 10; ++number) send(pair.link_of(leaver), 2, number, number * 700);
    pair[leaver]->disconnect(1 - leaver);
    pair.advance_ns(kMillisecondNs);
    pair.poll();
    ASSERT_FALSE(rest.failure().ok());
    EXPECT_EQ(rest.failure().code(), tuttiRemoteError);
    EXPECT_EQ(rest.failure().message(), "process " + std::to_string(::getpid()) + " ended or closed its link");
    EXPECT_EQ(rest.try_send(2, {}, {}), Outcome::failed);
    EXPECT_EQ(peek(rest, 3), Outcome::failed);
    for (uint64_t number = 0; number < 10; ++number) expect(rest, 2, number, number * 700);
    EXPECT_EQ(peek(rest, 2), Outcome::failed);
    EXPECT_EQ(pair[1 - leaver]->state(leaver), PeerState::connected);  // until disconnect()
    EXPECT_EQ(pair[1 - leaver]->link(leaver), &rest);
  }
}

TEST(ShmLink, DestructionOfTheTransportEndsItsLinks) {
  ConnectedPair pair;
  pair[0].destroy();
  pair.advance_ns(kMillisecondNs);
  pair.poll();
  EXPECT_EQ(pair.link_of(1).failure().code(), tuttiRemoteError);
}

TEST(ShmTransport, DestructionInAnyStateLeaksNothing) {
  { ConnectedPair warm_up; }
  const size_t descriptors = open_descriptor_count();
  const size_t segments = mapped_segment_count();
  ASSERT_EQ(segments, 0u);
  for (int polls = 0; polls < 12; ++polls) {
    World world(4);
    world.connect_all();
    world.poll(polls);
    if (polls == 11) {
      EXPECT_EQ(mapped_segment_count(), 6u);  // of six pairs: both ends are in this process
    }
    world[1].destroy();
    world.poll(polls / 2);
    world[0]->disconnect(2);
  }
  EXPECT_EQ(open_descriptor_count(), descriptors);
  EXPECT_EQ(mapped_segment_count(), segments);
}

TEST(ShmTransport, AnIdleCommunicatorOwnsNextToNoMemory) {
  World world(8);
  world.connect_all();
  world.poll();
  for (uint32_t rank = 0; rank < world.size(); ++rank) {
    for (uint32_t peer = 0; peer < world.size(); ++peer) {
      for (uint32_t channel = 0; peer != rank && channel < kChannelCount; ++channel) {
        ASSERT_EQ(peek(world.link(rank, peer), channel), Outcome::would_block);
      }
    }
  }
  std::ifstream file("/proc/self/smaps");
  bool ours = false;
  size_t mappings = 0;
  size_t resident_kib = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.find("memfd:tutti") != std::string::npos) {
      ours = true;
      ++mappings;
    } else if (ours && line.starts_with("Rss:")) {
      resident_kib += std::stoul(line.substr(4));
      ours = false;
    }
  }
  ASSERT_EQ(mappings, 28u);  // of 28 pairs: both ends are in this process
  EXPECT_LE(resident_kib / mappings, 12u);
}

}  // namespace
}  // namespace tutti::transports::shm
