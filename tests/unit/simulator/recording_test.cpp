// SPDX-License-Identifier: Apache-2.0
#include "simulator/recording.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "support/graph_fabric.hpp"

namespace tutti::simulator {
namespace {

// A byte takes a nanosecond.
std::shared_ptr<const topology::Fabric> ring() { return std::make_shared<tests::GraphFabric>(tests::ring_shape(4, 1'000'000'000)); }

topology::LinkId link_between(const topology::Fabric& fabric, uint32_t source, uint32_t target) {
  topology::Route route;
  fabric.route(source, target, 0, &route);
  return route.links.front();
}

TEST(Recording, KeepsWhatCameFirst) {
  Recording recording(2);
  recording.add({.bytes = 1});
  recording.add({.bytes = 2});
  EXPECT_TRUE(recording.is_complete());
  recording.add({.bytes = 3});
  EXPECT_FALSE(recording.is_complete());
  ASSERT_EQ(recording.flights().size(), 2u);
  EXPECT_EQ(recording.flights()[1].bytes, 2u);
}

TEST(LinkUse, IsSpreadOverTheTimeAFrameTakesToLeave) {
  const auto fabric = ring();
  // At full rate from 100 to 300; at half of it from 0 to 400.
  const std::vector<sim::Flight> flights = {
      {.source = 0, .target = 1, .way = 0, .bytes = 200, .link_bytes = 200, .begin_ns = 100, .depart_ns = 300, .arrive_ns = 400},
      {.source = 1, .target = 2, .way = 0, .bytes = 200, .link_bytes = 200, .begin_ns = 0, .depart_ns = 400, .arrive_ns = 500}};
  const LinkUse use = use_over_time(flights, {.fabric = fabric,
                                              .links = {link_between(*fabric, 0, 1), link_between(*fabric, 1, 2), link_between(*fabric, 3, 2)},
                                              .end_ns = 800,
                                              .part_count = 8});
  ASSERT_EQ(use.each.size(), 3u);
  const auto expect_near = [](const std::vector<double>& shares, const std::vector<double>& expected) {
    ASSERT_EQ(shares.size(), expected.size());
    for (size_t part = 0; part < shares.size(); ++part) {
      EXPECT_NEAR(shares[part], expected[part], 1e-6) << part;
    }
  };
  expect_near(use.each[0], {0, 1, 1, 0, 0, 0, 0, 0});
  expect_near(use.each[1], {0.5, 0.5, 0.5, 0.5, 0, 0, 0, 0});
  expect_near(use.each[2], {0, 0, 0, 0, 0, 0, 0, 0});
  expect_near(use.all, {0.25, 0.75, 0.75, 0.25, 0, 0, 0, 0});
}

TEST(LinkUse, OfNothingIsNothing) {
  const LinkUse use = use_over_time({}, {.fabric = ring(), .links = {}, .part_count = 3});
  EXPECT_EQ(use.all, (std::vector<double>{0, 0, 0}));
}

}  // namespace
}  // namespace tutti::simulator
