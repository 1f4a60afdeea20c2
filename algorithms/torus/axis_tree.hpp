// SPDX-License-Identifier: Apache-2.0
// Spanning trees of a torus or mesh that share no link in one direction; how they run is told in trees.cpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <vector>

#include "algorithms/ranks.hpp"
#include "topology/grid.hpp"

namespace tutti::algorithms::torus {

// All up the axes, all down them, or both ways, each as far as it is nearer.
enum class Ways : uint8_t { up, down, both };

class AxisTree {
 public:
  AxisTree(const topology::Grid& grid, uint32_t root, uint32_t first, Ways ways) : grid_(grid), root_(root), first_(first), ways_(ways) {}

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
      return neighbour(rank, axis, ways_ == Ways::up ? topology::Direction::down : topology::Direction::up);
    }
    if (offsets[axis] != 0) {
      return neighbour(rank, axis, offsets[axis] > 0 ? topology::Direction::down : topology::Direction::up);
    }
    const bool is_at_end = grid_.point_of(rank)[axis] + 1 == grid_.axis(axis).length;
    return neighbour(rank, axis, is_at_end ? topology::Direction::down : topology::Direction::up);
  }

  std::vector<uint32_t> children(uint32_t rank) const {
    std::vector<uint32_t> found;
    for (uint32_t axis = 0; axis < grid_.axis_count(); ++axis) {
      const uint32_t place = grid_.point_of(rank)[axis];
      const bool is_pair = grid_.axis(axis).length == 2;  // whose only neighbour is up and down
      for (const topology::Direction direction : {topology::Direction::up, topology::Direction::down}) {
        const bool is_end = place == (direction == topology::Direction::up ? grid_.axis(axis).length - 1 : 0);
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
  uint32_t neighbour(uint32_t rank, uint32_t axis, topology::Direction direction) const {
    const bool is_pair = grid_.axis(axis).length == 2;
    return grid_.neighbour(rank, axis, !is_pair ? direction : grid_.point_of(rank)[axis] == 0 ? topology::Direction::up : topology::Direction::down);
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

  const topology::Grid& grid_;
  uint32_t root_;
  uint32_t first_;
  Ways ways_;
};

// A torus may have axes of two, whose chips are joined in both directions.
inline bool is_torus(const topology::Grid& grid) {
  for (uint32_t axis = 0; axis < grid.axis_count(); ++axis) {
    if (!grid.axis(axis).wraps && grid.axis(axis).length != 2) {
      return false;
    }
  }
  return grid.wraps();
}

inline std::vector<AxisTree> axis_trees_of(const topology::Grid& grid, uint32_t root) {
  std::vector<AxisTree> trees;
  for (const Ways ways : is_torus(grid) ? std::vector{Ways::up, Ways::down} : std::vector{Ways::both}) {
    for (uint32_t first = 0; first < grid.axis_count(); ++first) {
      trees.emplace_back(grid, root, first, ways);
    }
  }
  return trees;
}

// A channel for each direction, since between two chips of an axis both have the same link.
inline uint32_t channel_of(const AxisTree& tree) { return tree.ways() == Ways::down ? 1 : 0; }

}  // namespace tutti::algorithms::torus
