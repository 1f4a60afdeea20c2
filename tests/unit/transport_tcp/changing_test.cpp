// SPDX-License-Identifier: Apache-2.0
// Links whose sockets are changed for others while frames travel.
#include <memory>
#include <random>
#include <utility>

#include "tcp_world.hpp"
#include "transports/tcp/changing_link.hpp"

namespace tutti::transports::tcp::test {
namespace {

using Part = ChangingLink::Part;
using Ends = std::pair<std::unique_ptr<SocketLink>, std::unique_ptr<SocketLink>>;

class TcpChangingTest : public testing::Test {
 protected:
  // The ends of one socket, or of several rails.
  Ends make_sockets(size_t count) {
    Ends ends;
    const RailedLink::Setup setup{.session = 0, .rails = (1ul << count) - 1, .distance = Distance::other_host};
    if (count > 1) {
      ends = {std::make_unique<RailedLink>(setup, settings_, clock_, backlogged_count_), std::make_unique<RailedLink>(setup, settings_, clock_, backlogged_count_)};
    }
    for (size_t index = 0; index < count; ++index) {
      std::array<int, 2> pair{};
      EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair.data()), 0);
      if (count == 1) {
        ends = {std::make_unique<TcpLink>(Descriptor(pair[0]), settings_, Distance::other_host, backlogged_count_),
                std::make_unique<TcpLink>(Descriptor(pair[1]), settings_, Distance::other_host, backlogged_count_)};
      } else {
        EXPECT_TRUE(static_cast<RailedLink&>(*ends.first).attach(index, 0, Descriptor(pair[0])));
        EXPECT_TRUE(static_cast<RailedLink&>(*ends.second).attach(index, 0, Descriptor(pair[1])));
      }
    }
    return ends;
  }

  void begin(size_t count, Part first = Part::leads, Part second = Part::follows) {
    Ends ends = make_sockets(count);
    links_[0] = std::make_unique<ChangingLink>(first, kMaxRailFrameBytes, std::move(ends.first));
    links_[1] = std::make_unique<ChangingLink>(second, kMaxRailFrameBytes, std::move(ends.second));
  }

  void poll() {
    clock_.advance_ns(10'000);
    for (auto& link : links_) {
      if (link != nullptr) {
        link->flush();
        link->look();
        link->tend();
      }
    }
  }

  [[nodiscard]] bool poll_until(const std::function<bool()>& condition) {
    for (int turn = 0; turn < kTurnLimit && !condition(); ++turn) {
      poll();
    }
    return condition();
  }

  bool receive(size_t rank, uint32_t channel, const FrameHeader& header) {
    Frame frame;
    const bool is_there = poll_until([&] { return links_[rank]->peek(channel, {}, &frame) != Outcome::would_block; });
    const bool is_it = is_there && links_[rank]->failure().ok() && frame.header == header;
    if (is_it) {
      links_[rank]->pop(channel);
    }
    return is_it;
  }

  ManualClock clock_;
  Settings settings_;
  size_t backlogged_count_ = 0;
  std::array<std::unique_ptr<ChangingLink>, 2> links_;
};

// Both directions over several channels, while sockets change again and again. The side that follows learns of them earlier or later than of what goes over them.
TEST_F(TcpChangingTest, FramesKeepTheirOrder) {
  constexpr uint64_t kSeed = 1729;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  constexpr uint64_t kFrameCount = 200;
  constexpr uint32_t kChannels = 3;
  constexpr std::array<size_t, 3> kSocketCounts{4, 1, 2};
  std::mt19937_64 random(kSeed);
  struct Flow {
    std::vector<std::vector<std::byte>> payloads;
    uint64_t received = 0;
    std::vector<std::byte> landing = std::vector<std::byte>(kMaxRailFrameBytes);
    uint64_t sent_bytes = 0;
    uint64_t released_bytes = 0;
  };
  std::array<std::array<Flow, kChannels>, 2> flows;
  const auto size_of = [](uint64_t sequence) { return mix64(sequence) % 4 == 0 ? mix64(sequence) % (kMaxRailFrameBytes + 1) : mix64(sequence) % 5'000; };
  const size_t descriptors_before = open_descriptor_count();
  begin(1);
  uint64_t left = 2 * kChannels * kFrameCount;
  uint64_t next_change = left - 60;
  size_t changes = 0;
  std::unique_ptr<SocketLink> on_its_way;  // the other end of a change
  for (int turn = 0; turn < kTurnLimit && left > 0; ++turn) {
    const size_t rank = random() % 2;
    const auto flow_index = static_cast<uint32_t>(random() % kChannels);
    const uint32_t channel = kChannel + flow_index;
    Flow& flow = flows[rank][flow_index];
    ChangingLink& out = *links_[rank];
    ChangingLink& in = *links_[1 - rank];
    if (const uint64_t sent = flow.payloads.size(); sent < kFrameCount) {
      auto payload = payload_of(sent * 100 + channel, size_of(sent));
      if (out.try_send(channel, {.call = sent, .message_bytes = channel}, payload) == Outcome::done) {
        flow.sent_bytes += payload.size();
        flow.payloads.push_back(std::move(payload));
      }
    }
    ASSERT_GE(out.released_bytes(channel), flow.released_bytes);
    ASSERT_LE(out.released_bytes(channel), flow.sent_bytes);
    flow.released_bytes = out.released_bytes(channel);
    Frame frame;
    const std::span<std::byte> landing = flow.received % 3 == 0 ? std::span<std::byte>() : std::span<std::byte>(flow.landing);
    if (in.peek(channel, landing, &frame) == Outcome::done) {
      ASSERT_EQ(frame.header, (FrameHeader{.call = flow.received, .message_bytes = channel}));
      ASSERT_TRUE(equal(frame.payload, payload_of(flow.received * 100 + channel, size_of(flow.received))));
      in.pop(channel);
      ++flow.received;
      --left;
    }
    if (left < next_change && on_its_way == nullptr && links_[0]->may_change()) {
      Ends ends = make_sockets(kSocketCounts[changes++ % kSocketCounts.size()]);
      links_[0]->change_to(std::move(ends.first));
      on_its_way = std::move(ends.second);
      next_change = left > 60 ? left - 60 : 0;
    }
    if (on_its_way != nullptr && random() % 64 == 0 && links_[1]->may_change()) {
      links_[1]->change_to(std::move(on_its_way));
    }
    poll();
  }
  EXPECT_EQ(left, 0u);
  EXPECT_GT(changes, 6u);
  if (on_its_way != nullptr) {
    ASSERT_TRUE(poll_until([&] { return links_[1]->may_change(); }));
    links_[1]->change_to(std::move(on_its_way));
  }
  EXPECT_TRUE(poll_until([&] { return links_[0]->is_settled() && links_[1]->is_settled(); })) << "though nothing is sent any more";
  EXPECT_EQ(open_descriptor_count(), descriptors_before + 2 * kSocketCounts[(changes - 1) % kSocketCounts.size()]) << "the old ones are closed";
  for (size_t rank = 0; rank < 2; ++rank) {
    EXPECT_TRUE(links_[rank]->failure().ok()) << links_[rank]->failure().message();
    for (uint32_t index = 0; index < kChannels; ++index) {
      EXPECT_TRUE(poll_until([&] { return links_[rank]->released_bytes(kChannel + index) == flows[rank][index].sent_bytes; }));
    }
  }
}

// What lies on the old sockets unread holds up no other channel, and is there in the end.
TEST_F(TcpChangingTest, AChannelThatIsNotReadStaysBehind) {
  begin(1);
  const auto payload = payload_of(1, 100'000);
  ASSERT_EQ(links_[0]->try_send(kChannel, {.call = 1, .message_bytes = 1}, payload), Outcome::done);
  Ends ends = make_sockets(2);
  links_[0]->change_to(std::move(ends.first));
  links_[1]->change_to(std::move(ends.second));
  ASSERT_TRUE(poll_until([&] { return links_[0]->try_send(kChannel, {.call = 2, .message_bytes = 2}, payload) == Outcome::done; }));
  ASSERT_TRUE(poll_until([&] { return links_[0]->try_send(kChannel + 1, {.call = 3, .message_bytes = 3}, payload) == Outcome::done; }));
  EXPECT_TRUE(receive(1, kChannel + 1, {.call = 3, .message_bytes = 3}));
  EXPECT_FALSE(links_[0]->is_settled());
  EXPECT_TRUE(receive(1, kChannel, {.call = 1, .message_bytes = 1}));
  EXPECT_TRUE(receive(1, kChannel, {.call = 2, .message_bytes = 2}));
  EXPECT_TRUE(poll_until([&] { return links_[0]->is_settled() && links_[1]->is_settled(); }));
}

TEST_F(TcpChangingTest, APeerThatDiesInAChangeIsNoticed) {
  for (const size_t survivor : {0, 1}) {
    begin(1);
    ASSERT_EQ(links_[0]->try_send(kChannel, {.call = 1, .message_bytes = 1}, payload_of(1, 1'000)), Outcome::done);
    Ends ends = make_sockets(2);
    links_[0]->change_to(std::move(ends.first));
    links_[1]->change_to(std::move(ends.second));
    for (int turn = 0; turn < 10; ++turn) {
      poll();
    }
    links_[1 - survivor].reset();
    ASSERT_TRUE(poll_until([&] { return !links_[survivor]->failure().ok(); }));
    EXPECT_EQ(links_[survivor]->failure().code(), tuttiRemoteError);
    ASSERT_TRUE(poll_until([&] { return links_[survivor]->try_send(kChannel, {}, {}) == Outcome::failed; }));
    if (survivor == 1) {
      Frame frame;
      ASSERT_EQ(links_[1]->peek(kChannel, {}, &frame), Outcome::done) << "what had arrived";
      EXPECT_EQ(frame.header.call, 1u);
    }
  }
}

TEST_F(TcpChangingTest, APeerThatLeavesOutOfTurnIsAnError) {
  begin(1, Part::leads, Part::leads);
  Ends ends = make_sockets(1);
  links_[0]->change_to(std::move(ends.first));
  ASSERT_TRUE(poll_until([&] {
    Frame frame;
    return links_[1]->peek(kChannel, {}, &frame) == Outcome::failed;
  }));
  EXPECT_NE(links_[1]->failure().message().find("sockets that it does not use"), std::string::npos) << links_[1]->failure().message();
}

TEST_F(TcpChangingTest, RatesAreToldBesideFrames) {
  begin(1);
  links_[1]->tell_rate(123);
  ASSERT_EQ(links_[1]->try_send(transport::kControlChannel, {.call = 1, .message_bytes = 1}, {}), Outcome::done);
  EXPECT_TRUE(receive(0, transport::kControlChannel, {.call = 1, .message_bytes = 1}));
  EXPECT_EQ(links_[0]->take_told_rate(), 123u);
  EXPECT_FALSE(links_[0]->take_told_rate());
}

}  // namespace
}  // namespace tutti::transports::tcp::test
