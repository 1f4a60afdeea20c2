// SPDX-License-Identifier: Apache-2.0
// Links over several sockets, of which some are lost on the way.
#include <random>

#include "tcp_world.hpp"

namespace tutti::transports::tcp::test {
namespace {

RankOptions with_rails(uint64_t count) {
  RankOptions options;
  options.settings.sockets_per_interface = count;
  return options;
}

// The ends of `link`'s rails, as this process holds them: for each, a descriptor.
std::vector<int> sockets_of(const Link& link) {
  const std::string description = link.describe();
  std::vector<int> sockets;
  for (int descriptor = 3; descriptor < 1024; ++descriptor) {
    const std::string ends = describe_ends(descriptor);
    if (!ends.starts_with("unknown") && !ends.ends_with("unknown") && (description + ",").find(" " + ends + ",") != std::string::npos) {
      sockets.push_back(descriptor);
    }
  }
  return sockets;
}

// Resets the connection of a socket, as a network may: what was on its way is lost, and both ends are told.
void reset(int socket) {
  const sockaddr nobody{.sa_family = AF_UNSPEC, .sa_data = {}};
  ASSERT_EQ(::connect(socket, &nobody, sizeof nobody), 0) << errno;
}

size_t rail_count(const Link& link) {
  const std::string description = link.describe();
  return static_cast<size_t>(std::ranges::count(description, '>'));
}

class TcpRailsTest : public testing::Test {
 protected:
  static constexpr size_t kRails = 3;

  void SetUp() override { world_.connect_all(); }

  ManualClock clock_;
  World world_{2, clock_, with_rails(kRails)};
};

TEST_F(TcpRailsTest, BothSidesHaveAllOfThem) {
  EXPECT_EQ(rail_count(world_.link(0, 1)), kRails) << world_.link(0, 1).describe();
  EXPECT_EQ(rail_count(world_.link(1, 0)), kRails);
  EXPECT_EQ(sockets_of(world_.link(0, 1)).size(), kRails);
}

// Both directions over several channels, while rails are reset again and again.
TEST_F(TcpRailsTest, NothingIsLostWithTheRailsThatAreReset) {
  constexpr uint64_t kSeed = 1848;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  constexpr uint64_t kFrameCount = 600;
  constexpr uint32_t kChannels = 3;
  std::mt19937_64 random(kSeed);
  struct Flow {
    std::vector<std::vector<std::byte>> payloads;
    uint64_t received = 0;
    std::vector<std::byte> landing = std::vector<std::byte>(kMaxRailFrameBytes);
    uint64_t sent_bytes = 0;
  };
  std::array<std::array<Flow, kChannels>, 2> flows;
  const auto size_of = [](uint64_t sequence) { return mix64(sequence) % 4 == 0 ? mix64(sequence) % (kMaxRailFrameBytes + 1) : mix64(sequence) % 20'000; };
  uint64_t left = 2 * kChannels * kFrameCount;
  uint64_t next_reset = left - 100;
  int resets = 0;
  for (int turn = 0; turn < kTurnLimit && left > 0; ++turn) {
    const auto rank = static_cast<uint32_t>(random() % 2);
    const auto flow_index = static_cast<uint32_t>(random() % kChannels);
    const uint32_t channel = kChannel + flow_index;
    Flow& flow = flows[rank][flow_index];
    Link& out = world_.link(rank, 1 - rank);
    Link& in = world_.link(1 - rank, rank);
    if (const uint64_t sent = flow.payloads.size(); sent < kFrameCount) {
      auto payload = payload_of(sent * 100 + channel, size_of(sent));
      if (out.try_send(channel, {.call = sent, .message_bytes = channel}, payload) == Outcome::done) {
        flow.sent_bytes += payload.size();
        flow.payloads.push_back(std::move(payload));
      }
    }
    Frame frame;
    const std::span<std::byte> landing = flow.received % 3 == 0 ? std::span<std::byte>() : std::span<std::byte>(flow.landing);
    if (in.peek(channel, landing, &frame) == Outcome::done) {
      ASSERT_EQ(frame.header, (FrameHeader{.call = flow.received, .message_bytes = channel}));
      ASSERT_TRUE(equal(frame.payload, payload_of(flow.received * 100 + channel, size_of(flow.received))));
      in.pop(channel);
      ++flow.received;
      --left;
    }
    if (left < next_reset && rail_count(out) > 1) {
      next_reset = left > 150 ? left - 150 : 0;
      const std::vector<int> sockets = sockets_of(out);
      reset(sockets[random() % sockets.size()]);
      ++resets;
    }
    clock_.advance_ns(10'000);
    world_.poll();
  }
  EXPECT_EQ(left, 0u);
  EXPECT_GT(resets, 5);
  for (uint32_t rank = 0; rank < 2; ++rank) {
    EXPECT_TRUE(world_.link(rank, 1 - rank).failure().ok()) << world_.link(rank, 1 - rank).failure().message();
    for (uint32_t index = 0; index < kChannels; ++index) {
      EXPECT_TRUE(world_.poll_until([&] { return world_.link(rank, 1 - rank).released_bytes(kChannel + index) == flows[rank][index].sent_bytes; }));
    }
  }
}

TEST_F(TcpRailsTest, ALostRailIsMadeAgain) {
  reset(sockets_of(world_.link(1, 0)).front());
  ASSERT_TRUE(world_.poll_until([&] { return rail_count(world_.link(0, 1)) < kRails && rail_count(world_.link(1, 0)) < kRails; }));
  ASSERT_TRUE(world_.poll_until([&] {
    clock_.advance_ns(1'000);
    return rail_count(world_.link(0, 1)) == kRails && rail_count(world_.link(1, 0)) == kRails;
  }));
  EXPECT_EQ(sockets_of(world_.link(0, 1)).size(), kRails);
}

TEST_F(TcpRailsTest, TheLinkFailsWithItsLastRail) {
  for (const int socket : sockets_of(world_.link(0, 1))) {
    reset(socket);
  }
  Link& link = world_.link(1, 0);
  ASSERT_TRUE(world_.poll_until([&] { return !link.failure().ok(); }));
  EXPECT_EQ(link.failure().code(), tuttiRemoteError);
  Frame frame;
  EXPECT_EQ(link.peek(kChannel, {}, &frame), Outcome::failed);
  EXPECT_EQ(link.try_send(kChannel, {}, {}), Outcome::failed);
}

TEST_F(TcpRailsTest, APeerThatLeavesIsNotAwaited) {
  ASSERT_EQ(world_.link(1, 0).try_send(transport::kControlChannel, {.call = 9, .message_bytes = 9}, {}), Outcome::done);
  ASSERT_EQ(world_.link(0, 1).try_send(kChannel, {}, payload_of(1, 100'000)), Outcome::done);
  world_.destroy(1);
  Link& link = world_.link(0, 1);
  ASSERT_TRUE(world_.poll_until([&] { return !link.failure().ok(); }));
  EXPECT_EQ(link.released_bytes(kChannel), 100'000u);
  Frame frame;
  ASSERT_EQ(link.peek(transport::kControlChannel, {}, &frame), Outcome::done) << "its last words";
  EXPECT_EQ(frame.header.call, 9u);
}

TEST_F(TcpRailsTest, PayloadIsReleasedOnceThePeerHasIt) {
  const auto payload = payload_of(1, 100'000);
  ASSERT_EQ(world_.link(0, 1).try_send(kChannel, {}, payload), Outcome::done);
  for (int turn = 0; turn < 1000; ++turn) {
    world_[0].poll();
    ASSERT_EQ(world_.link(0, 1).released_bytes(kChannel), 0u) << "nobody has read it";
  }
  EXPECT_TRUE(world_.poll_until([&] { return world_.link(0, 1).released_bytes(kChannel) == payload.size(); }));
}

// One of two is tried, as when a link goes back to one socket.
TEST(TcpRailArrivals, TheLatestSessionCounts) {
  ManualClock clock;
  std::array<std::array<Descriptor, 2>, 3> sockets;
  for (auto& ends : sockets) {
    std::array<int, 2> pair{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
    ends = {Descriptor(pair[0]), Descriptor(pair[1])};
  }
  RailArrivals arrivals;
  const auto arrive = [&](uint8_t session, size_t index) {
    arrivals.add({.session = session, .incarnation = 0, .count = 2, .rail = 0, .may_change = true}, std::move(sockets[index][1]));
  };
  arrive(255, 0);
  arrive(0, 1);  // behind 255
  arrive(255, 2);
  std::array<std::byte, kRailHeaderBytes> beginning;
  encode_rail_header({.kind = RailKind::beginning, .payload_bytes = 1, .frame = {}}, beginning);
  for (const auto& ends : sockets) {
    (void)::send(ends[0].get(), beginning.data(), beginning.size(), MSG_NOSIGNAL);
  }
  const auto gathered = arrivals.advance(clock);
  ASSERT_TRUE(gathered);
  EXPECT_EQ(gathered->session, 0);
  EXPECT_TRUE(gathered->may_change);
  EXPECT_EQ(gathered->sockets.size(), 1u);
  EXPECT_TRUE(arrivals.empty());
}

TEST_F(TcpRailsTest, CanConnectAgainAfterADisconnect) {
  world_[0].disconnect(1);
  world_[1].disconnect(0);
  world_.connect_all();
  EXPECT_EQ(rail_count(world_.link(0, 1)), kRails);
}

}  // namespace
}  // namespace tutti::transports::tcp::test
