// SPDX-License-Identifier: Apache-2.0
// Link::let_go() as transport/transport.hpp promises it, on every transport, bare and wrapped by `fault`.
#include <gtest/gtest.h>

#include "conformance/transport_test.hpp"

namespace tutti::conformance {
namespace {

using transport::Frame;
using transport::Link;
using transport::Outcome;

constexpr std::byte kOverwritten{0xee};

class TransportLetGo : public TransportTest {};

TEST_P(TransportLetGo, WhatWasTakenArrivesAsItWasAndIsReleased) {
  const auto world = connected_world();
  ASSERT_NE(world, nullptr);
  Link& sender = world->link(0, 1);
  Link& receiver = world->link(1, 0);
  const std::vector<std::byte> original = pattern(sender.max_frame_bytes(), 1);
  std::vector<std::byte> payload = original;
  const size_t taken = fill(*world, sender, kChannel, payload, 10'000);
  ASSERT_GT(taken, 0u);
  sender.let_go();
  EXPECT_EQ(sender.released_bytes(kChannel), taken * payload.size());
  std::ranges::fill(payload, kOverwritten);
  for (size_t index = 0; index < taken; ++index) {
    Frame frame;
    ASSERT_TRUE(receive(*world, receiver, kChannel, {}, &frame)) << "frame " << index << " of " << taken;
    ASSERT_EQ(frame.header.call, index);
    ASSERT_EQ(bytes_of(frame.payload), original);
    receiver.pop(kChannel);
  }
  EXPECT_EQ(sender.released_bytes(kChannel), taken * payload.size()) << "counted twice";
}

TEST_P(TransportLetGo, LandingsStayUntouched) {
  const auto world = connected_world();
  ASSERT_NE(world, nullptr);
  Link& sender = world->link(0, 1);
  Link& receiver = world->link(1, 0);
  const std::vector<std::byte> payload = pattern(sender.max_frame_bytes(), 2);
  std::vector<std::byte> waiting(payload.size(), kOverwritten);
  std::vector<std::byte> shown(payload.size(), kOverwritten);
  Frame frame;
  ASSERT_EQ(receiver.peek(kChannel, waiting, &frame), Outcome::would_block);
  ASSERT_TRUE(send(*world, sender, kChannel + 1, {.call = 1, .message_bytes = 0}, payload));
  ASSERT_TRUE(receive(*world, receiver, kChannel + 1, shown, &frame));
  receiver.let_go();
  std::ranges::fill(shown, kOverwritten);

  ASSERT_TRUE(send(*world, sender, kChannel, {.call = 2, .message_bytes = 0}, payload));
  ASSERT_TRUE(receive(*world, receiver, kChannel, {}, &frame));
  EXPECT_EQ(bytes_of(frame.payload), payload);
  receiver.pop(kChannel);
  ASSERT_TRUE(receive(*world, receiver, kChannel + 1, {}, &frame));
  EXPECT_EQ(bytes_of(frame.payload), payload);
  receiver.pop(kChannel + 1);
  const std::vector<std::byte> untouched(payload.size(), kOverwritten);
  EXPECT_EQ(waiting, untouched);
  EXPECT_EQ(shown, untouched);
}

TEST_P(TransportLetGo, TheLinkWorksOn) {
  const auto world = connected_world();
  ASSERT_NE(world, nullptr);
  for (uint64_t sequence = 0; sequence < 10; ++sequence) {
    world->link(0, 1).let_go();
    world->link(1, 0).let_go();
    const std::vector<std::byte> payload = pattern(5'000, sequence);
    std::vector<std::byte> landing(payload.size());
    Frame frame;
    ASSERT_TRUE(send(*world, world->link(0, 1), kChannel, {.call = sequence, .message_bytes = 0}, payload));
    ASSERT_TRUE(receive(*world, world->link(1, 0), kChannel, landing, &frame));
    EXPECT_EQ(bytes_of(frame.payload), payload);
    world->link(1, 0).pop(kChannel);
  }
}

INSTANTIATE_TEST_SUITE_P(, TransportLetGo, testing::ValuesIn(transport_kinds()),
                         [](const testing::TestParamInfo<TransportKind>& kind) { return kind.param.name; });

}  // namespace
}  // namespace tutti::conformance
