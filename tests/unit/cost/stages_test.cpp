// SPDX-License-Identifier: Apache-2.0
#include "cost/stages.hpp"

#include <gtest/gtest.h>

#include "support/graph_fabric.hpp"

namespace tutti::cost::stages_tests {
namespace {

using Follows = schedule::Outline::Follows;

// A ring of eight: a byte takes a nanosecond on a link, a hop 100, a message 1,000 more.
const tests::GraphFabric& ring() {
  static const tests::GraphFabric fabric(tests::ring_shape(8, 1'000'000'000));
  return fabric;
}
constexpr uint64_t kHop_ns = 1'100;
constexpr uint64_t kLong = 10 * kSliceBytes;

// 0 to 1, then what rank 1 has got to 2, as so many messages.
uint64_t price_of_two(uint64_t bytes, Follows follows, uint64_t count = 1) {
  Stages stages(ring(), {.bytes = bytes});
  stages.begin_stage(1, Follows::all);
  stages.add({.source = 0, .target = 1});
  stages.begin_stage(1, follows);
  stages.add({.source = 1, .target = 2, .count = count});
  return stages.price_ns();
}

TEST(Stages, OfShortMessagesPassOneAfterAnother) { EXPECT_EQ(price_of_two(500, Follows::each), 2 * (500 + kHop_ns)); }

TEST(Stages, OfLongMessagesPassTogetherButForASlice) {
  EXPECT_EQ(price_of_two(kLong, Follows::each), kLong + kSliceBytes + 2 * kHop_ns);
  EXPECT_EQ(price_of_two(kLong, Follows::all), kLong + kSliceBytes + 2 * kHop_ns) << "one message for one is passed on as it comes";
}

TEST(Stages, OfMessagesThatQueueBehindOneThatOnlyBeginsToComePassInTurn) {
  EXPECT_EQ(price_of_two(kLong, Follows::all, 3), 4 * kLong + 2 * kHop_ns);
  EXPECT_EQ(price_of_two(kLong, Follows::each, 3), 3 * kLong + kSliceBytes + 2 * kHop_ns);
}

TEST(Stages, ThatPassTogetherShareLinks) {
  Stages stages(ring(), {.bytes = 2 * kLong});
  stages.begin_stage(2, Follows::all);
  stages.add({.source = 0, .target = 2});
  stages.begin_stage(2, Follows::each);
  stages.add({.source = 1, .target = 2});
  EXPECT_EQ(stages.price_ns(), 2 * kLong + 1'200);
  EXPECT_EQ(stages.waves().size(), 2u);
}

TEST(Stages, MessagesThatStandForOthersWeighAsMuch) {
  Stages stages(ring(), {.bytes = 1'000});
  stages.begin_stage(1, Follows::all);
  stages.add({.source = 0, .target = 1, .weight = 5 * schedule::Outline::kOne});
  EXPECT_EQ(stages.price_ns(), 5'000 + kHop_ns);
}

}  // namespace
}  // namespace tutti::cost::stages_tests
