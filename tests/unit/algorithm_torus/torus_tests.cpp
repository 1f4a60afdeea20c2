// SPDX-License-Identifier: Apache-2.0
#include "algorithms/torus/torus.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "support/grids.hpp"
#include "topology/grid.hpp"

namespace tutti::algorithms::torus {
namespace {

using namespace schedule;
using tests::GridShape;

const planner::Algorithm& named(std::string_view name) {
  return *std::find_if(algorithms().begin(), algorithms().end(), [&](const planner::Algorithm& algorithm) { return algorithm.name == name; });
}

// Rings, odd lengths, axes of one and two, axes without wrap beside others, and twisted ones.
std::vector<GridShape> small_shapes() {
  if (tests::test_size() == tests::Size::small) {
    return {tests::torus_of({3}), tests::torus_of({4, 2}), tests::torus_of({3, 3}), {{4, 3}, {true, false}}};
  }
  return {tests::torus_of({3}),       tests::torus_of({5}),       tests::torus_of({8}),       tests::torus_of({3, 3}),
          tests::torus_of({4, 4}),    tests::torus_of({5, 3}),    tests::torus_of({1, 4, 1}), tests::torus_of({4, 2}),
          tests::torus_of({3, 3, 3}), {{4, 3}, {true, false}},    tests::twisted_torus_of({4, 8})};
}
std::vector<GridShape> large_shapes() {
  if (tests::test_size() == tests::Size::small) {
    return {tests::twisted_torus_of({3, 6})};
  }
  return {tests::torus_of({4, 4, 4}), tests::torus_of({2, 3, 4}), {{2, 3, 3}, {true, false, true}}, tests::twisted_torus_of({3, 3, 6}),
          tests::twisted_torus_of({6, 3, 6}), tests::twisted_torus_of({4, 4, 8})};
}

TEST(TorusTest, SolvesOnEveryShapeBetweenNeighboursAlone) {
  for (const GridShape& shape : small_shapes()) {
    for (const Collective collective : {Collective::all_reduce, Collective::reduce_scatter, Collective::all_gather}) {
      ASSERT_NO_FATAL_FAILURE(tests::expect_solves_on_grid(named("torus"), collective, shape));
    }
  }
  for (const GridShape& shape : large_shapes()) {
    ASSERT_NO_FATAL_FAILURE(tests::expect_solves_on_grid(named("torus"), Collective::all_reduce, shape));
  }
  for (const Collective collective : {Collective::reduce_scatter, Collective::all_gather}) {
    const GridShape twisted = tests::twisted_torus_of(tests::test_size() == tests::Size::full ? std::vector{3u, 3u, 6u} : std::vector{3u, 6u});
    ASSERT_NO_FATAL_FAILURE(tests::expect_solves_on_grid(named("torus"), collective, twisted));
  }
}

TEST(SwingTest, SolvesOnToriOfPowersOfTwo) {
  for (const GridShape& shape : {tests::torus_of({4}), tests::torus_of({16}), tests::torus_of({32}), tests::torus_of({4, 2}), tests::torus_of({8, 4}),
                                 tests::torus_of({4, 4, 4}), tests::torus_of({2, 1, 16}), tests::twisted_torus_of({4, 8})}) {
    SCOPED_TRACE(tests::to_string(shape));
    const topology::Topology topology = tests::topology_of(shape);
    for (const InPlace in_place : {InPlace::no, InPlace::yes}) {
      for (const char* const name : {"swing", "swing_whole"}) {
        const Problem problem{.rank_count = topology.rank_count(), .in_place = in_place};
        ASSERT_TRUE(named(name).applies(problem, topology));
        ASSERT_TRUE(tests::solves(named(name), problem, topology));
      }
    }
  }
  EXPECT_FALSE(named("swing").applies({.rank_count = 12}, tests::topology_of({{4, 3}, {true, false}})));
  EXPECT_FALSE(named("swing_whole").applies({.rank_count = 6}, tests::topology_of(tests::torus_of({6}))));
  EXPECT_FALSE(named("swing").applies({.rank_count = 16}, tests::topology_of(tests::mesh_of({4, 4}))));
}

TEST(SwingTest, SolvesOnToriOfAnyLengths) {
  std::vector<GridShape> shapes = {tests::torus_of({3}),    tests::torus_of({5}),    tests::torus_of({6}),            tests::torus_of({7}),
                                   tests::torus_of({12}),   tests::torus_of({6, 2}), tests::twisted_torus_of({2, 4}), tests::torus_of({3, 3}),
                                   tests::torus_of({5, 2}), tests::torus_of({3, 4})};
  if (tests::test_size() == tests::Size::full) {
    for (const GridShape& shape : {tests::torus_of({9}), tests::torus_of({10}), tests::torus_of({15}), tests::torus_of({23}), tests::torus_of({28}),
                                   tests::torus_of({6, 4}), tests::torus_of({6, 1, 6}), tests::torus_of({5, 5}), tests::torus_of({3, 3, 3}),
                                   tests::twisted_torus_of({3, 6})}) {
      shapes.push_back(shape);
    }
  }
  for (const GridShape& shape : shapes) {
    SCOPED_TRACE(tests::to_string(shape));
    const topology::Topology topology = tests::topology_of(shape);
    for (const Collective collective : {Collective::all_reduce, Collective::reduce_scatter, Collective::all_gather}) {
      for (const Problem& problem : tests::problems_of(collective, topology.rank_count())) {
        if (collective != Collective::all_reduce || problem.blocks == Blocks::equal) {
          ASSERT_TRUE(named("swing_blocks").applies(problem, topology));
          ASSERT_TRUE(tests::solves(named("swing_blocks"), problem, topology));
          ASSERT_EQ(named("swing").applies(problem, topology), collective == Collective::all_reduce);
          ASSERT_TRUE(collective != Collective::all_reduce || tests::solves(named("swing"), problem, topology));
        }
      }
    }
  }
}

// Nobody hears a thing twice, and on lengths that are multiples of four few messages carry it.
TEST(SwingTest, SendsWhatIsLeftOnRingsOfAnyLength) {
  for (const uint32_t length : {5u, 6u, 7u, 10u, 12u, 13u, 20u}) {
    const topology::Topology topology = tests::topology_of(tests::torus_of({length}));
    for (const Schedule& schedule : tests::build_all(named("swing"), {.rank_count = length}, topology)) {
      EXPECT_EQ(schedule.chunk_count, 2 * length);
      EXPECT_EQ(tests::count_chunks_sent(schedule), 2 * 2 * (length - 1));
      EXPECT_LE(tests::count_steps(schedule, StepKind::send), length % 4 == 0 ? 2u * 2 * 8 : 2u * 2 * length);
    }
  }
}

// On rings of four, whose opposite ends are two hops apart, no partner is further than one.
TEST(SwingTest, StaysBetweenNeighboursOnRingsOfFour) {
  const topology::Topology topology = tests::topology_of(tests::torus_of({4, 4}));
  EXPECT_TRUE(tests::solves_on_links(named("swing"), {.rank_count = 16}, topology));
  EXPECT_TRUE(tests::solves_on_links(named("swing_whole"), {.rank_count = 16}, topology));
}

TEST(AxisExchangeTest, SolvesOnEveryShapeBetweenNeighboursAlone) {
  std::vector<GridShape> shapes = small_shapes();
  const std::vector<GridShape> more = large_shapes();
  shapes.insert(shapes.end(), more.begin(), more.end());
  for (const GridShape& shape : {tests::mesh_of({2}), tests::mesh_of({2, 2}), tests::mesh_of({5, 3}), tests::mesh_of({1, 4, 2})}) {
    shapes.push_back(shape);
  }
  for (const GridShape& shape : shapes) {
    for (const Collective collective : {Collective::all_reduce, Collective::barrier}) {
      ASSERT_NO_FATAL_FAILURE(tests::expect_solves_on_grid(named("axis_exchange"), collective, shape));
    }
  }
}

TEST(AxisTreesTest, SolveFromEveryRootOverLinksOfTheirOwn) {
  std::vector<GridShape> shapes = small_shapes();
  shapes.push_back(tests::mesh_of({2, 2}));
  shapes.push_back(tests::twisted_torus_of({3, 6}));
  if (tests::test_size() == tests::Size::full) {
    for (const GridShape& shape : {tests::mesh_of({2}), tests::mesh_of({5, 3}), tests::mesh_of({3, 2, 3}), tests::torus_of({2, 3, 4}),
                                   tests::twisted_torus_of({3, 3, 6}), tests::twisted_torus_of({6, 3, 6})}) {
      shapes.push_back(shape);
    }
  }
  for (const GridShape& shape : shapes) {
    for (const Collective collective : {Collective::broadcast, Collective::reduce}) {
      ASSERT_NO_FATAL_FAILURE(tests::expect_solves_on_grid(named("axis_trees"), collective, shape));
    }
    for (const Collective collective : {Collective::gather, Collective::scatter}) {
      ASSERT_NO_FATAL_FAILURE(tests::expect_solves_on_grid(named("block_trees"), collective, shape));
    }
  }
  for (const GridShape& shape : {tests::torus_of({4, 4, 4}), tests::mesh_of({4, 4, 4})}) {
    const topology::Topology topology = tests::topology_of(shape);
    for (const Schedule& schedule : tests::build_all(named("axis_trees"), {.collective = Collective::broadcast, .rank_count = 64, .root = 21}, topology)) {
      EXPECT_EQ(schedule.chunk_count, shape.wraps.front() ? 6u : 3u);
      std::map<uint32_t, uint32_t> sent;
      for (const Step& step : schedule.steps) {
        sent[step.peer] += step.kind == StepKind::send ? 1 : 0;
      }
      for (const auto& [peer, chunks] : sent) {
        EXPECT_LE(chunks, 1u) << schedule.rank << " to " << peer;
      }
    }
  }
}

// A root's links have as many blocks to carry as each other.
TEST(BlockTreesTest, UseAllLinksOfTheRoot) {
  const topology::Topology topology = tests::topology_of(tests::torus_of({4, 4}));
  for (const Collective collective : {Collective::gather, Collective::scatter}) {
    const Schedule schedule = named("block_trees").build({.collective = collective, .rank_count = 16, .root = 5}, topology, 5);
    std::map<uint32_t, uint32_t> passed;
    for (const Step& step : schedule.steps) {
      if (step.kind != StepKind::copy) {
        ++passed[step.peer];
      }
    }
    EXPECT_EQ(passed.size(), 4u);
    for (const auto& [peer, parts] : passed) {
      EXPECT_EQ(parts, 15u) << peer;
    }
  }
}

TEST(DimensionOrderTest, SolvesOnEveryShapeBetweenNeighboursAlone) {
  for (const GridShape& shape : {tests::torus_of({2}), tests::torus_of({3}), tests::torus_of({6}), tests::torus_of({4, 4}), tests::torus_of({5, 3}),
                                 tests::torus_of({1, 4, 1}), tests::torus_of({3, 2, 4}), {{4, 3}, {true, false}}, tests::mesh_of({2, 2}),
                                 tests::mesh_of({5}), tests::mesh_of({3, 4})}) {
    ASSERT_NO_FATAL_FAILURE(tests::expect_solves_on_grid(named("dimension_order"), Collective::all_to_all, shape));
  }
  for (const GridShape& shape : {tests::twisted_torus_of({2, 4}), tests::twisted_torus_of({3, 6}), tests::twisted_torus_of({4, 8}), tests::twisted_torus_of({2, 4, 4})}) {
    if (tests::test_size() == tests::Size::full || shape.dims.size() == 2) {
      ASSERT_NO_FATAL_FAILURE(tests::expect_solves_on_grid(named("dimension_order"), Collective::all_to_all, shape));
    }
  }
}

// A block has one hop to go along each axis of four on average.
TEST(DimensionOrderTest, UsesAllLinksAlike) {
  const topology::Topology topology = tests::topology_of(tests::torus_of({4, 4}));
  for (const Schedule& schedule : tests::build_all(named("dimension_order"), {.collective = Collective::all_to_all, .rank_count = 16}, topology)) {
    std::map<uint32_t, uint32_t> sent;
    for (const Step& step : schedule.steps) {
      if (step.kind == StepKind::send) {
        ++sent[step.peer];
      }
    }
    EXPECT_EQ(sent.size(), 4u);
    for (const auto& [peer, parts] : sent) {
      EXPECT_EQ(parts, 2u * 16 / 2) << schedule.rank << " to " << peer;
    }
  }
}

TEST(TorusTest, AllReduceUsesAllLinksOfACubeAlike) {
  const topology::Topology topology = tests::topology_of(tests::torus_of({4, 4, 4}));
  for (const Schedule& schedule : tests::build_all(named("torus"), {.rank_count = 64}, topology)) {
    std::map<uint32_t, uint32_t> sent;
    for (const Step& step : schedule.steps) {
      sent[step.peer] += step.kind == StepKind::send ? step.chunk_count : 0;
    }
    ASSERT_EQ(sent.size(), 6u);
    EXPECT_EQ(schedule.chunk_count, 6u * 64);
    for (const auto& [peer, chunks] : sent) {
      EXPECT_EQ(chunks, 2u * 63) << "to " << peer;
    }
    EXPECT_EQ(schedule.scratch_slots, 0u);
    EXPECT_EQ(tests::count_steps(schedule, StepKind::send), 6u * 2 * 9);
  }
}

// Of n x n x 2n all axes are as long as each other, seen from the links.
TEST(TorusTest, AllReduceUsesAllLinksOfATwistedTorusAlike) {
  const topology::Topology topology = tests::topology_of(tests::twisted_torus_of({4, 4, 8}));
  for (const Schedule& schedule : tests::build_all(named("torus"), {.rank_count = 128}, topology)) {
    std::map<uint32_t, uint32_t> sent;
    for (const Step& step : schedule.steps) {
      sent[step.peer] += step.kind == StepKind::send ? step.chunk_count : 0;
    }
    ASSERT_EQ(sent.size(), 6u);
    for (const auto& [peer, chunks] : sent) {
      EXPECT_EQ(chunks, 2u * 127) << "to " << peer;
    }
  }
}

TEST(TorusTest, LongAxesTakeLargerShares) {
  const auto grid = topology::Grid::of(tests::topology_of(tests::torus_of({4, 4, 16})));
  ASSERT_TRUE(grid);
  const std::vector<uint32_t> shares = topology::balanced_shares(*grid);
  EXPECT_LT(shares[2], shares[0]) << "the later turns of others are long there";
  EXPECT_EQ(topology::balanced_shares(*topology::Grid::of(tests::topology_of(tests::torus_of({4, 4, 4})))), (std::vector<uint32_t>{1, 1, 1}));
}

TEST(TorusTest, LeavesWhatIsNoTorusToOthers) {
  const Problem problem{.rank_count = 9};
  EXPECT_FALSE(named("torus").applies(problem, tests::topology_of(tests::mesh_of({3, 3}))));
  EXPECT_FALSE(named("torus").applies(problem, topology::Topology(9)));
  EXPECT_FALSE(named("torus").applies({.rank_count = 4}, tests::topology_of(tests::torus_of({2, 2}))));
}

// In all orders, ranks have places of their own, and going up an axis adds to its number alone and to later ones.
TEST(GridTest, PlacesAreNumbersModuloTheirWindows) {
  std::vector<GridShape> shapes = small_shapes();
  const std::vector<GridShape> more = large_shapes();
  shapes.insert(shapes.end(), more.begin(), more.end());
  for (const GridShape& shape : shapes) {
    SCOPED_TRACE(to_string(shape));
    const auto grid = topology::Grid::of(tests::topology_of(shape));
    ASSERT_TRUE(grid);
    for (uint32_t first = 0; first < grid->axis_count(); ++first) {
      const topology::AxisOrder order(*grid, first);
      for (uint32_t rank = 0; rank < grid->rank_count(); ++rank) {
        const topology::GridPoint place = order.place_of(rank);
        ASSERT_EQ(order.rank_at(place), rank);
        for (uint32_t turn = 0; turn < order.turn_count(); ++turn) {
          ASSERT_LT(place[turn], order.window(turn));
          if (!grid->axis(order.axis(turn)).wraps && place[turn] + 1 == order.window(turn)) {
            continue;
          }
          const uint32_t next = grid->neighbour(rank, order.axis(turn), topology::Direction::up);
          const topology::GridPoint above = order.place_of(next);
          ASSERT_TRUE(std::equal(place.begin(), place.begin() + turn, above.begin()));
          ASSERT_EQ(above[turn], (place[turn] + 1) % order.window(turn));
          ASSERT_EQ(grid->neighbour(next, order.axis(turn), topology::Direction::down), rank);
        }
      }
    }
  }
}

}  // namespace
}  // namespace tutti::algorithms::torus
