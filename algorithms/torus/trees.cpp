// SPDX-License-Identifier: Apache-2.0
// With n bytes, d axes of k chips, a latency and b seconds per byte of a link: (d(k-1) + 1)a + nb/(2d) on a torus when sliced finely, the least there is,
// since a chip has no more than 2d links; and about as much latency + nb/d on a mesh, whose corners have d links. A chip can be entered by as many trees
// as it has ways in (Edmonds, "Edge-disjoint branchings", 1973); here they can be written down.
//
// On a torus, tree i goes up from the root along axis i, from there up along the next axis, and so on in a circle; what lies in the root's plane across axis i
// is reached at last, by the wrap of axis i. So a chip with offsets v from the root is entered along axis i where v[i] is 0, and else along the last axis, in
// that circle, of which it has an offset: the axes with offsets change places in a circle, and so no two trees enter a chip along the same axis.
// Mirrored, d more trees go down the axes. Where some axis does not wrap, tree i goes both ways along each axis, and comes into the plane across axis i
// from the one beside it. A reduction goes the same ways back.
#include "algorithms/torus/trees.hpp"

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "algorithms/ranks.hpp"
#include "algorithms/torus/axis_tree.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::torus {
namespace {

using namespace schedule;
using topology::Grid;

// Partial results pass through two slots in turn, so that of a vector these take a quarter.
constexpr uint32_t kPiecesThroughScratch = 8;

Schedule broadcast(const Problem& problem, const std::vector<AxisTree>& trees, uint32_t rank) {
  const auto tree_count = static_cast<uint32_t>(trees.size());
  Builder builder({.rank = rank, .chunk_count = tree_count, .parts = 1});
  for (uint32_t chunk = 0; chunk < tree_count; ++chunk) {
    const AxisTree& tree = trees[chunk];
    Span place = input(chunk);
    std::vector<WaitFor> came;
    if (const std::optional<uint32_t> parent = tree.parent(rank)) {
      came = {{builder.receive(builder.add_lane(channel_of(tree)), *parent, {chunk}, output(chunk)), WaitMode::streaming}};
      place = output(chunk);
    }
    for (const uint32_t child : tree.children(rank)) {
      builder.send(builder.add_lane(channel_of(tree)), child, {chunk}, place, {.waits = came});
    }
  }
  if (rank == problem.root && problem.in_place == InPlace::no) {
    builder.copy(builder.add_lane(), {0, tree_count}, {.source = input(0), .target = output(0)});
  }
  return std::move(builder).build();
}

Schedule reduce(const Problem& problem, const std::vector<AxisTree>& trees, uint32_t rank) {
  const auto tree_count = static_cast<uint32_t>(trees.size());
  Builder builder({.rank = rank, .chunk_count = tree_count * kPiecesThroughScratch, .parts = 1});
  for (uint32_t index = 0; index < tree_count; ++index) {
    const AxisTree& tree = trees[index];
    const std::optional<uint32_t> parent = tree.parent(rank);
    const std::vector<uint32_t> children = tree.children(rank);
    std::vector<LaneId> receiving;
    for (size_t child = 0; child < children.size(); ++child) {
      receiving.push_back(builder.add_lane(channel_of(tree)));
    }
    const LaneId sending = builder.add_lane(channel_of(tree));
    const uint32_t slots = parent && !children.empty() ? builder.add_scratch(2) : 0;
    std::array<StepId, 2> left;
    for (uint32_t piece = 0; piece < kPiecesThroughScratch; ++piece) {
      const uint32_t chunk = index * kPiecesThroughScratch + piece;
      Span place = input(chunk);
      std::vector<WaitFor> waits;
      if (parent && piece >= 2) {
        waits.push_back({left[piece % 2], WaitMode::complete});
      }
      const Span target = parent ? scratch(slots + piece % 2) : output(chunk);
      for (size_t child = 0; child < children.size(); ++child) {
        const bool completes = rank == problem.root && child + 1 == children.size();
        const StepId reduced = builder.receive_reduce(receiving[child], children[child], {chunk}, {.source = place, .target = target},
                                                      {.operands = operands_of(rank, children[child]),
                                                       .final = completes ? Final::yes : Final::no,
                                                       .waits = std::move(waits)});
        waits = {{reduced, WaitMode::streaming}};
        place = target;
      }
      if (parent) {
        left[piece % 2] = builder.send(sending, *parent, {chunk}, place, {.waits = children.empty() ? std::vector<WaitFor>{} : waits});
      }
    }
  }
  return std::move(builder).build();
}

}  // namespace

bool axis_trees_solve(const Problem& problem, const Grid&) {
  return problem.collective == Collective::broadcast || problem.collective == Collective::reduce;
}

Schedule axis_trees(const Problem& problem, const Grid& grid, uint32_t rank) {
  const std::vector<AxisTree> trees = axis_trees_of(grid, problem.root);
  return problem.collective == Collective::broadcast ? broadcast(problem, trees, rank) : reduce(problem, trees, rank);
}

}  // namespace tutti::algorithms::torus
