// SPDX-License-Identifier: Apache-2.0
#include "topology/traffic.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <vector>

#include "support/graph_fabric.hpp"

namespace tutti::topology {
namespace {

using tests::GraphFabric;

constexpr uint64_t kBytesPerS = 1'000'000'000;  // a byte a nanosecond

std::shared_ptr<const Fabric> fabric_of(const GraphFabric::Shape& shape) { return std::make_shared<GraphFabric>(shape); }

uint64_t end_ns(Traffic& traffic) { return traffic.flows().next_completion_ns(); }

TEST(Traffic, AMessageTakesItsProtocolsStepTheWayAndItsBytes) {
  Traffic traffic(fabric_of(tests::ring_shape(8, kBytesPerS)));
  const Traffic::Begun begun = traffic.begin({.source = 0, .target = 2, .bytes = 500, .message_bytes = 500}, 10, 0);
  EXPECT_EQ(begun.latency_ns, 1'000u + 2 * 100);
  EXPECT_EQ(end_ns(traffic), 510u);
  EXPECT_EQ(traffic.latency_ns(0, 1), 1'100u);
}

TEST(Traffic, TheCheapestProtocolForTheWholeMessage) {
  GraphFabric::Shape shape = tests::ring_shape(4, kBytesPerS);
  shape.protocols = {{.name = "small", .base_ns = 5, .step_ns = 1'000, .efficiency_per_mille = 400},
                     {.name = "large", .base_ns = 70, .step_ns = 4'000, .efficiency_per_mille = 1000}};
  Traffic traffic(fabric_of(shape));
  EXPECT_EQ(traffic.begin({.source = 0, .target = 1, .bytes = 400, .message_bytes = 400}, 0, 0).latency_ns, 1'100u);
  EXPECT_EQ(end_ns(traffic), 1'000u) << "five bytes on the wire for two";
  EXPECT_EQ(traffic.base_ns(), 5u);
  EXPECT_EQ(traffic.begin({.source = 2, .target = 3, .bytes = 400, .message_bytes = 100'000}, 0, 0).latency_ns, 4'100u);
  EXPECT_EQ(end_ns(traffic), 400u);
  EXPECT_EQ(traffic.base_ns(), 70u);
}

TEST(Traffic, MessagesSpreadOverEqualWays) {
  Traffic traffic(fabric_of(tests::fat_tree_shape(8, 4, 4, kBytesPerS)));
  for (uint32_t chip = 0; chip < 4; ++chip) {
    traffic.begin({.source = chip, .target = chip + 4, .bytes = 1'000, .message_bytes = 1'000}, 0, chip);
  }
  EXPECT_EQ(end_ns(traffic), 1'000u) << "each has a spine of its own";
}

TEST(Traffic, AHashAlwaysTakesThePairsWay) {
  const auto fabric = fabric_of(tests::fat_tree_shape(8, 4, 4, kBytesPerS));
  const auto end_with = [&](uint64_t seed) {
    Traffic traffic(fabric, {.spread = Spread::hashed, .seed = seed});
    for (uint32_t chip = 0; chip < 4; ++chip) {
      traffic.begin({.source = chip, .target = chip + 4, .bytes = 1'000, .message_bytes = 1'000}, 0, chip);
    }
    return end_ns(traffic);
  };
  std::set<uint64_t> ends;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(end_with(seed), end_with(seed));
    ends.insert(end_with(seed));
  }
  EXPECT_GT(ends.size(), 1u) << "ways collide by chance";
}

TEST(Traffic, ToOneselfNothingIsOnTheWay) {
  Traffic traffic(fabric_of(tests::ring_shape(4, kBytesPerS)));
  EXPECT_EQ(traffic.begin({.source = 1, .target = 1, .bytes = 1'000, .message_bytes = 1'000}, 3, 0).latency_ns, 1'000u);
  EXPECT_EQ(end_ns(traffic), 3u);
}

// Everybody's message to chip 0.
std::vector<Traffic::Pair> to_first(uint32_t chip_count) {
  std::vector<Traffic::Pair> pairs;
  for (uint32_t chip = 1; chip < chip_count; ++chip) {
    pairs.push_back({chip, 0});
  }
  return pairs;
}

std::vector<Traffic::Pair> from_first(uint32_t chip_count) {
  std::vector<Traffic::Pair> pairs;
  for (uint32_t chip = 1; chip < chip_count; ++chip) {
    pairs.push_back({0, chip});
  }
  return pairs;
}

TEST(Traffic, WhatSwitchesReduceComesDownOnce) {
  Traffic traffic(fabric_of(tests::switch_shape(4, kBytesPerS, 1000)));
  const auto begun = traffic.begin_together({.messages = to_first(4), .bytes = 1'000}, 0, 7);
  ASSERT_TRUE(begun.has_value());
  EXPECT_EQ(begun->latency_ns, 200u) << "the switches' time is the collective's, once";
  EXPECT_EQ(traffic.base_ns(), 5'000u);
  EXPECT_EQ(end_ns(traffic), 1'000u) << "one at a time, three would take 3,000";
  EXPECT_EQ(traffic.flows().flow_count(), 1u);
  // The target's own bytes go up, too: what else it sends shares that link.
  traffic.begin({.source = 0, .target = 3, .bytes = 1'000, .message_bytes = 1'000}, 0, 8);
  EXPECT_EQ(end_ns(traffic), 2'000u);
  traffic.begin_collective();
  EXPECT_EQ(traffic.base_ns(), 0u);
}

TEST(Traffic, WhatSwitchesCopyGoesUpOnce) {
  Traffic traffic(fabric_of(tests::switch_shape(4, kBytesPerS, 800)));
  const auto begun = traffic.begin_together({.messages = from_first(4), .bytes = 1'000}, 0, 7);
  ASSERT_TRUE(begun.has_value());
  EXPECT_EQ(begun->link_bytes, 1'250u) << "at 80 %";
  EXPECT_EQ(end_ns(traffic), 1'250u);
}

TEST(Traffic, ReductionsAndCopiesAtOnceTakeEachLinkOnceEachWay) {
  Traffic traffic(fabric_of(tests::switch_shape(4, kBytesPerS, 1000)));
  std::vector<Traffic::Pair> all;
  for (uint32_t source = 0; source < 4; ++source) {
    for (uint32_t target = 0; target < 4; ++target) {
      if (source != target) {
        all.push_back({source, target});
      }
    }
  }
  ASSERT_TRUE(traffic.begin_together({.messages = all, .bytes = 1'000}, 0, 7).has_value());
  EXPECT_EQ(end_ns(traffic), 1'000u);
}

TEST(Traffic, SwitchesOfATreeReduceOnOneOfItsWays) {
  tests::GraphFabric::Shape shape = tests::fat_tree_shape(8, 2, 2, kBytesPerS);
  shape.level.reduction_per_mille = 1000;
  Traffic traffic(fabric_of(shape));
  ASSERT_TRUE(traffic.begin_together({.messages = to_first(8), .bytes = 1'000, .number = 1}, 0, 7).has_value());
  EXPECT_EQ(end_ns(traffic), 1'000u);
}

TEST(Traffic, NoSwitchDoesWhatItsMachineDoesNotSay) {
  Traffic plain(fabric_of(tests::ring_shape(4, kBytesPerS)));
  EXPECT_FALSE(plain.begin_together({.messages = to_first(4), .bytes = 1'000}, 0, 7).has_value());
  tests::GraphFabric::Shape shape = tests::switch_shape(4, kBytesPerS, 1000);
  shape.level.multicast_per_mille = 0;
  Traffic reducing(fabric_of(shape));
  EXPECT_FALSE(reducing.begin_together({.messages = from_first(4), .bytes = 1'000}, 0, 7).has_value());
  EXPECT_TRUE(reducing.begin_together({.messages = to_first(4), .bytes = 1'000}, 0, 7).has_value());
}

}  // namespace
}  // namespace tutti::topology
