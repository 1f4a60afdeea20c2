// SPDX-License-Identifier: Apache-2.0
#include "topology/circles.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "topology/fitting.hpp"
#include "topology/model.hpp"

namespace tutti::topology {
namespace {

using Pair = std::pair<uint32_t, uint32_t>;

Topology laid(const std::string& reference, uint32_t rank_count) {
  auto topology = load_topology(reference, TUTTI_SOURCE_DIR "/topologies", rank_count);
  EXPECT_TRUE(topology) << reference << ": " << topology.error().message();
  return std::move(*topology);
}

// How many circles lead from one rank to another; each circle has been found to be one.
std::map<Pair, uint32_t> hops_of(const std::vector<std::vector<uint32_t>>& circles, uint32_t rank_count) {
  std::map<Pair, uint32_t> hops;
  for (const std::vector<uint32_t>& circle : circles) {
    EXPECT_EQ(std::set<uint32_t>(circle.begin(), circle.end()).size(), rank_count);
    EXPECT_EQ(circle.size(), rank_count);
    for (size_t place = 0; place < circle.size(); ++place) {
      EXPECT_LT(circle[place], rank_count);
      ++hops[{circle[place], circle[(place + 1) % circle.size()]}];
    }
  }
  return hops;
}

uint32_t most_of_a_pair(const std::map<Pair, uint32_t>& hops) {
  uint32_t most = 0;
  for (const auto& [pair, count] : hops) {
    most = std::max(most, count);
  }
  return most;
}

TEST(Circles, OfAFullMeshUseEachLinkOnceOrAllButAFew) {
  const Topology all = laid("amd-mi300x:8x1", 8);
  for (uint32_t rank_count = 3; rank_count <= 8; ++rank_count) {
    const auto circles = circles_of(first_chips(all.fabric(), rank_count));
    const bool has_all = rank_count % 2 == 1 || rank_count == 8;
    EXPECT_EQ(circles.size(), has_all ? rank_count - 1 : rank_count - 2) << rank_count;
    const auto hops = hops_of(circles, rank_count);
    EXPECT_EQ(hops.size(), circles.size() * rank_count);
    EXPECT_EQ(most_of_a_pair(hops), 1u);
  }
}

// Two dies of a package have links of four times the bandwidth of what joins two packages. Of both dies of a package together as many ways lead out as
// there are circles, at most three from each.
TEST(Circles, OfLinksOfSeveralSpeedsUseEachAsItIs) {
  const auto circles = circles_of(laid("amd-mi250x", 8));
  EXPECT_EQ(circles.size(), 6u);
  for (const auto& [pair, count] : hops_of(circles, 8)) {
    EXPECT_LE(count, pair.first / 2 == pair.second / 2 ? 4u : 1u) << pair.first << " to " << pair.second;
  }
}

TEST(Circles, OfATorusShareNoLink) {
  const std::pair<const char*, uint32_t> machines[] = {
      {"aws-trn2:1", 16},           {"google-tpu-v5e:16x16", 256}, {"google-tpu-v5p:2x2x4", 16},            {"google-tpu-v5e:4x4", 16},    {"google-tpu-v5e:2x2", 4},
      {"google-tpu-v5p:4x4x4", 64}, {"google-tpu-v5p:4x4x8", 128}, {"google-tpu-v5p:4x4x8_untwisted", 128}, {"google-tpu-v4:4x4x12", 192}};
  for (const auto& [reference, chip_count] : machines) {
    const Topology topology = laid(reference, chip_count);
    const auto circles = circles_of(topology);
    const FabricLevel& level = topology.fabric()->levels().front();
    const bool is_torus = std::ranges::count(level.wraps, true) == std::ssize(level.dims) && *std::ranges::min_element(level.dims) > 2;
    EXPECT_EQ(circles.size(), is_torus ? 2 * level.dims.size() : 2u) << reference;
    const auto hops = hops_of(circles, chip_count);
    EXPECT_EQ(most_of_a_pair(hops), 1u) << reference;
    for (const auto& [pair, count] : hops) {
      EXPECT_TRUE(topology.fabric()->is_adjacent(pair.first, pair.second)) << reference << ": " << pair.first << " to " << pair.second;
    }
  }
}

Topology torus_of(const std::vector<uint32_t>& dims, Twist twist) {
  LevelModel level;
  level.name = "links";
  level.kind = LevelKind::torus;
  level.dims = dims;
  level.wrap = Wrap::all;
  level.twist = twist;
  level.bytes_per_s = {{.value = 1, .citation = {}}};
  level.protocols.push_back({.protocol = {.name = "bulk"}, .citation = {}, .efficiency_citation = {}});
  const auto fabric = make_fabric({.name = "torus", .title = "", .chip = "chip", .shapes = {}, .levels = {level}});
  EXPECT_TRUE(fabric) << fabric.error().message();
  return Topology::of(*fabric);
}

TEST(Circles, OfAnyTorusUseEachLinkOnce) {
  std::vector<std::vector<uint32_t>> shapes = {{16, 32}, {4, 4, 8}, {4, 8, 4}, {8, 8, 8}, {3, 5, 7}, {7, 7, 7}};
  for (uint32_t first = 3; first <= 6; ++first) {
    for (uint32_t second = first; second <= 9; ++second) {
      shapes.push_back({first, second});
    }
    for (uint32_t third = 3; third <= 5; ++third) {
      shapes.push_back({first, 4, third});
    }
  }
  for (const std::vector<uint32_t>& dims : shapes) {
    for (const Twist twist : {Twist::never, Twist::doubled}) {
      const Topology topology = torus_of(dims, twist);
      SCOPED_TRACE(fmt::format("{}, {}", fmt::join(dims, "x"), twist == Twist::never ? "not twisted" : "twisted if it can be"));
      const auto circles = circles_of(topology);
      ASSERT_EQ(circles.size(), 2 * dims.size());
      const auto hops = hops_of(circles, topology.rank_count());
      EXPECT_EQ(hops.size(), topology.fabric()->link_count());
      EXPECT_EQ(most_of_a_pair(hops), 1u);
      for (const auto& [pair, count] : hops) {
        EXPECT_TRUE(topology.fabric()->is_adjacent(pair.first, pair.second)) << pair.first << " to " << pair.second;
      }
    }
  }
}

TEST(Circles, OfNodesEnterAndLeaveEachByAnotherChipAndStayOnTheirRails) {
  for (const uint32_t nodes : {2u, 3u, 4u}) {
    const auto circles = circles_of(laid("nvidia-superpod-h100:" + std::to_string(nodes), nodes * 8));
    ASSERT_EQ(circles.size(), 8u);
    const auto hops = hops_of(circles, nodes * 8);
    EXPECT_EQ(most_of_a_pair(hops), 1u);
    std::map<Pair, std::set<uint32_t>> chips;  // by nodes, of those that a node is left by
    uint32_t changing_rails = 0;
    for (const auto& [pair, count] : hops) {
      if (pair.first / 8 != pair.second / 8) {
        std::set<uint32_t>& leaving = chips[Pair(pair.first / 8, pair.second / 8)];
        EXPECT_TRUE(leaving.insert(pair.first % 8).second);
        changing_rails += pair.first % 8 != pair.second % 8 ? 1 : 0;
      }
    }
    EXPECT_EQ(chips.size(), nodes);
    EXPECT_EQ(changing_rails, nodes % 2 == 0 ? 0u : 8u);
  }
}

TEST(Circles, AreNoneOnHostsLinesAndPairsNorWhereOneKeepsTheSwitchBusy) {
  EXPECT_TRUE(circles_of(laid("nvidia-dgx-h100:7", 7)).empty());
  EXPECT_TRUE(circles_of(Topology(8)).empty());
  EXPECT_TRUE(circles_of(laid("google-tpu-v5e:4x1", 4)).empty());
  EXPECT_TRUE(circles_of(first_chips(laid("amd-mi300x:8x1", 8).fabric(), 2)).empty());
}

}  // namespace
}  // namespace tutti::topology
