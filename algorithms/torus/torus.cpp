// SPDX-License-Identifier: Apache-2.0
#include "algorithms/torus/torus.hpp"

#include <array>

#include "algorithms/bucket.hpp"
#include "algorithms/torus/axis_exchange.hpp"
#include "algorithms/torus/dimension_order.hpp"
#include "algorithms/torus/swing.hpp"
#include "algorithms/torus/swing_blocks.hpp"
#include "algorithms/torus/tree_blocks.hpp"
#include "algorithms/torus/trees.hpp"

namespace tutti::algorithms::torus {
namespace {

using schedule::Problem;
using schedule::Schedule;
using topology::Grid;

template <bool (*solves)(const Problem&, const Grid&)>
bool applies_to_grid(const Problem& problem, const topology::Topology& topology) {
  const std::optional<Grid> grid = Grid::of(topology);
  return grid && solves(problem, *grid);
}

template <Schedule (*write)(const Problem&, const Grid&, uint32_t)>
Schedule build_on_grid(const Problem& problem, const topology::Topology& topology, uint32_t rank) {
  return write(problem, *Grid::of(topology), rank);
}

bool bucket_solves_on(const Problem& problem, const Grid& grid) { return grid.wraps() && bucket_solves(problem); }
Schedule bucket(const Problem& problem, const Grid& grid, uint32_t rank) { return Bucket(problem, grid, rank).build(); }

constexpr std::array kAlgorithms = {
    planner::Algorithm{.name = "torus",
                       .idea = "blocks travel around the rings of one axis after another, in all directions at once",
                       .cost = "d axes of k: 2d(k-1) a + 2(p-1)/p nb/(2d)",
                       .source = "Sack and Gropp, TOPC 2015",
                       .applies = applies_to_grid<bucket_solves_on>,
                       .build = build_on_grid<bucket>,
                       .pattern = schedule::Pattern::bucket},
    planner::Algorithm{.name = "swing",
                       .idea = "partners near by along the axes split the vector and put it together again",
                       .cost = "2 ceil(log2 p) a + 2nb/(2d), times 1.19 on two axes, 1.03 on three",
                       .source = "De Sensi and others, Swing, NSDI 2024",
                       .applies = applies_to_grid<swing_solves>,
                       .build = build_on_grid<swing>,
                       .pattern = schedule::Pattern::swing},
    planner::Algorithm{.name = "swing_blocks",
                       .idea = "as swing, where each block goes on as soon as it is there",
                       .cost = "as swing; reducescatter and allgather half of that",
                       .source = "De Sensi and others, Swing, NSDI 2024",
                       .applies = applies_to_grid<swing_blocks_solve>,
                       .build = build_on_grid<swing_blocks>},
    planner::Algorithm{.name = "swing_whole",
                       .idea = "partners near by along the axes exchange all they have",
                       .cost = "log2(p) messages of all that a rank has",
                       .source = "De Sensi and others, Swing, NSDI 2024",
                       .applies = applies_to_grid<swing_whole_solves>,
                       .build = build_on_grid<swing_whole>,
                       .pattern = schedule::Pattern::swing_whole},
    planner::Algorithm{.name = "axis_exchange",
                       .idea = "everybody hears everybody along one axis after another",
                       .cost = "d axes: as many hops as the diameter has, times a + nb/d",
                       .source = "-",
                       .applies = applies_to_grid<axis_exchange_solves>,
                       .build = build_on_grid<axis_exchange>,
                       .pattern = schedule::Pattern::axis_exchange},
    planner::Algorithm{.name = "axis_trees",
                       .idea = "a tree for each link of a chip, along the axes in turn",
                       .cost = "d axes of k: (d(k-1)+1) a + nb/(2d) on a torus, nb/d on a mesh",
                       .source = "Edmonds, Edge-disjoint branchings, 1973",
                       .applies = applies_to_grid<axis_trees_solve>,
                       .build = build_on_grid<axis_trees>,
                       .pattern = schedule::Pattern::axis_trees},
    planner::Algorithm{.name = "block_trees",
                       .idea = "blocks go along a tree for each link of the root",
                       .cost = "d axes of k, blocks of n: (d(k-1)+1) a + (p-1) nb/(2d) on a torus, at a corner of a mesh (p-1) nb/d",
                       .source = "Edmonds, Edge-disjoint branchings, 1973",
                       .applies = applies_to_grid<tree_blocks_solve>,
                       .build = build_on_grid<tree_blocks>},
    planner::Algorithm{.name = "dimension_order",
                       .idea = "blocks go along one axis after another, from neighbour to neighbour",
                       .cost = "d axes of k, blocks of n: dk/2 a + pk/8 nb",
                       .source = "Basu and others, arXiv 2309.13541, 2023",
                       .applies = applies_to_grid<dimension_order_solves>,
                       .build = build_on_grid<dimension_order>},
};

}  // namespace

std::span<const planner::Algorithm> algorithms() { return kAlgorithms; }

}  // namespace tutti::algorithms::torus
