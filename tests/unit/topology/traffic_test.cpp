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

}  // namespace
}  // namespace tutti::topology
