// SPDX-License-Identifier: Apache-2.0
// Beginning and end of connections as transport/transport.hpp promises them, on every transport, bare and wrapped by `fault`.
#include <gtest/gtest.h>

#include "conformance/transport_test.hpp"

namespace tutti::conformance {
namespace {

using transport::Frame;
using transport::kChannelCount;
using transport::Link;
using transport::PeerState;

class TransportLifecycle : public TransportTest {};

TEST_P(TransportLifecycle, FramesSentBeforeThePeerIsGoneStillArrive) {
  const auto world = connected_world();
  ASSERT_NE(world, nullptr);
  constexpr uint64_t kFrames = 8;
  std::vector<std::vector<std::byte>> payloads;
  for (uint64_t index = 0; index < kFrames; ++index) {
    payloads.push_back(pattern(600 + index, index));
    ASSERT_TRUE(send(*world, world->link(0, 1), kChannel, {.call = index, .message_bytes = 0}, payloads[index]));
  }
  // A rank that leaves waits for its buffers first.
  uint64_t sent_bytes = 0;
  for (const auto& payload : payloads) {
    sent_bytes += payload.size();
  }
  ASSERT_TRUE(world->run_until([&] { return world->link(0, 1).released_bytes(kChannel) == sent_bytes; }));
  world->destroy(0);

  Link& survivor = world->link(1, 0);
  for (uint64_t index = 0; index < kFrames; ++index) {
    Frame frame;
    ASSERT_TRUE(receive(*world, survivor, kChannel, {}, &frame)) << "frame " << index << ": " << survivor.failure().message();
    EXPECT_EQ(frame.header.call, index);
    EXPECT_EQ(bytes_of(frame.payload), payloads[index]);
    survivor.pop(kChannel);
  }
  Frame frame;
  EXPECT_FALSE(receive(*world, survivor, kChannel, {}, &frame));
  EXPECT_EQ(survivor.failure().code(), tuttiRemoteError);
  EXPECT_FALSE(survivor.failure().message().empty());
}

TEST_P(TransportLifecycle, ADeadPeerFailsEveryChannelForGood) {
  const auto world = connected_world(3);
  ASSERT_NE(world, nullptr);
  world->destroy(0);
  for (const uint32_t rank : {1u, 2u}) {
    SCOPED_TRACE(rank);
    Link& survivor = world->link(rank, 0);
    ASSERT_TRUE(world->run_until([&] { return !survivor.failure().ok(); })) << "nobody noticed";
    EXPECT_EQ(survivor.failure().code(), tuttiRemoteError);
    const std::vector<std::byte> payload = pattern(10, 1);
    for (uint32_t channel = 0; channel < kChannelCount; ++channel) {
      Frame frame;
      EXPECT_FALSE(send(*world, survivor, channel, {}, payload));
      EXPECT_FALSE(receive(*world, survivor, channel, {}, &frame));
    }
    EXPECT_EQ(world->transport(rank).link(0), &survivor) << "a failed link stays until disconnect()";
  }
  // The others go on.
  Frame frame;
  const std::vector<std::byte> payload = pattern(50, 3);
  ASSERT_TRUE(send(*world, world->link(1, 2), kChannel, {.call = 5, .message_bytes = 0}, payload));
  ASSERT_TRUE(receive(*world, world->link(2, 1), kChannel, {}, &frame));
  EXPECT_EQ(bytes_of(frame.payload), payload);
  world->link(2, 1).pop(kChannel);
}

TEST_P(TransportLifecycle, ASenderBlockedByItsPeerLearnsOfThePeersDeath) {
  const auto world = connected_world();
  ASSERT_NE(world, nullptr);
  Link& sender = world->link(0, 1);
  const std::vector<std::byte> payload = pattern(std::min<size_t>(sender.max_frame_bytes(), 8'192), 1);
  ASSERT_GT(fill(*world, sender, kChannel, payload, 50'000), 0u);
  world->destroy(1);
  EXPECT_FALSE(send(*world, sender, kChannel, {}, payload));
  EXPECT_EQ(sender.failure().code(), tuttiRemoteError);
}

TEST_P(TransportLifecycle, DisconnectDropsTheLinkOnBothSides) {
  const auto world = connected_world();
  ASSERT_NE(world, nullptr);
  world->transport(0).disconnect(1);
  EXPECT_EQ(world->transport(0).link(1), nullptr);
  EXPECT_NE(world->transport(0).state(1), PeerState::connected);
  world->transport(0).disconnect(1);  // again changes nothing
  Link& other = world->link(1, 0);
  EXPECT_TRUE(world->run_until([&] { return !other.failure().ok(); }));
  EXPECT_EQ(other.failure().code(), tuttiRemoteError);
  world->transport(1).disconnect(0);
  EXPECT_EQ(world->transport(1).link(0), nullptr);
}

// Whoever is called may go on waiting for a caller who knows the secret; the one who calls must learn that it does not.
TEST_P(TransportLifecycle, AnotherSecretNeverConnects) {
  if (GetParam().transport == "seqpacket") {
    GTEST_SKIP() << GetParam().name << " asks the kernel for the peer's user, not the peer for the secret";
  }
  TransportWorld world(GetParam(), {.rank_count = 2, .secrets = WorldOptions::Secrets::one_each});
  world.connect_all();
  const auto state = [&](uint32_t rank) { return world.transport(rank).state(1 - rank); };
  bool any_connected = false;
  // All of the patience: nothing is left that could still connect.
  EXPECT_FALSE(world.run_until([&] {
    any_connected = any_connected || state(0) == PeerState::connected || state(1) == PeerState::connected;
    return any_connected;
  }));
  EXPECT_FALSE(any_connected);
  EXPECT_TRUE(state(0) == PeerState::unreachable || state(1) == PeerState::unreachable);
  for (const uint32_t rank : {0u, 1u}) {
    EXPECT_EQ(world.transport(rank).link(1 - rank), nullptr);
    EXPECT_TRUE(state(rank) == PeerState::connecting || !world.transport(rank).reason(1 - rank).empty());
    world.transport(rank).disconnect(1 - rank);
    EXPECT_NE(state(rank), PeerState::connected);
  }
}

TEST_P(TransportLifecycle, AnAddressThatMakesNoSenseLeavesThePeerUnreachable) {
  TransportWorld world(GetParam(), {.rank_count = 2});
  const std::vector<std::byte> real = world.transport(1).address();
  const std::vector<std::vector<std::byte>> addresses{
      {}, pattern(1, 1), pattern(real.size(), 2), pattern(transport::kMaxAddressBytes, 3), {real.begin(), real.end() - 1}};
  for (const std::vector<std::byte>& address : addresses) {
    SCOPED_TRACE(testing::Message() << address.size() << " bytes");
    world.transport(0).connect(1, address);
    EXPECT_TRUE(world.run_until([&] { return world.transport(0).state(1) != PeerState::connecting; }));
    EXPECT_EQ(world.transport(0).state(1), PeerState::unreachable);
    EXPECT_FALSE(world.transport(0).reason(1).empty());
    EXPECT_EQ(world.transport(0).link(1), nullptr);
    world.transport(0).disconnect(1);
  }
}

INSTANTIATE_TEST_SUITE_P(, TransportLifecycle, testing::ValuesIn(transport_kinds()),
                         [](const testing::TestParamInfo<TransportKind>& kind) { return kind.param.name; });

}  // namespace
}  // namespace tutti::conformance
