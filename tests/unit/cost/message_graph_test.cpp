// SPDX-License-Identifier: Apache-2.0
#include "cost/message_graph.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "cost/fabric_player.hpp"
#include "support/graph_fabric.hpp"

namespace tutti::cost::message_graph_tests {
namespace {

using schedule::WaitMode;

constexpr uint32_t kRanks = 8;
constexpr uint64_t kHop_ns = 1'100;  // a message's, on a ring on which a byte takes a nanosecond
constexpr uint64_t kLong = 10 * kSliceBytes;

uint64_t played(const MessageGraph& messages) {
  const auto fabric = std::make_shared<tests::GraphFabric>(tests::ring_shape(kRanks, 1'000'000'000));
  return FabricPlayer(messages, {.fabric = fabric}).run();
}

TEST(MessageGraph, OfALaneGoOneAfterAnother) {
  MessageGraph in_turn(kRanks);
  in_turn.add({.source = 0, .target = 1, .bytes = 1'000});
  in_turn.add({.source = 0, .target = 7, .bytes = 1'000});
  EXPECT_EQ(played(in_turn), 2'000 + kHop_ns);
  MessageGraph at_once(kRanks);
  at_once.add({.source = 0, .target = 1, .bytes = 1'000});
  at_once.add({.source = 0, .target = 7, .bytes = 1'000, .send_lane = 1});
  EXPECT_EQ(played(at_once), 1'000 + kHop_ns);
}

TEST(MessageGraph, PassOnWhatHasComeOrBeginsTo) {
  for (const auto& [mode, expected_ns] : {std::pair(WaitMode::complete, 2 * (kLong + kHop_ns)), std::pair(WaitMode::streaming, kLong + kSliceBytes + 2 * kHop_ns)}) {
    MessageGraph messages(kRanks);
    const uint32_t first = messages.add({.source = 0, .target = 1, .bytes = kLong});
    messages.wait(messages.add({.source = 1, .target = 2, .bytes = kLong}), first, mode);
    EXPECT_EQ(played(messages), expected_ns);
  }
}

TEST(MessageGraph, MeetWhoIsThereAtTheTime) {
  MessageGraph messages(kRanks);
  messages.add({.source = 0, .target = 2, .bytes = 1'000});
  messages.add({.source = 1, .target = 2, .bytes = 1'000});  // half of its second link
  EXPECT_EQ(played(messages), 2'000 + 1'200);
  const uint32_t alone = messages.add({.source = 4, .target = 5, .bytes = 1'000});
  messages.wait(messages.add({.source = 5, .target = 6, .bytes = 1'000}), alone, WaitMode::complete);
  EXPECT_EQ(played(messages), 2 * (1'000 + kHop_ns));
}

TEST(MessageGraph, HaveComeInTheOrderOfTheirLane) {
  MessageGraph messages(kRanks);
  messages.add({.source = 0, .target = 1, .bytes = 5'000});
  const uint32_t second = messages.add({.source = 2, .target = 1, .bytes = 1'000});
  messages.wait(messages.add({.source = 1, .target = 2, .bytes = 1'000}), second, WaitMode::complete);
  EXPECT_EQ(played(messages), 5'000 + kHop_ns + 1'000 + kHop_ns);
}

}  // namespace
}  // namespace tutti::cost::message_graph_tests
