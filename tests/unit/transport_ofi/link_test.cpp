// SPDX-License-Identifier: Apache-2.0
// Links over a fabric that keeps no order, refuses calls and fails. Each failure names its seed.
#include <gtest/gtest.h>

#include <array>
#include <deque>

#include "unit/transport_ofi/link_world.hpp"

namespace tutti::transports::ofi::test {
namespace {

constexpr uint64_t kSeeds = 8;
constexpr size_t kFrames = 24;  // of a stream

// One direction on one channel: sends frames of all kinds, and checks that they arrive as they were, in order.
class Stream {
 public:
  Stream(LinkWorld& world, uint32_t source, uint32_t channel, uint64_t seed) : world_(world), source_(source), channel_(channel), random_(seed) {}

  void send(size_t frame_count) {
    if (sent_ == frame_count) {
      return;
    }
    if (payloads_.size() == sent_) {
      constexpr std::array<size_t, 8> kSizes{0, 8, 16, 17, 1000, kEagerBytes, kEagerBytes + 1, 20'000};
      payloads_.push_back(pattern(payloads_.size() == 7 ? kMaxFrameBytes : kSizes[random_() % kSizes.size()], random_()));
    }
    if (world_.links[source_]->try_send(channel_, {.call = sent_, .message_bytes = channel_}, payloads_.back()) == Outcome::done) {
      taken_bytes_ += payloads_.back().size();
      ++sent_;
    }
  }
  void receive() {
    Frame frame;
    OfiLink& link = *world_.links[1 - source_];
    std::span<std::byte> landing;
    if (received_ % 3 != 0) {
      landing = std::span(landing_).first(received_ % 3 == 1 ? landing_.size() : 20'000);
    }
    if (link.peek(channel_, landing, &frame) != Outcome::done) {
      return;
    }
    ASSERT_LT(received_, payloads_.size());
    EXPECT_EQ(frame.header, (FrameHeader{.call = received_, .message_bytes = channel_}));
    EXPECT_TRUE(std::ranges::equal(frame.payload, payloads_[received_])) << "frame " << received_ << " of " << payloads_[received_].size() << " bytes";
    link.pop(channel_);
    ++received_;
  }
  bool is_done(size_t frame_count) const { return received_ == frame_count && world_.links[source_]->released_bytes(channel_) == taken_bytes_; }

 private:
  LinkWorld& world_;
  const uint32_t source_;
  const uint32_t channel_;
  std::mt19937_64 random_;
  std::deque<std::vector<std::byte>> payloads_;  // unchanged until they have been received
  std::vector<std::byte> landing_ = std::vector<std::byte>(kMaxFrameBytes);
  size_t sent_ = 0;
  size_t received_ = 0;
  uint64_t taken_bytes_ = 0;
};

TEST(OfiLinkTest, FramesArriveInOrderThoughNothingBelowKeepsOne) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    LinkWorld world({.seed = seed, .inject_bytes = seed % 2 == 0 ? size_t{64} : size_t{4096}, .registers_local_memory = seed % 3 != 0});
    std::deque<Stream> streams;
    for (const uint32_t channel : {0u, kChannel, kChannel + 1}) {
      streams.emplace_back(world, 0, channel, seed * 10 + channel);
      streams.emplace_back(world, 1, channel, seed * 20 + channel);
    }
    EXPECT_TRUE(world.run_until([&] {
      for (Stream& stream : streams) {
        stream.send(kFrames);
        stream.receive();
      }
      return HasFailure() || std::ranges::all_of(streams, [](const Stream& stream) { return stream.is_done(kFrames); });
    }));
    EXPECT_TRUE(world.links[0]->failure().ok()) << world.links[0]->failure().message();
    EXPECT_EQ(world.hubs[0]->registrations().count(), 0u);
    EXPECT_EQ(world.hubs[1]->registrations().count(), 0u);
    if (HasFailure()) {
      return;
    }
  }
}

TEST(OfiLinkTest, AChannelTakesAWindowOfFramesThatNobodyReads) {
  LinkWorld world({.seed = 3, .refused_per_mille = 0});
  const std::vector<std::byte> payload = pattern(1'000, 1);
  size_t taken = 0;
  for (int turns = 0; turns < 2'000; ++turns) {
    taken += world.links[0]->try_send(kChannel, {}, payload) == Outcome::done ? 1 : 0;
    world.turn(0);
    world.turn(1);
  }
  EXPECT_EQ(taken, kWindowFrames);
  EXPECT_TRUE(world.send(0, payload, 5, kChannel + 1)) << "another channel is not held up";
  ASSERT_TRUE(world.receive(1, {}, kChannel + 1));
  for (size_t index = 0; index < taken; ++index) {
    ASSERT_TRUE(world.receive(1));
    world.links[1]->pop(kChannel);
  }
  EXPECT_TRUE(world.send(0, payload, 6));
}

TEST(OfiLinkTest, AFailedReadFailsTheLinkWithItsWords) {
  LinkWorld world({.seed = 4});
  world.fabric.next_read_error = "the cable is out";
  const std::vector<std::byte> payload = pattern(100'000, 1);
  ASSERT_TRUE(world.send(0, payload, 1));
  EXPECT_FALSE(world.receive(1));
  EXPECT_EQ(world.links[1]->failure().code(), tuttiRemoteError);
  EXPECT_NE(world.links[1]->failure().message().find("the cable is out"), std::string::npos);
  EXPECT_EQ(world.links[1]->try_send(kChannel, {}, payload), Outcome::failed);
}

TEST(OfiLinkTest, AFailedSendFailsTheLinkWithItsWords) {
  LinkWorld world({.seed = 5});
  world.fabric.next_send_error = "no route";
  const std::vector<std::byte> payload = pattern(1'000, 1);
  ASSERT_TRUE(world.send(0, payload, 1));
  EXPECT_TRUE(world.run_until([&] { return !world.links[0]->failure().ok(); }));
  EXPECT_NE(world.links[0]->failure().message().find("no route"), std::string::npos);
}

// ---- What strangers and liars send ----

class OfiStranger : public testing::Test {
 protected:
  OfiStranger() : stranger_(world_.fabric.make_endpoint()) {}

  void say(Header header, std::span<const std::byte> more = {}) {
    std::vector<std::byte> message(kHeaderBytes);
    encode(header, std::span<std::byte, kHeaderBytes>(message));
    message.insert(message.end(), more.begin(), more.end());
    EXPECT_EQ(stranger_->inject(0, LinkWorld::kTag, message), Posted::done);
  }
  void settle() {
    for (int turns = 0; turns < 100; ++turns) {
      world_.turn(0);
      world_.turn(1);
    }
  }
  LinkWorld world_{{.seed = 6, .refused_per_mille = 0, .inject_bytes = 4096}};
  std::unique_ptr<FakeEndpoint> stranger_;
  const Header honest_{.token = LinkWorld::kToken, .source = 1, .kind = Kind::data, .channel = kChannel, .frame = {}};
};

TEST_F(OfiStranger, MessagesWithoutTheTokenAreDropped) {
  Header header = honest_;
  header.token ^= 1;
  say(header);
  header = honest_;
  header.source = 0;
  say(header);
  header.source = 77;
  say(header);
  EXPECT_EQ(stranger_->inject(0, LinkWorld::kTag, std::vector<std::byte>(5)), Posted::done);
  EXPECT_EQ(stranger_->inject(0, LinkWorld::kTag + 9, std::vector<std::byte>(100)), Posted::done);
  settle();
  EXPECT_TRUE(world_.links[0]->failure().ok());
  EXPECT_FALSE(world_.links[0]->greeted());
  EXPECT_EQ(world_.hubs[0]->stray_count(), 4u);
  Frame frame;
  EXPECT_EQ(world_.links[0]->peek(kChannel, {}, &frame), Outcome::would_block);
}

TEST_F(OfiStranger, APeerThatLiesLosesItsLink) {
  struct Lie {
    const char* what;
    std::function<void(Header&)> change;
    size_t more_bytes;
  };
  const std::vector<Lie> lies{
      {"a channel that does not exist", [](Header& header) { header.channel = transport::kChannelCount; }, 0},
      {"credit on a channel that does not exist", [](Header& header) { header.credit_channel = 200; }, 0},
      {"a frame beyond the window", [](Header& header) { header.number = kWindowFrames; }, 0},
      {"credit for frames never sent", [](Header& header) { header.popped = 1; }, 0},
      {"frames landed that were never sent", [](Header& header) { header.landed = 5; }, 0},
      {"an unknown kind", [](Header& header) { header.kind = static_cast<Kind>(9); }, 0},
      {"an offer of nothing", [](Header& header) { header.kind = Kind::offer; }, kOfferBytes},
      {"an offer cut short", [](Header& header) { header.kind = Kind::offer; }, 3},
      {"credit with a payload", [](Header& header) { header.kind = Kind::credit; }, 1},
  };
  for (const Lie& lie : lies) {
    SCOPED_TRACE(lie.what);
    LinkWorld world({.seed = 7, .refused_per_mille = 0, .inject_bytes = 4096});
    const auto liar = world.fabric.make_endpoint();
    Header header = honest_;
    lie.change(header);
    std::vector<std::byte> message(kHeaderBytes + lie.more_bytes);
    encode(header, std::span<std::byte, kHeaderBytes>(message.data(), kHeaderBytes));
    ASSERT_EQ(liar->inject(0, LinkWorld::kTag, message), Posted::done);
    EXPECT_TRUE(world.run_until([&] { return !world.links[0]->failure().ok(); }));
    EXPECT_EQ(world.links[0]->failure().code(), tuttiRemoteError);
  }
}

TEST_F(OfiStranger, AFrameThatComesTwiceFailsTheLink) {
  say(honest_);
  say(honest_);
  settle();
  EXPECT_EQ(world_.links[0]->failure().message(), "it sent a frame twice");
}

// ---- Letting go ----

TEST(OfiLetGo, OfferedFramesArriveAsTheyWereWhateverTheReceiverIsDoing) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    LinkWorld world({.seed = seed, .delayed_per_mille = 800});
    std::vector<std::vector<std::byte>> originals;
    std::deque<std::vector<std::byte>> payloads;
    for (uint64_t index = 0; index < 10; ++index) {
      originals.push_back(pattern(index % 3 == 0 ? 100 : 20'000 + index, seed * 100 + index));
      payloads.push_back(originals.back());
      ASSERT_TRUE(world.send(0, payloads.back(), index));
    }
    // The receiver has begun to read ahead.
    Frame frame;
    for (uint64_t turns = 0; turns < seed * 2; ++turns) {
      (void)world.links[1]->peek(kChannel, {}, &frame);
      world.turn(1);
    }
    world.fabric.meanwhile = [&] { world.turn(1); };
    world.links[0]->let_go();
    for (std::vector<std::byte>& payload : payloads) {
      std::ranges::fill(payload, std::byte{0xee});
    }
    payloads.clear();
    if (seed % 2 == 0) {  // and again, with one more under way
      originals.push_back(pattern(30'000, seed));
      payloads.push_back(originals.back());
      ASSERT_TRUE(world.send(0, payloads.back(), 10));
      world.links[0]->let_go();
      payloads.clear();
    }
    for (uint64_t index = 0; index < originals.size(); ++index) {
      const auto received = world.receive(1);
      ASSERT_TRUE(received) << "frame " << index << ": " << world.links[1]->failure().message();
      EXPECT_EQ(received->header.call, index);
      EXPECT_TRUE(std::ranges::equal(received->payload, originals[index])) << "frame " << index;
      world.links[1]->pop(kChannel);
    }
    EXPECT_TRUE(world.run_until([&] { return world.hubs[0]->registrations().count() == 0; }));
  }
}

TEST(OfiLetGo, AReadIntoALandingIsWaitedForAndItsBytesMove) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    LinkWorld world({.seed = seed, .delayed_per_mille = 800});
    const std::vector<std::byte> payload = pattern(50'000, seed);
    std::vector<std::byte> landing(payload.size());
    Frame frame;
    ASSERT_TRUE(world.send(0, payload, 1));
    for (uint64_t turns = 0; turns < seed; ++turns) {
      (void)world.links[1]->peek(kChannel, landing, &frame);
      world.turn(0);
    }
    world.links[1]->let_go();
    std::ranges::fill(landing, std::byte{0xee});
    const auto received = world.receive(1);
    ASSERT_TRUE(received);
    EXPECT_TRUE(std::ranges::equal(received->payload, payload));
    EXPECT_TRUE(std::ranges::all_of(landing, [](std::byte byte) { return byte == std::byte{0xee}; }));
  }
}

TEST(OfiLetGo, AReadThatNeverEndsTakesTheEndpointWithIt) {
  LinkWorld world({.seed = 8});
  const std::vector<std::byte> payload = pattern(50'000, 1);
  std::vector<std::byte> landing(payload.size(), std::byte{0xee});
  world.fabric.reads_never_end = true;
  ASSERT_TRUE(world.send(0, payload, 1));
  Frame frame;
  for (int turns = 0; turns < 200; ++turns) {
    EXPECT_EQ(world.links[1]->peek(kChannel, landing, &frame), Outcome::would_block);
    world.turn(0);
    world.turn(1);
  }
  world.links[1]->let_go();
  EXPECT_TRUE(world.hubs[1]->is_closed());
  EXPECT_EQ(world.links[1]->failure().message(), "it does not answer reads of its memory");
  EXPECT_EQ(world.links[1]->peek(kChannel, {}, &frame), Outcome::failed);
}

// ---- Registrations ----

TEST(OfiRegistrations, ARangeInUseIsRegisteredOnceAndGivenBackWithItsLastUser) {
  FakeFabric fabric({.seed = 1});
  const auto endpoint = fabric.make_endpoint();
  Registrations registrations(*endpoint);
  std::vector<std::byte> memory(1000);
  auto whole = *registrations.get(memory, Access::offered);
  auto part = *registrations.get(std::span(memory).subspan(100, 200), Access::offered);
  EXPECT_EQ(whole, part);
  auto other_use = *registrations.get(memory, Access::landing);
  EXPECT_NE(whole, other_use);
  EXPECT_EQ(fabric.registration_count(), 2u);
  const uint64_t key = whole->remote(memory.data()).key;
  whole.reset();
  part.reset();
  other_use.reset();
  EXPECT_EQ(fabric.registration_count(), 0u);
  // The same addresses may be other memory by now.
  EXPECT_NE((*registrations.get(memory, Access::offered))->remote(memory.data()).key, key);
}

TEST(OfiRegistrations, WhatNobodyUsesIsForgotten) {
  FakeFabric fabric({.seed = 1});
  const auto endpoint = fabric.make_endpoint();
  Registrations registrations(*endpoint);
  std::vector<std::byte> memory(100'000);
  const auto kept = *registrations.get(std::span(memory).first(10), Access::offered);
  for (size_t offset = 10; offset < memory.size(); offset += 10) {
    ASSERT_TRUE(registrations.get(std::span(memory).subspan(offset, 10), Access::offered).has_value());
    ASSERT_EQ(fabric.registration_count(), 1u);
  }
  EXPECT_EQ(registrations.count(), 1u);
}

}  // namespace
}  // namespace tutti::transports::ofi::test
