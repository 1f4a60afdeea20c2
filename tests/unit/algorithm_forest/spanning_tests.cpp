// SPDX-License-Identifier: Apache-2.0
#include "algorithms/forest/spanning.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "algorithms/forest/forest.hpp"
#include "cost/cost.hpp"
#include "support/graph_fabric.hpp"
#include "support/grids.hpp"

namespace tutti::algorithms::forest {
namespace {

using namespace schedule;
using tests::GridShape;

const planner::Algorithm& packed() { return *std::ranges::find(algorithms(), "packed_trees", &planner::Algorithm::name); }

// A path through all chips, and wires at random, of 1 to 4 bytes per 12 ns.
Network random_network(uint32_t chip_count, uint32_t more_wires, uint32_t seed) {
  std::mt19937 random(seed);
  Network network(chip_count, chip_count);
  const auto join = [&](uint32_t a, uint32_t b) {
    const uint64_t speed = (1 + random() % 4) * uint64_t{12'000'000'000};
    network.at(a, b) = network.at(b, a) = speed;
  };
  for (uint32_t chip = 1; chip < chip_count; ++chip) {
    join(chip - 1, chip);
  }
  for (uint32_t wire = 0; wire < more_wires; ++wire) {
    const auto a = static_cast<uint32_t>(random() % chip_count);
    join(a, static_cast<uint32_t>((a + 1 + random() % (chip_count - 1)) % chip_count));
  }
  return network;
}

// How many spanning trees there are of such speed, by looking at every partition of the chips: parts are numbered as their first chips come.
uint64_t most_trees_by_all_partitions(const Network& network, uint64_t tree_bytes_per_s) {
  uint64_t most = UINT64_MAX;
  std::vector<uint32_t> part(network.chip_count, 0);
  const auto look = [&](const auto& self, uint32_t chip, uint32_t part_count) -> void {
    if (chip < network.chip_count) {
      for (part[chip] = 0; part[chip] <= part_count; ++part[chip]) {
        self(self, chip + 1, std::max(part_count, part[chip] + 1));
      }
      return;
    }
    uint64_t between = 0;
    for (uint32_t a = 0; a < network.chip_count; ++a) {
      for (uint32_t b = a + 1; b < network.chip_count; ++b) {
        between += part[a] == part[b] ? 0 : std::min<uint64_t>(network.at(a, b) / tree_bytes_per_s, kMostTreesOfALink);
      }
    }
    most = part_count < 2 ? most : std::min(most, between / (part_count - 1));
  };
  look(look, 0, 0);
  return most;
}

void expect_spans(const SpanningTrees& spanning, const Network& network) {
  std::vector<uint64_t> used(network.capacities.size());
  for (const Tree& tree : spanning.trees) {
    EXPECT_EQ(tree.parents[tree.root], kNobody);
    for (uint32_t chip = 0; chip < network.chip_count; ++chip) {
      if (chip != tree.root) {
        ASSERT_LT(tree.parents[chip], network.chip_count) << "chip " << chip << " is not in the tree";
        EXPECT_EQ(tree.depths[chip], tree.depths[tree.parents[chip]] + 1);
        ++used[size_t{std::min(chip, tree.parents[chip])} * network.chip_count + std::max(chip, tree.parents[chip])];
      }
    }
  }
  for (size_t link = 0; link < used.size(); ++link) {
    EXPECT_LE(used[link] * spanning.bytes_per_s, network.capacities[link]);
  }
  EXPECT_EQ(std::ranges::max(used), spanning.trees_of_a_link);
  EXPECT_LE(spanning.trees_of_a_link, kMostTreesOfALink);
}

TEST(SpanningTest, ThereAreAsManyTreesAsPartitionsOfRandomGraphsAllow) {
  for (uint32_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Network network = random_network(3 + seed % 4, seed % 9, seed);
    Work work{.left = 100'000'000};
    const std::optional<SpanningTrees> spanning = pack_spanning(network, work);
    ASSERT_TRUE(spanning);
    ASSERT_NO_FATAL_FAILURE(expect_spans(*spanning, network));
    uint64_t most = 0;
    for (const uint64_t capacity : network.capacities) {
      for (uint32_t trees = 1; trees <= kMostTreesOfALink && capacity != 0; ++trees) {
        most = std::max(most, capacity / trees * std::min<uint64_t>(16, most_trees_by_all_partitions(network, capacity / trees)));
      }
    }
    EXPECT_GE(spanning->bytes_per_s * spanning->trees.size() * 101, most * 100);
    EXPECT_LE(spanning->bytes_per_s * spanning->trees.size(), most);
  }
}

TEST(SpanningTest, ReachesWhatMeshesAllow) {
  struct Case {
    GridShape shape;
    uint32_t trees;
    uint32_t of_a_link;
    uint32_t deepest;
  };
  for (const Case& each : {Case{tests::mesh_of({5}), 1, 1, 2}, Case{tests::mesh_of({2, 2}), 4, 3, 2}, Case{tests::mesh_of({5, 5}), 5, 3, 5},
                           Case{tests::mesh_of({8, 8}), 7, 4, 9}, Case{tests::mesh_of({10, 10}), 9, 5, 11}, Case{tests::mesh_of({2, 2, 4}), 11, 6, 5}}) {
    SCOPED_TRACE(tests::to_string(each.shape));
    const Network network = *network_of(tests::topology_of(each.shape));
    Work work{.left = 20'000'000};
    const std::optional<SpanningTrees> spanning = pack_spanning(network, work);
    ASSERT_TRUE(spanning);
    ASSERT_NO_FATAL_FAILURE(expect_spans(*spanning, network));
    EXPECT_EQ(spanning->trees.size(), each.trees);
    EXPECT_EQ(spanning->bytes_per_s, 50'000'000'000 / each.of_a_link);
    EXPECT_LE(spanning->depth, each.deepest);
    EXPECT_FALSE(work.is_spent());
  }
}

TEST(SpanningTest, GivesUpWhereChipsAreNotJoinedOrTheWorkIsSpent) {
  Network network = random_network(6, 6, 1);
  Work little{.left = 100};
  EXPECT_FALSE(pack_spanning(network, little));
  for (uint32_t chip = 0; chip < 5; ++chip) {
    network.at(chip, 5) = network.at(5, chip) = 0;
  }
  Work work{.left = 100'000'000};
  EXPECT_FALSE(pack_spanning(network, work));
}

TEST(PackedTreesTest, SolvesOnEveryShapeBetweenNeighboursAlone) {
  std::vector<GridShape> shapes = {tests::mesh_of({3}), tests::torus_of({5}), tests::mesh_of({2, 2}), tests::mesh_of({3, 3}), tests::mesh_of({2, 2, 2}),
                                   tests::mesh_of({1, 6}), tests::torus_of({3, 4})};
  if (tests::test_size() == tests::Size::full) {
    for (uint32_t width = 2; width <= 4; ++width) {
      for (uint32_t height = 1; height <= width; ++height) {
        shapes.push_back(tests::mesh_of({width, height, 3}));
      }
    }
    shapes.insert(shapes.end(), {tests::mesh_of({4, 4}), tests::mesh_of({5, 5}), tests::mesh_of({7, 3}), tests::torus_of({2, 3, 2})});
  }
  for (const GridShape& shape : shapes) {
    ASSERT_NO_FATAL_FAILURE(tests::expect_solves_on_grid(packed(), Collective::all_reduce, shape));
  }
}

TEST(PackedTreesTest, UsesBothDirectionsOfACornersLinks) {
  const topology::Topology topology = tests::topology_of(tests::mesh_of({5, 5}));
  const Schedule corner = packed().build({.rank_count = 25}, topology, 0);
  EXPECT_EQ(corner.chunk_count, 5u);
  EXPECT_EQ(corner.scratch_slots, 0u);
  EXPECT_EQ(tests::count_chunks_sent(corner), 6u) << "three on each of two links";
}

TEST(PackedTreesTest, AllRanksHaveAsManyChannels) {
  const topology::Topology topology = tests::topology_of(tests::mesh_of({2, 2, 4}));
  for (const Schedule& schedule : tests::build_all(packed(), {.rank_count = 16}, topology)) {
    EXPECT_EQ(schedule.channel_count, 6u);
  }
}

TEST(PackedTreesTest, ComesNearWhatMeshesAllowForLongVectors) {
  constexpr uint64_t kBytes = uint64_t{1} << 30;
  for (const uint32_t side : {5u, 8u}) {
    const topology::Topology topology = tests::topology_of(tests::mesh_of({side, side}));
    const Problem problem{.rank_count = side * side};
    const uint64_t price_ns = cost::price_ns(problem, tests::build_all(packed(), problem, topology), topology, {.element_count = kBytes, .element_bytes = 1});
    const uint64_t bound_ns = kBytes * (side * side - 1) / (2 * side * (side - 1)) / 50;
    EXPECT_LT(price_ns, bound_ns * 108 / 100) << side;
    EXPECT_GT(price_ns, bound_ns) << side;
  }
}

// Chips of a unit are joined by a switch, and all chips of as many units by another.
topology::Topology two_switches(uint32_t inner, uint32_t outer) {
  return tests::topology_of_levels({{.kind = topology::LevelKind::switched, .unit_count = inner, .bytes_per_s = 40'000'000'000},
                                    {.kind = topology::LevelKind::switched, .unit_count = outer, .bytes_per_s = 60'000'000'000}});
}

TEST(PackedTreesTest, PassesSwitchesBetweenChips) {
  for (const auto& [inner, outer] : {std::pair(2u, 3u), std::pair(4u, 2u), std::pair(3u, 5u)}) {
    const topology::Topology topology = two_switches(inner, outer);
    const Problem problem{.rank_count = inner * outer};
    ASSERT_TRUE(packed().applies(problem, topology));
    EXPECT_TRUE(tests::solves_on_links(packed(), problem, topology));
  }
}

TEST(PackedTreesTest, UsesAllPortsOfAChipAtOnce) {
  constexpr uint64_t kBytes = uint64_t{1} << 30;
  const topology::Topology topology = two_switches(4, 6);
  const Problem problem{.rank_count = 24};
  const uint64_t price_ns = cost::price_ns(problem, tests::build_all(packed(), problem, topology), topology, {.element_count = kBytes, .element_bytes = 1});
  const uint64_t bound_ns = kBytes * 2 * 23 / 24 / 100;
  EXPECT_LT(price_ns, bound_ns * 105 / 100);
  EXPECT_GT(price_ns, bound_ns);
}

TEST(PackedTreesTest, LeavesSwitchesAndLargeMachinesToOthers) {
  const auto applies = [](const topology::Topology& topology) { return packed().applies({.rank_count = topology.rank_count()}, topology); };
  EXPECT_FALSE(applies(tests::reaching_topology(8)));
  EXPECT_FALSE(applies(topology::Topology::of(std::make_shared<const tests::GraphFabric>(tests::switch_shape(8, 1'000'000'000, 0)))));
  EXPECT_FALSE(applies(topology::Topology::of(std::make_shared<const tests::GraphFabric>(tests::fat_tree_shape(8, 4, 2, 1'000'000'000)))));
  EXPECT_FALSE(applies(tests::topology_of(tests::mesh_of({13, 13}))));
  EXPECT_TRUE(applies(tests::topology_of(tests::mesh_of({13, 12}))));
}

}  // namespace
}  // namespace tutti::algorithms::forest
