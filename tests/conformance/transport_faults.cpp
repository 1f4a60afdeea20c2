// SPDX-License-Identifier: Apache-2.0
// What rank 1 sees of a rank 0 whose transport breaks on purpose, over every real transport and the simulated one.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

#include "conformance/transport_world.hpp"

namespace tutti::conformance {
namespace {

using transport::Frame;
using transport::Link;
using transport::Outcome;
using transports::fault::Action;
using transports::fault::Direction;
using transports::fault::Fault;

constexpr uint32_t kChannel = transport::kFirstCollectiveChannel;

class TransportFaults : public testing::TestWithParam<TransportKind> {
 protected:
  std::unique_ptr<TransportWorld> world_with(Fault fault) {
    auto world = std::make_unique<TransportWorld>(
        GetParam(), WorldOptions{.first_rank_script = transports::fault::FaultScript{.seed = 11, .faults = {std::move(fault)}}});
    if (!world->connected()) {
      ADD_FAILURE() << GetParam().name << " does not connect";
      return nullptr;
    }
    return world;
  }
  const std::vector<std::byte> payload_ = pattern(1'000, 1);
};

TEST_P(TransportFaults, AResetFailsBothEndsAndTheSendersBuffersAreFree) {
  const auto world = world_with({.action = Action::reset, .nth = 4});
  ASSERT_NE(world, nullptr);
  Link& broken = world->link(0, 1);
  Link& survivor = world->link(1, 0);
  for (uint64_t sequence = 1; sequence <= 3; ++sequence) {
    ASSERT_TRUE(send(*world, broken, kChannel, {.call = sequence, .message_bytes = 0}, payload_));
    Frame frame;
    ASSERT_TRUE(receive(*world, survivor, kChannel, {}, &frame));
    EXPECT_EQ(frame.header.call, sequence);
    survivor.pop(kChannel);
  }
  EXPECT_FALSE(send(*world, broken, kChannel, {.call = 4, .message_bytes = 0}, payload_));
  EXPECT_EQ(broken.failure().message(), "injected failure");
  Frame frame;
  EXPECT_FALSE(receive(*world, survivor, kChannel, {}, &frame));
  EXPECT_EQ(survivor.failure().code(), tuttiRemoteError);
  EXPECT_EQ(broken.released_bytes(kChannel), 3'000u);
}

TEST_P(TransportFaults, ACorruptedByteArrivesAsItWasSent) {
  const auto world = world_with({.action = Action::corrupt, .nth = 2});
  ASSERT_NE(world, nullptr);
  for (const int expected_bits : {0, 1, 0}) {
    Frame frame;
    ASSERT_TRUE(send(*world, world->link(0, 1), kChannel, {}, payload_));
    ASSERT_TRUE(receive(*world, world->link(1, 0), kChannel, {}, &frame));
    ASSERT_EQ(frame.payload.size(), payload_.size());
    int bits = 0;
    for (size_t index = 0; index < payload_.size(); ++index) {
      bits += std::popcount(std::to_integer<unsigned>(frame.payload[index] ^ payload_[index]));
    }
    EXPECT_EQ(bits, expected_bits) << "transports carry what they are given; integrity is checked above them";
    world->link(1, 0).pop(kChannel);
  }
}

TEST_P(TransportFaults, AStalledReceiverHoldsItsSenderBackAndNothingElse) {
  const auto world = world_with(
      {.direction = Direction::receive, .action = Action::stall, .channel = kChannel, .stalled_calls = 500});
  ASSERT_NE(world, nullptr);
  Link& sender = world->link(1, 0);
  Link& stalled = world->link(0, 1);
  ASSERT_TRUE(send(*world, sender, kChannel, {.call = 1, .message_bytes = 0}, payload_));
  ASSERT_TRUE(send(*world, sender, kChannel + 1, {.call = 2, .message_bytes = 0}, payload_));
  Frame frame;
  ASSERT_TRUE(receive(*world, stalled, kChannel + 1, {}, &frame));
  EXPECT_EQ(frame.header.call, 2u);
  stalled.pop(kChannel + 1);
  EXPECT_EQ(stalled.peek(kChannel, {}, &frame), Outcome::would_block);
  ASSERT_TRUE(receive(*world, stalled, kChannel, {}, &frame));
  EXPECT_TRUE(std::ranges::equal(frame.payload, payload_));
  stalled.pop(kChannel);
}

INSTANTIATE_TEST_SUITE_P(, TransportFaults, testing::ValuesIn(bare_kinds()),
                         [](const testing::TestParamInfo<TransportKind>& kind) { return kind.param.name; });

}  // namespace
}  // namespace tutti::conformance
