// SPDX-License-Identifier: Apache-2.0
// Frames that are half way through a socket when their caller takes the memory back.
#include "tcp_world.hpp"

namespace tutti::transports::tcp::test {
namespace {

constexpr std::byte kOverwritten{0xee};

TEST(TcpLetGo, APartlySentPayloadGoesOnAsACopy) {
  ManualClock clock;
  World world(2, clock);
  world.connect_all();
  shrink_socket_buffers();
  Link& sender = world.link(0, 1);
  Link& receiver = world.link(1, 0);
  const auto original = payload_of(1, kMaxFrameBytes);
  auto payload = original;
  // Nobody reads, so the socket fills up in the middle of a frame.
  std::array<size_t, transport::kChannelCount> sent_counts{};
  uint64_t unreleased_bytes = 0;
  for (uint32_t channel = transport::kFirstCollectiveChannel; channel < transport::kChannelCount; ++channel) {
    while (sender.try_send(channel, {.call = sent_counts[channel], .message_bytes = channel}, payload) == Outcome::done) {
      ++sent_counts[channel];
    }
    unreleased_bytes += sent_counts[channel] * payload.size() - sender.released_bytes(channel);
  }
  ASSERT_GT(unreleased_bytes, 0u) << "or there is nothing to copy";
  ASSERT_LT(unreleased_bytes, payload.size());

  sender.let_go();
  std::ranges::fill(payload, kOverwritten);
  for (uint32_t channel = transport::kFirstCollectiveChannel; channel < transport::kChannelCount; ++channel) {
    EXPECT_EQ(sender.released_bytes(channel), sent_counts[channel] * payload.size());
    for (uint64_t sequence = 0; sequence < sent_counts[channel]; ++sequence) {
      Frame frame;
      ASSERT_TRUE(world.poll_until([&] { return receiver.peek(channel, {}, &frame) == Outcome::done; }));
      EXPECT_EQ(frame.header.call, sequence);
      ASSERT_TRUE(equal(frame.payload, original)) << "channel " << channel << ", frame " << sequence;
      receiver.pop(channel);
    }
    EXPECT_EQ(sender.released_bytes(channel), sent_counts[channel] * payload.size()) << "counted twice";
  }
}

TEST(TcpLetGo, APartlyReceivedPayloadIsRedirected) {
  ManualClock clock;
  World world(2, clock);
  const auto poll = [&] { world[1].poll(); };
  RawSocket peer(first_address(world[1]));
  (void)peer.shake_hands(derive_key(secret_of(7), "tcp link", kCommunicatorId), {.rank = 0, .rank_count = 2, .purpose = kLinkPurpose},
                         poll);
  world[1].connect(0, world[0].address());
  ASSERT_TRUE(world.poll_until([&] { return world[1].state(0) == PeerState::connected; }));
  Link& receiver = world.link(1, 0);

  constexpr size_t kPayloadBytes = 100'000;
  constexpr size_t kFirstBytes = 70'000;
  const auto payload = payload_of(2, kPayloadBytes);
  std::vector<std::byte> landing(kPayloadBytes, kOverwritten);
  std::array<std::byte, kHeaderBytes> header;
  encode({.kind = Kind::data, .channel = kChannel, .payload_bytes = kPayloadBytes, .frame = {.call = 9, .message_bytes = 0}}, header);
  Frame frame;
  ASSERT_EQ(receiver.peek(kChannel, landing, &frame), Outcome::would_block);
  const auto look = [&] { (void)receiver.peek(kChannel, landing, &frame); };
  ASSERT_TRUE(peer.send_all(header, look));
  ASSERT_TRUE(peer.send_all(std::span(payload).first(kFirstBytes), look));
  ASSERT_TRUE(world.poll_until([&] {
    look();
    return equal(std::span(landing).first(kFirstBytes), std::span(payload).first(kFirstBytes));
  }));

  receiver.let_go();
  std::ranges::fill(landing, kOverwritten);
  ASSERT_TRUE(peer.send_all(std::span(payload).subspan(kFirstBytes), poll));
  ASSERT_TRUE(world.poll_until([&] { return receiver.peek(kChannel, {}, &frame) == Outcome::done; }));
  EXPECT_EQ(frame.header.call, 9u);
  EXPECT_TRUE(equal(frame.payload, payload));
  EXPECT_EQ(landing, std::vector<std::byte>(kPayloadBytes, kOverwritten));
  receiver.pop(kChannel);
  EXPECT_EQ(receiver.peek(kChannel, {}, &frame), Outcome::would_block);
}

}  // namespace
}  // namespace tutti::transports::tcp::test
