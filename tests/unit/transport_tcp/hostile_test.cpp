// SPDX-License-Identifier: Apache-2.0
// Strangers at the door, and a peer that proves itself and then breaks the protocol.
#include <sys/socket.h>

#include <random>

#include "tcp_world.hpp"

namespace tutti::transports::tcp::test {
namespace {

const Handshake::Claim kClaimOfRank0{.rank = 0, .rank_count = 2, .purpose = kLinkPurpose};

Key link_key() { return derive_key(secret_of(7), "tcp link", kCommunicatorId); }

class TcpStrangerTest : public testing::Test {
 protected:
  // Polls rank 1 alone, until `stranger` has been closed.
  [[nodiscard]] bool dropped(RawSocket& stranger) {
    for (int turn = 0; turn < 2'000'000; ++turn) {
      world_[1].poll();
      if (stranger.closed()) {
        return true;
      }
    }
    return false;
  }
  [[nodiscard]] bool kept(RawSocket& stranger) {
    for (int turn = 0; turn < 20'000; ++turn) {
      world_[1].poll();
    }
    return !stranger.closed();
  }
  std::function<void()> polling() {
    return [this] { world_[1].poll(); };
  }
  RawSocket stranger() { return RawSocket(first_address(world_[1])); }
  void expect_the_job_goes_on() {
    world_.connect_all();
    ASSERT_EQ(world_.link(0, 1).try_send(kChannel, {.call = 5, .message_bytes = 6}, {}), Outcome::done);
    Frame frame;
    ASSERT_TRUE(world_.poll_until([&] { return world_.link(1, 0).peek(kChannel, {}, &frame) == Outcome::done; }));
    EXPECT_EQ(frame.header, (FrameHeader{.call = 5, .message_bytes = 6}));
  }

  ManualClock clock_;
  World world_{2, clock_};
};

TEST_F(TcpStrangerTest, GarbageIsDroppedAtOnce) {
  RawSocket garbage = stranger();
  (void)garbage.send_all(payload_of(3, 4096), polling());
  EXPECT_TRUE(dropped(garbage));
  expect_the_job_goes_on();
}

TEST_F(TcpStrangerTest, SilenceIsDroppedAfterAWhile) {
  RawSocket silent = stranger();
  EXPECT_TRUE(kept(silent));
  clock_.advance_ns(transport::kStrangerPatience_ns - 1);
  EXPECT_TRUE(kept(silent));
  clock_.advance_ns(1);
  EXPECT_TRUE(dropped(silent));
  expect_the_job_goes_on();
}

TEST_F(TcpStrangerTest, SlownessBuysNoTime) {
  RawSocket slow = stranger();
  EXPECT_TRUE(kept(slow));
  Handshake handshake(Handshake::Side::connecting, link_key(), kClaimOfRank0);
  const auto hello = handshake.outgoing();
  bool was_dropped = false;
  size_t sent_count = 0;
  for (; sent_count < hello.size() && !was_dropped; ++sent_count) {
    was_dropped = !slow.send_all(hello.subspan(sent_count, 1), polling());
    clock_.advance_ns(transport::kStrangerPatience_ns / 10);
    was_dropped = was_dropped || !kept(slow);
  }
  EXPECT_TRUE(was_dropped);
  EXPECT_LE(sent_count, 12u);
  expect_the_job_goes_on();
}

TEST_F(TcpStrangerTest, AReplayIsDropped) {
  RawSocket honest = stranger();
  const auto recorded = honest.shake_hands(link_key(), kClaimOfRank0, polling());
  ASSERT_FALSE(recorded.empty());
  EXPECT_TRUE(kept(honest)) << "or the replay below would show nothing";
  RawSocket replaying = stranger();
  (void)replaying.send_all(recorded, polling());
  EXPECT_TRUE(dropped(replaying));
}

TEST_F(TcpStrangerTest, TheProvenWithAFalseClaimAreDropped) {
  for (const Handshake::Claim& claim : {Handshake::Claim{.rank = 1, .rank_count = 2, .purpose = kLinkPurpose},
                                        Handshake::Claim{.rank = 4'000'000'000, .rank_count = 2, .purpose = kLinkPurpose},
                                        Handshake::Claim{.rank = 0, .rank_count = 3, .purpose = kLinkPurpose},
                                        Handshake::Claim{.rank = 0, .rank_count = 2, .purpose = kLinkPurpose + 1}}) {
    RawSocket liar = stranger();
    (void)liar.shake_hands(link_key(), claim, polling());
    EXPECT_TRUE(dropped(liar)) << claim.rank << " of " << claim.rank_count;
  }
  expect_the_job_goes_on();
}

TEST_F(TcpStrangerTest, ACrowdIsBoundedAndDoesNotKeepThePeerOut) {
  const size_t before = open_descriptor_count();
  std::vector<RawSocket> crowd;
  for (size_t index = 0; index < 3 * transport::kMaxStrangers; ++index) {
    crowd.push_back(stranger());
    world_[1].poll();
    if (index % 32 == 31) {
      for (int turn = 0; turn < 5'000; ++turn) {
        world_[1].poll();
      }
    }
  }
  EXPECT_LE(open_descriptor_count(), before + crowd.size() + transport::kMaxStrangers);
  EXPECT_TRUE(dropped(crowd.front()));
  expect_the_job_goes_on();
}

TEST_F(TcpStrangerTest, ASecondConnectionOfAConnectedPeerIsDropped) {
  world_.connect_all();
  RawSocket second = stranger();
  (void)second.shake_hands(link_key(), kClaimOfRank0, polling());
  EXPECT_TRUE(dropped(second));
  expect_the_job_goes_on();
}

// The test is rank 0 here.
class TcpMaliceTest : public testing::Test {
 protected:
  void SetUp() override {
    victim_->connect(0, encode({.host = hash_of_text("this host"), .sockets = decode(victim_->address())->sockets}));
    (void)socket_.shake_hands(link_key(), kClaimOfRank0, polling());
    for (int turn = 0; turn < kTurnLimit && victim_->link(0) == nullptr; ++turn) {
      victim_->poll();
    }
    ASSERT_NE(victim_->link(0), nullptr);
  }
  std::function<void()> polling() {
    return [this] { victim_->poll(); };
  }
  void send(const Header& header, std::span<const std::byte> payload = {}) {
    std::array<std::byte, kHeaderBytes> bytes;
    encode(header, bytes);
    sound_ = sound_ && socket_.send_all(bytes, polling()) && socket_.send_all(payload, polling());
  }
  void expect_failure(std::string_view words) {
    Link& link = *victim_->link(0);
    Frame frame;
    for (int turn = 0; turn < kTurnLimit && link.failure().ok(); ++turn) {
      victim_->poll();
      (void)link.peek(transport::kChannelCount - 1, {}, &frame);
    }
    EXPECT_EQ(link.failure().code(), tuttiRemoteError);
    EXPECT_NE(link.failure().message().find(words), std::string::npos) << link.failure().message();
    EXPECT_EQ(link.try_send(kChannel, {}, {}), Outcome::failed);
    EXPECT_EQ(link.peek(transport::kChannelCount - 1, {}, &frame), Outcome::failed);
  }
  static Header data(uint8_t channel, uint32_t payload_bytes) {
    return {.kind = Kind::data, .channel = channel, .credit_channel = 0, .payload_bytes = payload_bytes, .credit_units = 0, .frame = {}};
  }

  ManualClock clock_;
  Rank rank_{1, 2, clock_};
  transport::Transport* victim_ = rank_.transport.get();
  RawSocket socket_{first_address(*victim_)};
  bool sound_ = true;
};

TEST_F(TcpMaliceTest, AnHonestFrameIsTaken) {
  send(data(2, 3), payload_of(1, 3));
  Frame frame;
  for (int turn = 0; turn < kTurnLimit && victim_->link(0)->peek(2, {}, &frame) != Outcome::done; ++turn) {
    victim_->poll();
  }
  EXPECT_TRUE(equal(frame.payload, payload_of(1, 3)));
}

TEST_F(TcpMaliceTest, AChannelThatDoesNotExistFailsTheLink) {
  send(data(transport::kChannelCount, 0));
  expect_failure("no frame");
}

TEST_F(TcpMaliceTest, ALengthBeyondTheLimitFailsTheLink) {
  send(data(2, UINT32_MAX));
  expect_failure("no frame");
}

TEST_F(TcpMaliceTest, GarbageFailsTheLink) {
  (void)socket_.send_all(payload_of(99, 1000), polling());
  expect_failure("no frame");
}

TEST_F(TcpMaliceTest, CreditThatWasNeverTakenFailsTheLink) {
  send({.kind = Kind::credit, .channel = 0, .credit_channel = 3, .payload_bytes = 0, .credit_units = 1, .frame = {}});
  expect_failure("credit it never held on channel 3");
}

TEST_F(TcpMaliceTest, CreditThatWouldWrapAroundFailsTheLink) {
  ASSERT_EQ(victim_->link(0)->try_send(3, {}, {}), Outcome::done);
  send({.kind = Kind::credit, .channel = 0, .credit_channel = 3, .payload_bytes = 0, .credit_units = UINT32_MAX, .frame = {}});
  expect_failure("credit it never held on channel 3");
}

TEST_F(TcpMaliceTest, LargeFramesBeyondTheWindowFailTheLink) {
  const auto payload = payload_of(1, kMaxFrameBytes);
  for (uint32_t count = 0; count <= window_units(4) / credit_units(kMaxFrameBytes) && sound_; ++count) {
    send(data(4, kMaxFrameBytes), payload);
  }
  expect_failure("beyond its credit");
  Frame frame;
  EXPECT_EQ(victim_->link(0)->peek(4, {}, &frame), Outcome::done) << "what was within the window has arrived";
}

TEST_F(TcpMaliceTest, EmptyFramesBeyondTheWindowFailTheLink) {
  for (uint32_t count = 0; count <= kControlWindowUnits && sound_; ++count) {
    send(data(transport::kControlChannel, 0));
  }
  expect_failure("beyond its credit");
}

// Whatever bytes follow a good handshake, the link works or fails, and touches no memory it should not (as a sanitizer would tell).
TEST_F(TcpMaliceTest, MutatedFramesDoNoHarm) {
  constexpr uint64_t kSeed = 31337;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  std::mt19937_64 random(kSeed);
  int failed_count = 0;
  for (int round = 0; round < 100; ++round) {
    Rank rank(1, 2, clock_);
    transport::Transport& victim = *rank.transport;
    victim.connect(0, victim.address());
    RawSocket socket(first_address(victim));
    const auto poll = [&] { victim.poll(); };
    (void)socket.shake_hands(link_key(), kClaimOfRank0, poll);
    for (int turn = 0; turn < kTurnLimit && victim.link(0) == nullptr; ++turn) {
      victim.poll();
    }
    std::vector<std::byte> landing(100);
    for (int count = 0; count < 50; ++count) {
      const auto size = static_cast<uint32_t>(random() % 200);
      std::vector<std::byte> bytes(kHeaderBytes + size);
      encode(data(static_cast<uint8_t>(random() % transport::kChannelCount), size), HeaderBytes(bytes.data(), kHeaderBytes));
      if (random() % 10 == 0) {
        bytes[random() % bytes.size()] ^= static_cast<std::byte>(1 + random() % 255);
      }
      if (!socket.send_all(bytes, poll)) {
        break;
      }
      Frame frame;
      const auto channel = static_cast<uint32_t>(random() % transport::kChannelCount);
      if (victim.link(0)->peek(channel, landing, &frame) == Outcome::done) {
        EXPECT_LE(frame.payload.size(), kMaxFrameBytes);
        victim.link(0)->pop(channel);
      }
    }
    failed_count += victim.link(0)->failure().ok() ? 0 : 1;
  }
  EXPECT_GT(failed_count, 0);
  EXPECT_LT(failed_count, 100);
}

}  // namespace
}  // namespace tutti::transports::tcp::test
