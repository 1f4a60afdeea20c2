// SPDX-License-Identifier: Apache-2.0
#include "algorithms/forest/rooted.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "algorithms/forest/forest.hpp"
#include "cost/cost.hpp"
#include "support/graph_fabric.hpp"
#include "support/grids.hpp"

namespace tutti::algorithms::forest {
namespace {

using namespace schedule;
using tests::GraphFabric;

const planner::Algorithm& rooted() { return *std::ranges::find(algorithms(), "packed_trees", &planner::Algorithm::name); }

topology::Topology machine_of(const GraphFabric::Shape& shape) { return topology::Topology::of(std::make_shared<const GraphFabric>(shape)); }

// Whose links along the second axis are half as fast.
GraphFabric::Shape uneven_torus(uint32_t width, uint32_t height) {
  GraphFabric::Shape shape = tests::torus_shape(width, height, 50'000'000'000);
  for (size_t wire = 1; wire < shape.wires.size(); wire += 2) {
    shape.wires[wire].bytes_per_s /= 2;
  }
  return shape;
}

// By looking at every set of chips with the root in it: how many trees of that speed there can be.
uint64_t most_trees_by_all_cuts(const Network& network, uint32_t root, uint64_t tree_bytes_per_s) {
  uint64_t least = UINT64_MAX;
  for (uint32_t set = 0; set + 1 < (1u << network.chip_count); ++set) {
    if ((set >> root & 1) == 0) {
      continue;
    }
    uint64_t out = 0;
    for (uint32_t source = 0; source < network.chip_count; ++source) {
      for (uint32_t target = 0; target < network.chip_count; ++target) {
        const bool leaves = (set >> source & 1) != 0 && (set >> target & 1) == 0;
        out += leaves ? std::min<uint64_t>(network.at(source, target) / tree_bytes_per_s, kMostTreesOfALink) : 0;
      }
    }
    least = std::min(least, out);
  }
  return std::min<uint64_t>(least, kMostSpanningTrees);
}

void expect_is_packed(const RootedTrees& trees, const Network& network, uint32_t root) {
  std::vector<uint64_t> used(network.capacities.size());
  for (const Tree& tree : trees.trees) {
    EXPECT_EQ(tree.root, root);
    for (uint32_t chip = 0; chip < network.chip_count; ++chip) {
      if (chip == root) {
        EXPECT_EQ(tree.parents[chip], kNobody);
        continue;
      }
      ASSERT_LT(tree.parents[chip], network.chip_count) << "chip " << chip << " is not in the tree";
      EXPECT_EQ(tree.depths[chip], tree.depths[tree.parents[chip]] + 1);
      EXPECT_LE(tree.depths[chip], trees.depth);
      ++used[size_t{tree.parents[chip]} * network.chip_count + chip];
    }
  }
  for (size_t link = 0; link < used.size(); ++link) {
    EXPECT_LE(used[link] * trees.bytes_per_s, network.capacities[link]);
  }
  EXPECT_EQ(std::ranges::max(used), trees.trees_of_a_link);
}

TEST(RootedTest, ThereAreAsManyTreesAsCutsOfRandomGraphsAllow) {
  for (uint32_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const uint32_t root = seed % 3;
    Network network(3 + seed % 4, 3 + seed % 4);
    for (uint32_t a = 0, random = seed * 2'654'435'761u + 1; a < network.chip_count; ++a) {
      for (uint32_t b = a + 1; b < network.chip_count; ++b) {
        random = random * 1'103'515'245u + 12'345u;
        const uint64_t speed = b == a + 1 ? 1 + random / 65'536 % 4 : random / 65'536 % 3;
        network.at(a, b) = network.at(b, a) = speed * 12'000'000'000;
      }
    }
    Work work{.left = 100'000'000};
    const std::optional<RootedTrees> trees = pack_rooted(network, root, work);
    ASSERT_TRUE(trees);
    ASSERT_NO_FATAL_FAILURE(expect_is_packed(*trees, network, root));
    uint64_t most = 0;
    for (const uint64_t capacity : network.capacities) {
      for (uint32_t share = 1; share <= kMostTreesOfALink && capacity != 0; ++share) {
        most = std::max(most, capacity / share * most_trees_by_all_cuts(network, root, capacity / share));
      }
    }
    EXPECT_EQ(trees->bytes_per_s * trees->trees.size(), most);
  }
}

TEST(RootedTest, GivesUpWhereTheWorkIsSpent) {
  const Network network = *network_of(machine_of(uneven_torus(3, 4)));
  Work little{.left = 100};
  EXPECT_FALSE(pack_rooted(network, 0, little));
}

TEST(PackedTreesTest, GoFromAndToEveryRootBetweenNeighboursAlone) {
  std::vector<topology::Topology> machines = {machine_of(uneven_torus(3, 4)), tests::topology_of_pairs(3),
                                              tests::topology_of_levels({{.kind = topology::LevelKind::switched, .unit_count = 3},
                                                                         {.kind = topology::LevelKind::switched, .unit_count = 2}})};
  for (const topology::Topology& topology : machines) {
    for (const Collective collective : {Collective::broadcast, Collective::reduce}) {
      for (const Problem& problem : tests::problems_of(collective, topology.rank_count())) {
        ASSERT_TRUE(rooted().applies(problem, topology));
        ASSERT_TRUE(tests::solves_on_links(rooted(), problem, topology));
      }
    }
  }
}

TEST(PackedTreesTest, FillSlowAndFastLinksFromOneRoot) {
  constexpr uint64_t kBytes = uint64_t{1} << 30;
  const topology::Topology topology = machine_of(uneven_torus(4, 4));
  for (const Collective collective : {Collective::broadcast, Collective::reduce}) {
    const Problem problem{.collective = collective, .rank_count = 16, .root = 5};
    const uint64_t price_ns = cost::price_ns(problem, tests::build_all(rooted(), problem, topology), topology, {.element_count = kBytes, .element_bytes = 1});
    EXPECT_LT(price_ns, kBytes / 150 * 105 / 100);
    EXPECT_GT(price_ns, kBytes / 150);
  }
}

TEST(PackedTreesTest, LeaveLinksThatAreAlikeToAlgorithmsAlongAxes) {
  EXPECT_FALSE(rooted().applies({.collective = Collective::broadcast, .rank_count = 9}, tests::topology_of(tests::mesh_of({3, 3}))));
  EXPECT_FALSE(rooted().applies({.collective = Collective::reduce, .rank_count = 16}, tests::topology_of(tests::torus_of({4, 4}))));
}

}  // namespace
}  // namespace tutti::algorithms::forest
