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

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::torus {
namespace {

using namespace schedule;
using topology::Direction;
using topology::Grid;

// Partial results pass through two slots in turn, so that of a vector these take a quarter.
constexpr uint32_t kPiecesThroughScratch = 8;

// All up the axes, all down them, or both ways, each as far as it is nearer.
enum class Ways : uint8_t { up, down, both };

class Tree {
 public:
  Tree(const Grid& grid, uint32_t root, uint32_t first, Ways ways) : grid_(grid), root_(root), first_(first), ways_(ways) {}

  Ways ways() const { return ways_; }

  // None of the root.
  std::optional<uint32_t> parent(uint32_t rank) const {
    if (rank == root_) {
      return std::nullopt;
    }
    const std::array<int64_t, topology::kMostGridAxes> offsets = offsets_of(rank);
    uint32_t axis = first_;
    const Circle axes{grid_.axis_count()};
    for (uint32_t before = 1; offsets[first_] != 0; ++before) {  // ends at the first axis at the latest
      axis = axes.behind(first_, before);
      if (offsets[axis] != 0) {
        break;
      }
    }
    if (ways_ != Ways::both) {
      return neighbour(rank, axis, ways_ == Ways::up ? Direction::down : Direction::up);
    }
    if (offsets[axis] != 0) {
      return neighbour(rank, axis, offsets[axis] > 0 ? Direction::down : Direction::up);
    }
    const bool is_at_end = grid_.point_of(rank)[axis] + 1 == grid_.axis(axis).length;
    return neighbour(rank, axis, is_at_end ? Direction::down : Direction::up);
  }

  std::vector<uint32_t> children(uint32_t rank) const {
    std::vector<uint32_t> found;
    for (uint32_t axis = 0; axis < grid_.axis_count(); ++axis) {
      const uint32_t place = grid_.point_of(rank)[axis];
      const bool is_pair = grid_.axis(axis).length == 2;  // whose only neighbour is up and down
      for (const Direction direction : {Direction::up, Direction::down}) {
        const bool is_end = place == (direction == Direction::up ? grid_.axis(axis).length - 1 : 0);
        if (is_end && !grid_.axis(axis).wraps && (!is_pair || ways_ == Ways::both)) {
          continue;
        }
        const uint32_t next = neighbour(rank, axis, direction);
        if (parent(next) == rank && std::find(found.begin(), found.end(), next) == found.end()) {
          found.push_back(next);
        }
      }
    }
    return found;
  }

 private:
  uint32_t neighbour(uint32_t rank, uint32_t axis, Direction direction) const {
    const bool is_pair = grid_.axis(axis).length == 2;
    return grid_.neighbour(rank, axis, !is_pair ? direction : grid_.point_of(rank)[axis] == 0 ? Direction::up : Direction::down);
  }

  std::array<int64_t, topology::kMostGridAxes> offsets_of(uint32_t rank) const {
    std::array<int64_t, topology::kMostGridAxes> offsets{};
    const topology::GridPoint here = grid_.point_of(rank);
    const topology::GridPoint root = grid_.point_of(root_);
    const topology::GridPoint steps = ways_ == Ways::up ? grid_.offsets(root_, rank) : grid_.offsets(rank, root_);
    for (uint32_t axis = 0; axis < grid_.axis_count(); ++axis) {
      const auto length = static_cast<int64_t>(grid_.axis(axis).length);
      offsets[axis] = steps[axis];
      if (ways_ == Ways::both) {
        offsets[axis] = static_cast<int64_t>(here[axis]) - static_cast<int64_t>(root[axis]);
        if (grid_.axis(axis).wraps && 2 * std::abs(offsets[axis]) > length) {
          offsets[axis] -= offsets[axis] > 0 ? length : -length;
        }
      }
    }
    return offsets;
  }

  const Grid& grid_;
  uint32_t root_;
  uint32_t first_;
  Ways ways_;
};

// A torus may have axes of two, whose chips are joined in both directions.
bool is_torus(const Grid& grid) {
  for (uint32_t axis = 0; axis < grid.axis_count(); ++axis) {
    if (!grid.axis(axis).wraps && grid.axis(axis).length != 2) {
      return false;
    }
  }
  return grid.wraps();
}

std::vector<Tree> trees_of(const Grid& grid, uint32_t root) {
  std::vector<Tree> trees;
  for (const Ways ways : is_torus(grid) ? std::vector{Ways::up, Ways::down} : std::vector{Ways::both}) {
    for (uint32_t first = 0; first < grid.axis_count(); ++first) {
      trees.emplace_back(grid, root, first, ways);
    }
  }
  return trees;
}

// A channel for each direction, since between two chips of an axis both have the same link.
uint32_t channel_of(const Tree& tree) { return tree.ways() == Ways::down ? 1 : 0; }

Schedule broadcast(const Problem& problem, const std::vector<Tree>& trees, uint32_t rank) {
  const auto tree_count = static_cast<uint32_t>(trees.size());
  Builder builder({.rank = rank, .chunk_count = tree_count, .parts = 1});
  for (uint32_t chunk = 0; chunk < tree_count; ++chunk) {
    const Tree& tree = trees[chunk];
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

Schedule reduce(const Problem& problem, const std::vector<Tree>& trees, uint32_t rank) {
  const auto tree_count = static_cast<uint32_t>(trees.size());
  Builder builder({.rank = rank, .chunk_count = tree_count * kPiecesThroughScratch, .parts = 1});
  for (uint32_t index = 0; index < tree_count; ++index) {
    const Tree& tree = trees[index];
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
  const std::vector<Tree> trees = trees_of(grid, problem.root);
  return problem.collective == Collective::broadcast ? broadcast(problem, trees, rank) : reduce(problem, trees, rank);
}

}  // namespace tutti::algorithms::torus
