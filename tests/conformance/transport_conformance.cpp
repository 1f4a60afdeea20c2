// SPDX-License-Identifier: Apache-2.0
// Frames and channels as transport/transport.hpp promises them, on every transport, bare and wrapped by `fault`.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "conformance/transport_test.hpp"

namespace tutti::conformance {
namespace {

using transport::Frame;
using transport::FrameHeader;
using transport::kChannelCount;
using transport::Link;
using transport::Outcome;

class TransportConformance : public TransportTest {};

TEST_P(TransportConformance, FramesOfAllSizesArriveInOrderWithTheirHeaders) {
  const auto world = connected_world();
  ASSERT_NE(world, nullptr);
  Link& sender = world->link(0, 1);
  Link& receiver = world->link(1, 0);
  const size_t maximum = sender.max_frame_bytes();
  ASSERT_GE(maximum, 1000u);
  uint64_t sequence = 0;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{7}, size_t{8}, size_t{40}, size_t{41}, size_t{63}, size_t{64}, size_t{65},
                            size_t{1000}, maximum - 1, maximum, size_t{0}, size_t{3}}) {
    SCOPED_TRACE(size);
    const FrameHeader header{.call = ++sequence, .message_bytes = ~sequence};
    const std::vector<std::byte> payload = pattern(size, sequence);
    ASSERT_TRUE(send(*world, sender, kChannel, header, payload)) << sender.failure().message();
    Frame frame;
    ASSERT_TRUE(receive(*world, receiver, kChannel, {}, &frame)) << receiver.failure().message();
    EXPECT_EQ(frame.header, header);
    EXPECT_TRUE(std::ranges::equal(frame.payload, payload));
    receiver.pop(kChannel);
  }
}

TEST_P(TransportConformance, ManyFramesWrapEveryWindow) {
  const auto world = connected_world();
  ASSERT_NE(world, nullptr);
  Link& sender = world->link(0, 1);
  Link& receiver = world->link(1, 0);
  constexpr uint64_t kFrames = 5'000;
  const std::array<size_t, 6> sizes{0, 17, 40, 900, 41, std::min<size_t>(sender.max_frame_bytes(), 5'000)};
  std::vector<std::vector<std::byte>> payloads;  // unchanged until the link is gone
  uint64_t sent = 0;
  uint64_t received = 0;
  const bool all = world->run_until([&] {
    for (int burst = 0; burst < 16 && sent < kFrames; ++burst) {
      if (payloads.size() == sent) {
        payloads.push_back(pattern(sizes[sent % sizes.size()], sent));
      }
      if (sender.try_send(kChannel, {.call = sent, .message_bytes = 1}, payloads[sent]) != Outcome::done) {
        break;
      }
      ++sent;
    }
    Frame frame;
    while (receiver.peek(kChannel, {}, &frame) == Outcome::done) {
      EXPECT_EQ(frame.header.call, received);
      EXPECT_EQ(bytes_of(frame.payload), pattern(sizes[received % sizes.size()], received)) << "frame " << received;
      receiver.pop(kChannel);
      ++received;
    }
    return received == kFrames || HasFailure();
  });
  EXPECT_TRUE(all);
  EXPECT_EQ(received, kFrames);
}

TEST_P(TransportConformance, BothDirectionsAndAllChannelsAreIndependent) {
  const auto world = connected_world();
  ASSERT_NE(world, nullptr);
  std::vector<std::vector<std::byte>> payloads;  // unchanged until they have been received
  for (uint32_t channel = 0; channel < kChannelCount; ++channel) {
    for (const uint32_t rank : {0u, 1u}) {
      const FrameHeader header{.call = channel, .message_bytes = rank};
      payloads.push_back(pattern(30, channel * 2 + rank));
      ASSERT_TRUE(send(*world, world->link(rank, 1 - rank), channel, header, payloads.back()));
    }
  }
  // Read against the order of sending.
  for (uint32_t channel = kChannelCount; channel-- > 0;) {
    for (const uint32_t rank : {0u, 1u}) {
      Frame frame;
      Link& link = world->link(rank, 1 - rank);
      ASSERT_TRUE(receive(*world, link, channel, {}, &frame));
      EXPECT_EQ(frame.header, (FrameHeader{.call = channel, .message_bytes = 1 - rank}));
      EXPECT_EQ(bytes_of(frame.payload), payloads[channel * 2 + (1 - rank)]);
      link.pop(channel);
      EXPECT_EQ(link.peek(channel, {}, &frame), Outcome::would_block);
    }
  }
}

TEST_P(TransportConformance, AnUnreadChannelBlocksItselfAlone) {
  const auto world = connected_world();
  ASSERT_NE(world, nullptr);
  Link& sender = world->link(0, 1);
  Link& receiver = world->link(1, 0);
  const std::vector<std::byte> payload = pattern(std::min<size_t>(sender.max_frame_bytes(), 8'192), 1);
  const size_t taken = fill(*world, sender, kChannel, payload, 50'000);
  ASSERT_GT(taken, 0u) << "the channel takes 50000 frames that nobody reads, or failed: " << sender.failure().message();

  for (uint32_t channel = 0; channel < kChannelCount; ++channel) {
    if (channel == kChannel) {
      continue;
    }
    SCOPED_TRACE(channel);
    const std::vector<std::byte> small = pattern(100, channel);
    Frame frame;
    ASSERT_TRUE(send(*world, sender, channel, {.call = channel, .message_bytes = 9}, small));
    ASSERT_TRUE(receive(*world, receiver, channel, {}, &frame));
    EXPECT_EQ(bytes_of(frame.payload), small);
    receiver.pop(channel);
  }

  // Reading makes room, and nothing was lost.
  for (size_t index = 0; index < taken; ++index) {
    Frame frame;
    ASSERT_TRUE(receive(*world, receiver, kChannel, {}, &frame)) << "frame " << index << " of " << taken;
    ASSERT_EQ(frame.header.call, index);
    ASSERT_EQ(bytes_of(frame.payload), payload);
    receiver.pop(kChannel);
  }
  Frame frame;
  ASSERT_TRUE(send(*world, sender, kChannel, {.call = 77, .message_bytes = 7}, payload));
  ASSERT_TRUE(receive(*world, receiver, kChannel, {}, &frame));
  EXPECT_EQ(frame.header.call, 77u);
  receiver.pop(kChannel);
}

TEST_P(TransportConformance, TheSameFrameIsShownUntilItIsPopped) {
  const auto world = connected_world();
  ASSERT_NE(world, nullptr);
  Link& sender = world->link(0, 1);
  Link& receiver = world->link(1, 0);
  const std::vector<std::byte> first = pattern(500, 1);
  const std::vector<std::byte> second = pattern(300, 2);
  ASSERT_TRUE(send(*world, sender, kChannel, {.call = 1, .message_bytes = 0}, first));
  ASSERT_TRUE(send(*world, sender, kChannel, {.call = 2, .message_bytes = 0}, second));
  Frame frame;
  ASSERT_TRUE(receive(*world, receiver, kChannel, {}, &frame));
  const std::byte* const place = frame.payload.data();
  for (int look = 0; look < 50; ++look) {
    world->step();
    Frame again;
    ASSERT_EQ(receiver.peek(kChannel, {}, &again), Outcome::done);
    EXPECT_EQ(again.header.call, 1u);
    EXPECT_EQ(again.payload.data(), place);
    ASSERT_EQ(bytes_of(again.payload), first);
  }
  receiver.pop(kChannel);
  ASSERT_TRUE(receive(*world, receiver, kChannel, {}, &frame));
  EXPECT_EQ(frame.header.call, 2u);
  EXPECT_EQ(bytes_of(frame.payload), second);
}

TEST_P(TransportConformance, ALandingReceivesNoMoreThanThePayload) {
  const auto world = connected_world();
  ASSERT_NE(world, nullptr);
  Link& sender = world->link(0, 1);
  Link& receiver = world->link(1, 0);
  const size_t maximum = sender.max_frame_bytes();
  uint64_t sequence = 0;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{40}, size_t{1000}, maximum}) {
    for (const size_t spare : {size_t{0}, size_t{64}}) {
      SCOPED_TRACE(testing::Message() << size << " bytes into " << size + spare);
      constexpr std::byte kGuard{0xee};
      std::vector<std::byte> memory(size + spare + 64, kGuard);
      const std::span<std::byte> landing = std::span(memory).first(size + spare);
      const std::vector<std::byte> payload = pattern(size, ++sequence);
      Frame frame;
      // Handed over before anything has been sent, as a waiting receiver does.
      ASSERT_EQ(receiver.peek(kChannel, landing, &frame), Outcome::would_block);
      ASSERT_TRUE(send(*world, sender, kChannel, {.call = sequence, .message_bytes = 0}, payload));
      ASSERT_TRUE(receive(*world, receiver, kChannel, landing, &frame));
      EXPECT_EQ(frame.header.call, sequence);
      EXPECT_EQ(bytes_of(frame.payload), payload);
      receiver.pop(kChannel);
      EXPECT_TRUE(std::all_of(memory.begin() + static_cast<std::ptrdiff_t>(size), memory.end(),
                              [](std::byte byte) { return byte == kGuard; }));
    }
  }
}

TEST_P(TransportConformance, ALandingThatIsTooSmallIsLeftAlone) {
  const auto world = connected_world();
  ASSERT_NE(world, nullptr);
  Link& sender = world->link(0, 1);
  Link& receiver = world->link(1, 0);
  for (const size_t size : {size_t{40}, size_t{1000}, sender.max_frame_bytes()}) {
    SCOPED_TRACE(size);
    std::vector<std::byte> memory(size + 64, std::byte{0xee});
    const std::span<std::byte> landing = std::span(memory).first(size - 1);
    const std::vector<std::byte> payload = pattern(size, size);
    Frame frame;
    ASSERT_EQ(receiver.peek(kChannel, landing, &frame), Outcome::would_block);
    ASSERT_TRUE(send(*world, sender, kChannel, {}, payload));
    ASSERT_TRUE(receive(*world, receiver, kChannel, landing, &frame));
    EXPECT_NE(frame.payload.data(), landing.data());
    EXPECT_EQ(bytes_of(frame.payload), payload);
    receiver.pop(kChannel);
    EXPECT_TRUE(std::all_of(memory.begin() + static_cast<std::ptrdiff_t>(size) - 1, memory.end(),
                            [](std::byte byte) { return byte == std::byte{0xee}; }));
  }
}

TEST_P(TransportConformance, ReleasedBytesReachWhatWasSentAndNeverPassIt) {
  const auto world = connected_world();
  ASSERT_NE(world, nullptr);
  Link& sender = world->link(0, 1);
  Link& receiver = world->link(1, 0);
  EXPECT_EQ(sender.released_bytes(kChannel), 0u);
  uint64_t taken_bytes = 0;
  uint64_t released_bytes = 0;
  for (uint64_t index = 0; index < 200; ++index) {
    std::vector<std::byte> payload = pattern(1 + index * 31 % sender.max_frame_bytes(), index);
    const std::vector<std::byte> original = payload;
    ASSERT_TRUE(send(*world, sender, kChannel, {.call = index, .message_bytes = 0}, payload));
    taken_bytes += payload.size();
    ASSERT_TRUE(world->run_until([&] {
      EXPECT_LE(sender.released_bytes(kChannel), taken_bytes);
      EXPECT_GE(sender.released_bytes(kChannel), released_bytes);
      released_bytes = sender.released_bytes(kChannel);
      return released_bytes == taken_bytes || HasFailure();
    }));
    // Released: the link has no interest in it any more.
    std::ranges::fill(payload, std::byte{0xdd});
    Frame frame;
    ASSERT_TRUE(receive(*world, receiver, kChannel, {}, &frame));
    ASSERT_EQ(bytes_of(frame.payload), original) << "frame " << index;
    receiver.pop(kChannel);
  }
  EXPECT_EQ(sender.released_bytes(kChannel + 1), 0u);
}

TEST_P(TransportConformance, AllPairsOfSeveralRanksExchangeFrames) {
  for (uint32_t rank_count = 2; rank_count <= 5; ++rank_count) {
    SCOPED_TRACE(rank_count);
    const auto world = connected_world(rank_count);
    ASSERT_NE(world, nullptr);
    std::vector<std::vector<std::byte>> payloads;  // unchanged until the world is gone
    payloads.reserve(rank_count * rank_count);
    for (uint32_t source = 0; source < rank_count; ++source) {
      for (uint32_t target = 0; target < rank_count; ++target) {
        payloads.push_back(pattern(700, source * 16 + target));
        if (source != target) {
          ASSERT_TRUE(send(*world, world->link(source, target), kChannel, {.call = source, .message_bytes = target},
                           payloads.back()));
        }
      }
    }
    for (uint32_t target = 0; target < rank_count; ++target) {
      for (uint32_t source = 0; source < rank_count; ++source) {
        if (source == target) {
          continue;
        }
        Frame frame;
        ASSERT_TRUE(receive(*world, world->link(target, source), kChannel, {}, &frame));
        EXPECT_EQ(frame.header, (FrameHeader{.call = source, .message_bytes = target}));
        EXPECT_EQ(bytes_of(frame.payload), payloads[source * rank_count + target]);
        world->link(target, source).pop(kChannel);
      }
    }
  }
}

TEST_P(TransportConformance, LinksTellWhatTheyAre) {
  const auto world = connected_world();
  ASSERT_NE(world, nullptr);
  const Link& link = world->link(0, 1);
  EXPECT_TRUE(link.failure().ok());
  EXPECT_FALSE(link.describe().empty());
  EXPECT_FALSE(link.estimate().source.empty());
  EXPECT_GT(link.estimate().latency_ns, 0u);
  EXPECT_GT(link.estimate().bandwidth_bytes_per_s, 0u);
  EXPECT_GE(link.max_frame_bytes(), 1024u);
  EXPECT_LE(world->transport(0).address().size(), transport::kMaxAddressBytes);
}

INSTANTIATE_TEST_SUITE_P(, TransportConformance, testing::ValuesIn(transport_kinds()),
                         [](const testing::TestParamInfo<TransportKind>& kind) { return kind.param.name; });

}  // namespace
}  // namespace tutti::conformance
