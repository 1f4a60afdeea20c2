// SPDX-License-Identifier: Apache-2.0
#include "algorithms/forest/forest.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "algorithms/forest/timetable.hpp"
#include "cost/cost.hpp"
#include "support/graph_fabric.hpp"
#include "support/grids.hpp"
#include "topology/fitting.hpp"

namespace tutti::algorithms::forest {
namespace {

using namespace schedule;
using tests::GraphFabric;

__extension__ using Wide = unsigned __int128;

const planner::Algorithm& forest() { return algorithms().front(); }

topology::Topology topology_of(const GraphFabric::Shape& shape) { return topology::Topology::of(std::make_shared<const GraphFabric>(shape)); }

// Eight chips of six links each, some of them side by side, as in a DGX-1 of Volta GPUs (NVIDIA, "DGX-1 with Tesla V100 system architecture", 2017).
GraphFabric::Shape cube_mesh() {
  constexpr uint64_t kLink = 25'000'000'000;
  return {.chip_count = 8,
          .wires = {{0, 1, kLink},     {0, 2, kLink}, {0, 3, 2 * kLink}, {0, 4, 2 * kLink}, {1, 2, 2 * kLink}, {1, 3, kLink},
                    {1, 5, 2 * kLink}, {2, 3, 2 * kLink}, {2, 6, kLink}, {3, 7, kLink},     {4, 5, kLink},     {4, 6, kLink},
                    {4, 7, 2 * kLink}, {5, 6, 2 * kLink}, {5, 7, kLink}, {6, 7, 2 * kLink}}};
}

// A path through all chips, and wires at random, of 1 to 4 GB/s.
GraphFabric::Shape random_shape(uint32_t chip_count, uint32_t more_wires, uint32_t seed) {
  std::mt19937 random(seed);
  const auto speed = [&] { return (1 + random() % 4) * uint64_t{1'000'000'000}; };
  GraphFabric::Shape shape{.chip_count = chip_count, .wires = {}};
  for (uint32_t chip = 1; chip < chip_count; ++chip) {
    shape.wires.push_back({chip - 1, chip, speed()});
  }
  for (uint32_t wire = 0; wire < more_wires; ++wire) {
    const auto a = static_cast<uint32_t>(random() % chip_count);
    const auto b = static_cast<uint32_t>((a + 1 + random() % (chip_count - 1)) % chip_count);
    const auto same = std::ranges::find_if(shape.wires, [&](const GraphFabric::Wire& each) {
      return (each.a == a && each.b == b) || (each.a == b && each.b == a);
    });
    if (same == shape.wires.end()) {
      shape.wires.push_back({a, b, speed()});
    } else {
      same->bytes_per_s += speed();
    }
  }
  return shape;
}

Weights weights_of(uint32_t chip_count, std::optional<uint32_t> root) {
  Weights weights(chip_count, root ? 0 : 1);
  if (root) {
    weights[*root] = 1;
  }
  return weights;
}

// By looking at every set of nodes.
Rate rate_by_all_cuts(const Network& network, const Weights& weights) {
  Rate least{.capacity = UINT32_MAX, .weight = 0};
  for (uint32_t set = 1; set < (1u << network.node_count); ++set) {
    Rate rate{.capacity = 0, .weight = 0};
    bool leaves_out_a_chip = false;
    for (uint32_t node = 0; node < network.node_count; ++node) {
      const bool is_chip = node < network.chip_count;
      const bool is_in = (set >> node & 1) != 0;
      leaves_out_a_chip = leaves_out_a_chip || (is_chip && !is_in);
      rate.weight += is_chip && is_in ? weights[node] : 0;
      for (uint32_t target = 0; is_in && target < network.node_count; ++target) {
        rate.capacity += (set >> target & 1) != 0 ? 0 : network.at(node, target);
      }
    }
    if (leaves_out_a_chip && rate.weight != 0 && (least.weight == 0 || Wide{rate.capacity} * least.weight < Wide{least.capacity} * rate.weight)) {
      least = rate;
    }
  }
  return least;
}

// Each root has as many trees as it should, which span all chips, and together they need no more room than there is.
void expect_is_packing(const Packing& packing, const Weights& weights) {
  const auto chip_count = static_cast<uint32_t>(weights.size());
  std::vector<uint64_t> trees(chip_count);
  std::vector<uint64_t> used(packing.rooms.size());
  for (const Tree& tree : packing.trees) {
    trees[tree.root] += tree.count;
    EXPECT_EQ(tree.parents[tree.root], kNobody);
    for (uint32_t chip = 0; chip < chip_count; ++chip) {
      if (chip != tree.root) {
        ASSERT_LT(tree.parents[chip], chip_count) << "chip " << chip << " is not in the tree";
        EXPECT_EQ(tree.depths[chip], tree.depths[tree.parents[chip]] + 1);
        used[size_t{tree.parents[chip]} * chip_count + chip] += tree.count;
      }
    }
  }
  for (uint32_t chip = 0; chip < chip_count; ++chip) {
    EXPECT_EQ(trees[chip], weights[chip] * packing.trees_per_weight);
  }
  for (size_t link = 0; link < used.size(); ++link) {
    EXPECT_LE(used[link], packing.rooms[link]);
  }
}

TEST(ForestPackingTest, ReachesTheLeastCutOfRandomGraphs) {
  size_t packed = 0;
  for (uint32_t seed = 0; seed < 24; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const uint32_t chip_count = 3 + seed % 5;
    const Network network = *network_of(topology_of(random_shape(chip_count, seed % 7, seed)));
    for (const std::optional<uint32_t> root : {std::optional<uint32_t>(), std::optional(seed % chip_count)}) {
      const Weights weights = weights_of(chip_count, root);
      const Rate bound = rate_by_all_cuts(network, weights);
      Work work{.left = 500'000'000};
      const Rate best = best_rate(network, weights, work);
      EXPECT_EQ(Wide{best.capacity} * bound.weight, Wide{bound.capacity} * best.weight);
      const std::optional<Packing> packing = pack(network, weights, {.most_trees = 40, .slacks_per_mille = {0}}, work);
      ASSERT_TRUE(packing);
      ASSERT_NO_FATAL_FAILURE(expect_is_packing(*packing, weights));
      for (size_t link = 0; link < packing->rooms.size(); ++link) {
        // So many trees at the best rate of a root divided by its trees: whole numbers, so that nothing is lost.
        EXPECT_LE(Wide{packing->rooms[link]} * best.capacity, Wide{network.capacities[link]} * best.weight * packing->trees_per_weight);
      }
      ++packed;
    }
  }
  EXPECT_EQ(packed, 48u);
}

TEST(ForestPackingTest, TakesSwitchesOut) {
  const GraphFabric::Shape leaves = tests::fat_tree_shape(8, 4, 2, 1'000'000'000);
  const Network network = *network_of(topology_of(leaves));
  EXPECT_EQ(network.node_count, 8u + 4);
  for (const std::optional<uint32_t> root : {std::optional<uint32_t>(), std::optional(5u)}) {
    const Weights weights = weights_of(8, root);
    const Rate bound = rate_by_all_cuts(network, weights);
    Work work{.left = 500'000'000};
    const Rate best = best_rate(network, weights, work);
    EXPECT_EQ(Wide{best.capacity} * bound.weight, Wide{bound.capacity} * best.weight);
    const std::optional<Packing> packing = pack(network, weights, {.most_trees = 12, .slacks_per_mille = {0}}, work);
    ASSERT_TRUE(packing);
    EXPECT_EQ(packing->rooms.size(), 64u);
    expect_is_packing(*packing, weights);
  }
}

TEST(ForestPackingTest, GivesUpAlikeWhenTheWorkIsSpent) {
  const Network network = *network_of(topology_of(cube_mesh()));
  const Weights weights = weights_of(8, std::nullopt);
  for (const uint64_t left : {0u, 100u, 1'000u, 10'000u}) {
    Work work{.left = left};
    EXPECT_FALSE(pack(network, weights, {.most_trees = 12, .slacks_per_mille = {0}}, work)) << left;
  }
}

TEST(ForestPackingTest, PassagesComeAfterWhatTheyNeed) {
  const Network network = *network_of(topology_of(cube_mesh()));
  Work work{.left = 500'000'000};
  const std::optional<Packing> packing = pack(network, weights_of(8, std::nullopt), {.most_trees = 12, .slacks_per_mille = {0}}, work);
  ASSERT_TRUE(packing);
  const Timetable table = timetable_of(*packing, {.most = 4, .most_passages = 10'000, .idle_per_mille = 0});
  EXPECT_EQ(table.parts, 4 * packing->trees_per_weight);
  EXPECT_EQ(table.down.size(), size_t{8} * table.parts * 7);
  std::vector<std::vector<bool>> has(size_t{8} * table.parts, std::vector<bool>(8));
  for (const Passage& passage : table.down) {
    EXPECT_TRUE(passage.source == passage.root || has[passage.chunk][passage.source]);
    has[passage.chunk][passage.target] = true;
  }
  std::vector<std::vector<bool>> gave(has.size(), std::vector<bool>(8));
  for (const Passage& passage : table.up) {
    EXPECT_FALSE(gave[passage.chunk][passage.target]) << "what comes after it has gone on";
    gave[passage.chunk][passage.source] = true;
  }
}

TEST(ForestTest, SolvesOnAnyGraphBetweenNeighboursAlone) {
  std::vector<GraphFabric::Shape> shapes = {cube_mesh(), random_shape(3, 0, 1), random_shape(5, 4, 2), random_shape(7, 3, 3),
                                            tests::fat_tree_shape(6, 3, 2, 1'000'000'000)};
  if (tests::test_size() == tests::Size::full) {
    shapes.push_back(random_shape(11, 9, 4));
    shapes.push_back(random_shape(13, 0, 5));
  }
  for (const GraphFabric::Shape& shape : shapes) {
    const topology::Topology topology = topology_of(shape);
    for (const Collective collective : {Collective::all_reduce, Collective::reduce, Collective::broadcast, Collective::all_gather, Collective::reduce_scatter}) {
      for (const Problem& problem : tests::problems_of(collective, shape.chip_count)) {
        if (is_rooted(collective) && shape.chip_count > 5 && problem.root != 0 && problem.root != shape.chip_count - 2) {
          continue;
        }
        ASSERT_TRUE(forest().applies(problem, topology)) << to_string(problem);
        ASSERT_TRUE(tests::solves_on_links(forest(), problem, topology));
      }
    }
  }
}

// Of a vector of so many bytes, or of all ranks' blocks together.
uint64_t price_of(Collective collective, const topology::Topology& topology, uint64_t bytes) {
  const Problem problem{.collective = collective, .rank_count = topology.rank_count()};
  const std::vector<Schedule> schedules = tests::build_all(forest(), problem, topology);
  const uint64_t count = is_cut_vector(collective) ? bytes : bytes / topology.rank_count();
  return cost::price_ns(problem, schedules, topology, {.element_count = count, .element_bytes = 1});
}

// What no schedule can be faster than, by bytes over cuts.
uint64_t bound_ns(std::optional<uint32_t> root, const topology::Topology& topology, uint64_t bytes) {
  Work work{.left = 500'000'000};
  const Rate best = best_rate(*network_of(topology), weights_of(topology.rank_count(), root), work);
  const uint64_t each = root ? bytes : bytes / topology.rank_count();
  return static_cast<uint64_t>(Wide{each} * best.weight * 1'000'000'000 / best.capacity);
}

TEST(ForestTest, ComesNearTheBoundOfLongVectors) {
  constexpr uint64_t kBytes = uint64_t{1} << 30;
  std::vector<topology::Topology> machines = {topology_of(cube_mesh()), topology_of(random_shape(6, 4, 7))};
  for (const auto& [model, rank_count] : std::vector<std::pair<std::string, uint32_t>>{
           {"amd-mi250x", 8}, {"huawei-ascend-910", 8}, {"nvidia-h100-nvl", 8}, {"microsoft-maia-100", 16}, {"cpu-2-socket", 16}}) {
    const auto machine = topology::load_topology(model, TUTTI_SOURCE_DIR "/topologies", rank_count);
    ASSERT_TRUE(machine) << machine.error().message();
    machines.push_back(*machine);
  }
  for (const topology::Topology& machine : machines) {
    SCOPED_TRACE(machine.fabric()->levels().front().name + ", " + std::to_string(machine.rank_count()) + " ranks");
    const uint64_t all = bound_ns(std::nullopt, machine, kBytes);
    const uint64_t one = bound_ns(0, machine, kBytes);
    EXPECT_LT(price_of(Collective::all_gather, machine, kBytes), all * 107 / 100);
    EXPECT_LT(price_of(Collective::reduce_scatter, machine, kBytes), all * 107 / 100);
    EXPECT_LT(price_of(Collective::all_reduce, machine, kBytes), 2 * all * 107 / 100);
    EXPECT_LT(price_of(Collective::broadcast, machine, kBytes), one * 107 / 100);
    EXPECT_LT(price_of(Collective::reduce, machine, kBytes), one * 107 / 100);
    EXPECT_GE(price_of(Collective::all_gather, machine, kBytes), all);
    EXPECT_GE(price_of(Collective::broadcast, machine, kBytes), one);
  }
}

TEST(ForestTest, LeavesUniformMachinesToOthers) {
  const auto applies = [](const topology::Topology& topology) {
    return forest().applies({.collective = Collective::all_gather, .rank_count = topology.rank_count()}, topology);
  };
  EXPECT_FALSE(applies(tests::reaching_topology(8)));
  EXPECT_FALSE(applies(topology_of(tests::switch_shape(8, 1'000'000'000, 0))));
  EXPECT_FALSE(applies(tests::topology_of(tests::torus_of({4, 4}))));
  EXPECT_FALSE(applies(tests::topology_of(tests::mesh_of({3, 3}))));
  EXPECT_FALSE(applies(topology_of(random_shape(33, 20, 1)))) << "too many to plan in little time";
  EXPECT_FALSE(applies(topology_of(random_shape(2, 0, 1))));
  EXPECT_TRUE(applies(topology_of(cube_mesh())));
}

}  // namespace
}  // namespace tutti::algorithms::forest
