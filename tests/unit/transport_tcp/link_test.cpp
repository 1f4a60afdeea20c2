// SPDX-License-Identifier: Apache-2.0
// Frames between two honest ranks.
#include <fcntl.h>

#include <atomic>
#include <deque>
#include <numeric>
#include <random>
#include <thread>

#include "support/test_size.hpp"
#include "tcp_world.hpp"

namespace tutti::transports::tcp::test {
namespace {

class TcpLinkTest : public testing::Test {
 protected:
  void SetUp() override { world_.connect_all(); }
  Link& sender() { return world_.link(0, 1); }
  Link& receiver() { return world_.link(1, 0); }

  void send(uint32_t channel, const FrameHeader& header, std::span<const std::byte> payload) {
    ASSERT_TRUE(world_.poll_until([&] { return sender().try_send(channel, header, payload) == Outcome::done; }));
  }

  void receive(uint32_t channel, std::span<std::byte> landing, Frame* frame) {
    ASSERT_TRUE(world_.poll_until([&] { return receiver().peek(channel, landing, frame) == Outcome::done; }));
  }

  ManualClock clock_;
  World world_{2, clock_};
};

TEST_F(TcpLinkTest, CarriesFramesOfEverySize) {
  std::vector<size_t> sizes{0, 1, 7, 8, 63, 64, 65, 4095, 4096, 65'535, 65'536, 65'537, kMaxFrameBytes - 1, kMaxFrameBytes};
  for (size_t size = 2; size < 600; size += 3) {
    sizes.push_back(size);
  }
  uint64_t sequence = 0;
  std::vector<std::byte> landing(kMaxFrameBytes);
  for (const size_t size : sizes) {
    for (uint32_t channel = 0; channel < transport::kChannelCount; channel += 3) {
      const auto payload = payload_of(sequence, size);
      const FrameHeader header{.call = sequence, .message_bytes = ~sequence};
      bool sent = false;
      Frame frame;
      const std::span<std::byte> offered = sequence % 2 == 0 ? std::span<std::byte>(landing) : std::span<std::byte>();
      ASSERT_TRUE(world_.poll_until([&] {
        sent = sent || sender().try_send(channel, header, payload) == Outcome::done;
        return receiver().peek(channel, offered, &frame) == Outcome::done;
      }));
      EXPECT_EQ(frame.header, header);
      ASSERT_TRUE(equal(frame.payload, payload)) << size << " bytes";
      receiver().pop(channel);
      ++sequence;
    }
  }
}

TEST_F(TcpLinkTest, PutsThePayloadIntoALandingThatIsLargeEnough) {
  const auto payload = payload_of(1, 1000);
  std::vector<std::byte> landing(1000);
  Frame frame;
  EXPECT_EQ(receiver().peek(kChannel, landing, &frame), Outcome::would_block);
  send(kChannel, {}, payload);
  receive(kChannel, landing, &frame);
  EXPECT_EQ(frame.payload.data(), landing.data());
  EXPECT_TRUE(equal(frame.payload, payload));
  receiver().pop(kChannel);

  const auto longer = payload_of(2, 1001);
  EXPECT_EQ(receiver().peek(kChannel, landing, &frame), Outcome::would_block);
  send(kChannel, {}, longer);
  receive(kChannel, landing, &frame);
  EXPECT_NE(frame.payload.data(), landing.data());
  EXPECT_TRUE(equal(frame.payload, longer));
}

TEST_F(TcpLinkTest, TheSameFrameIsPeekedUntilItIsPopped) {
  const auto first = payload_of(1, 100);
  const auto second = payload_of(2, 200);
  send(kChannel, {.call = 1, .message_bytes = 0}, first);
  send(kChannel, {.call = 2, .message_bytes = 0}, second);
  Frame frame;
  for (int look = 0; look < 3; ++look) {
    receive(kChannel, {}, &frame);
    EXPECT_EQ(frame.header.call, 1u);
    EXPECT_TRUE(equal(frame.payload, first));
  }
  receiver().pop(kChannel);
  receive(kChannel, {}, &frame);
  EXPECT_EQ(frame.header.call, 2u);
  EXPECT_TRUE(equal(frame.payload, second));
}

TEST_F(TcpLinkTest, AnUnreadChannelFillsUpAndDelaysNoOther) {
  const auto payload = payload_of(1, kMaxFrameBytes);
  const auto other = payload_of(2, 5000);
  for (const uint32_t stuffed : {kChannel, transport::kControlChannel, transport::kPointToPointChannel}) {
    // Full means: still full after the peer had every opportunity to take more.
    int sent_count = 0;
    for (int refusals = 0; refusals < 1000;) {
      if (sender().try_send(stuffed, {.call = static_cast<uint64_t>(sent_count), .message_bytes = 0}, payload) == Outcome::done) {
        ++sent_count;
        refusals = 0;
      } else {
        ++refusals;
      }
      world_.poll();
      Frame none;
      ASSERT_EQ(receiver().peek(kChannel + 5, {}, &none), Outcome::would_block);
      ASSERT_LT(sent_count, 100) << "nothing bounds what an unread channel takes";
    }
    EXPECT_EQ(static_cast<uint32_t>(sent_count), window_units(stuffed) / credit_units(kMaxFrameBytes));
    for (int round = 0; round < 500; ++round) {
      send(kChannel + 1, {}, other);
      Frame frame;
      receive(kChannel + 1, {}, &frame);
      ASSERT_TRUE(equal(frame.payload, other));
      receiver().pop(kChannel + 1);
    }
    for (int index = 0; index < sent_count; ++index) {
      Frame frame;
      receive(stuffed, {}, &frame);
      EXPECT_EQ(frame.header.call, static_cast<uint64_t>(index));
      ASSERT_TRUE(equal(frame.payload, payload));
      receiver().pop(stuffed);
    }
  }
}

TEST_F(TcpLinkTest, FramesWithoutPayloadAreBoundedToo) {
  uint64_t sent_count = 0;
  for (int refusals = 0; refusals < 1000;) {
    const bool done = sender().try_send(transport::kControlChannel, {.call = sent_count, .message_bytes = 0}, {}) == Outcome::done;
    sent_count += done ? 1 : 0;
    refusals = done ? 0 : refusals + 1;
    world_.poll();
  }
  EXPECT_EQ(sent_count, kControlWindowUnits);
  for (uint64_t index = 0; index < sent_count; ++index) {
    Frame frame;
    receive(transport::kControlChannel, {}, &frame);
    ASSERT_EQ(frame.header.call, index);
    receiver().pop(transport::kControlChannel);
  }
}

// Whatever credit the receiver still keeps for itself, and with nothing going the other way that could carry it.
TEST_F(TcpLinkTest, AFrameOfTheLargestSizePassesAfterAnyOthers) {
  const auto largest = payload_of(0, kMaxFrameBytes);
  for (const uint32_t channel : {kChannel, transport::kControlChannel}) {
    for (uint32_t taken_units = 1; taken_units < window_units(channel); taken_units += 500) {
      uint32_t left_units = taken_units;
      while (left_units > 0) {
        const uint32_t units = std::min(left_units, credit_units(kMaxFrameBytes));
        const auto payload = payload_of(units, (units - 1) * kCreditUnitBytes);
        Frame frame;
        ASSERT_NO_FATAL_FAILURE(send(channel, {}, payload));
        ASSERT_NO_FATAL_FAILURE(receive(channel, {}, &frame));
        receiver().pop(channel);
        left_units -= units;
      }
      Frame frame;
      ASSERT_NO_FATAL_FAILURE(send(channel, {}, largest)) << taken_units << " units on channel " << channel;
      ASSERT_NO_FATAL_FAILURE(receive(channel, {}, &frame));
      receiver().pop(channel);
    }
  }
}

TEST_F(TcpLinkTest, ReleasesExactlyWhatItHasTaken) {
  uint64_t taken_bytes = 0;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{10'000}, kMaxFrameBytes}) {
    const auto payload = payload_of(size, size);
    send(kChannel, {}, payload);
    taken_bytes += size;
    ASSERT_TRUE(world_.poll_until([&] { return sender().released_bytes(kChannel) == taken_bytes; }));
    EXPECT_EQ(sender().released_bytes(kChannel + 1), 0u);
  }
}

// Both directions at once over all channels, one thread, the reader leaving channels alone for a while at random.
TEST_F(TcpLinkTest, RandomTrafficInBothDirectionsArrivesInOrder) {
  constexpr uint64_t kSeed = 977;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  const uint64_t frame_count = tests::test_size() == tests::Size::small ? 80 : 300;  // a channel and direction
  std::mt19937_64 random(kSeed);
  struct Flow {
    uint64_t sent = 0;
    uint64_t received = 0;
    std::vector<std::byte> sending;
    std::vector<std::byte> landing = std::vector<std::byte>(20'000);
    uint64_t sent_bytes = 0;
  };
  std::array<std::array<Flow, transport::kChannelCount>, 2> flows;
  const auto size_of = [](uint64_t sequence, uint32_t channel) {
    const uint64_t mixed = mix64(sequence * transport::kChannelCount + channel);
    return static_cast<size_t>(mixed % 16 == 0 ? mixed / 16 % (kMaxFrameBytes + 1) : mixed / 16 % 40'000);
  };
  uint64_t left = 2 * transport::kChannelCount * frame_count;
  for (int turn = 0; turn < kTurnLimit && left > 0; ++turn) {
    const auto rank = static_cast<uint32_t>(random() % 2);
    const auto channel = static_cast<uint32_t>(random() % transport::kChannelCount);
    Flow& flow = flows[rank][channel];
    Link& out = world_.link(rank, 1 - rank);
    Link& in = world_.link(1 - rank, rank);
    if (flow.sent < frame_count && out.released_bytes(channel) == flow.sent_bytes) {
      auto payload = payload_of(flow.sent * 100 + channel, size_of(flow.sent, channel));
      if (out.try_send(channel, {.call = flow.sent, .message_bytes = channel}, payload) == Outcome::done) {
        flow.sending = std::move(payload);
        flow.sent_bytes += flow.sending.size();
        ++flow.sent;
      }
    }
    if (random() % 4 != 0) {
      Frame frame;
      const std::span<std::byte> landing = flow.received % 3 == 0 ? std::span<std::byte>() : std::span<std::byte>(flow.landing);
      if (in.peek(channel, landing, &frame) == Outcome::done) {
        ASSERT_EQ(frame.header, (FrameHeader{.call = flow.received, .message_bytes = channel}));
        ASSERT_TRUE(equal(frame.payload, payload_of(flow.received * 100 + channel, size_of(flow.received, channel))));
        in.pop(channel);
        ++flow.received;
        --left;
      }
    }
    world_.poll();
  }
  EXPECT_EQ(left, 0u);
  EXPECT_TRUE(sender().failure().ok()) << sender().failure().message();
}

TEST(TcpLink, TwoThreadsExchangeAStream) {
  World world(2, monotonic_clock());
  world.connect_all();
  const uint64_t frame_count = tests::test_size() == tests::Size::small ? 60 : 200;
  const auto run = [&](uint32_t rank) {
    Link& link = world.link(rank, 1 - rank);
    std::vector<std::byte> landing(kMaxFrameBytes);
    std::vector<std::byte> sending;
    bool prepared = false;
    uint64_t sent = 0;
    uint64_t received = 0;
    uint64_t taken_bytes = 0;
    for (int turn = 0; turn < kTurnLimit && (sent < frame_count || received < frame_count); ++turn) {
      if (sent < frame_count && link.released_bytes(kChannel) == taken_bytes) {
        if (!prepared) {
          sending = payload_of(sent * 2 + rank, 1 + mix64(sent) % kMaxFrameBytes);
        }
        prepared = link.try_send(kChannel, {.call = sent, .message_bytes = rank}, sending) != Outcome::done;
        taken_bytes += prepared ? 0 : sending.size();
        sent += prepared ? 0 : 1;
      }
      Frame frame;
      if (received < frame_count && link.peek(kChannel, landing, &frame) == Outcome::done) {
        ASSERT_EQ(frame.header.call, received);
        ASSERT_TRUE(equal(frame.payload, payload_of(received * 2 + 1 - rank, 1 + mix64(received) % kMaxFrameBytes)));
        link.pop(kChannel);
        ++received;
      }
      world[rank].poll();
    }
    while (link.released_bytes(kChannel) < taken_bytes && link.failure().ok()) {
      world[rank].poll();
    }
    EXPECT_EQ(sent, frame_count);
    EXPECT_EQ(received, frame_count);
  };
  std::thread other(run, 1);
  run(0);
  other.join();
}

TEST(TcpLink, HonoursTheSliceSettingWithinItsLimits) {
  const ManualClock clock;
  for (const auto& [asked, given] : {std::pair<uint64_t, size_t>{0, kMaxFrameBytes},
                                     {1, kMinFrameBytes},
                                     {10'000, 10'000},
                                     {UINT64_MAX, kMaxFrameBytes}}) {
    RankOptions options;
    options.settings.slice_bytes = asked;
    World world(2, clock, options);
    world.connect_all();
    EXPECT_EQ(world.link(0, 1).max_frame_bytes(), given);
  }
}

TEST(TcpLink, SaysWhatItIs) {
  const ManualClock clock;
  World world(2, clock);
  world.connect_all();
  EXPECT_TRUE(world.link(0, 1).describe().starts_with("tcp 127.0.0.1:")) << world.link(0, 1).describe();
  EXPECT_NE(world.link(0, 1).describe().find(" -> 127.0.0.1:"), std::string::npos);
  EXPECT_GT(world.link(0, 1).estimate().bandwidth_bytes_per_s, 0u);
  EXPECT_FALSE(world.link(0, 1).estimate().source.empty());
}

TEST(TcpLink, LeavesNoDescriptorBehindAndPassesNoneOn) {
  const ManualClock clock;
  const size_t before = open_descriptor_count();
  {
    World world(4, clock);
    world.connect_all();
    EXPECT_GE(open_descriptor_count(), before + 4 + 12);
    for (int descriptor = 3; descriptor < 256; ++descriptor) {
      const int flags = ::fcntl(descriptor, F_GETFD);
      std::error_code ignored;
      const auto target = std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", descriptor), ignored).string();
      if (flags >= 0 && (target.starts_with("socket:") || target.find("eventpoll") != std::string::npos)) {
        EXPECT_NE(flags & FD_CLOEXEC, 0) << target;
      }
    }
    world[0].disconnect(1);
    EXPECT_EQ(world[0].link(1), nullptr);
  }
  EXPECT_EQ(open_descriptor_count(), before);
}

}  // namespace
}  // namespace tutti::transports::tcp::test
