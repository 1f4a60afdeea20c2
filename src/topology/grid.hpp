// SPDX-License-Identifier: Apache-2.0
// The grid that the ranks of a torus or mesh lie on, for algorithms that go along its axes.
//
// Twisted tori: crossing the wrap of an axis of n moves by n along each axis of 2n. A walk along one axis then comes back after 2n steps, not n, and
// yet a torus with doubled axes can be worked through axis by axis: see AxisOrder.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "topology/topology.hpp"

namespace tutti::topology {

inline constexpr uint32_t kMostGridAxes = 4;

enum class Direction : uint8_t { up, down };

struct GridAxis {
  uint32_t length = 2;
  bool wraps = false;        // the last is beside the first; not if there are but two
  uint32_t stride = 1;       // from a rank to the next along the axis
  uint64_t bytes_per_s = 1;  // of a link along it, where they are fastest

  bool operator==(const GridAxis&) const = default;
};

using GridPoint = std::array<uint32_t, kMostGridAxes>;

// Immutable.
class Grid {
 public:
  // Of a fabric that is one torus, mesh or ring with a rank for each chip; axes of one chip are left out. Nothing for other machines, single chips, and
  // grids of more than kMostGridAxes axes.
  static std::optional<Grid> of(const Topology& topology);

  uint32_t rank_count() const { return rank_count_; }
  uint32_t axis_count() const { return static_cast<uint32_t>(axes_.size()); }
  const GridAxis& axis(uint32_t index) const { return axes_[index]; }
  bool wraps() const;  // some axis does
  bool is_twisted() const { return twist_ != 0; }

  GridPoint point_of(uint32_t rank) const;
  uint32_t rank_at(const GridPoint& point) const;
  // So many steps up each axis, fewer than its length, lead from one rank to another.
  GridPoint offsets(uint32_t from, uint32_t to) const;
  // One step along an axis; without a wrap not beyond its ends.
  uint32_t neighbour(uint32_t rank, uint32_t axis, Direction direction) const;

 private:
  friend class AxisOrder;

  std::vector<GridAxis> axes_;
  uint32_t rank_count_ = 1;
  uint32_t twist_ = 0;  // the length of the short axes of a twisted torus; 0: it is not
};

// The axes of a grid in turn, and where each rank is in that order: its *place*, a number below window(turn) for each. Going up the axis of turn i adds 1 to
// number i, modulo its window, and leaves the numbers of earlier turns as they are, also across wraps. So blocks numbered by turn i stay with the ranks
// whose earlier numbers are equal, which is all that working through axes in turn needs. On a twisted torus the last turn of long axes takes windows of
// 2n, the others of n: after n steps a walk is n further along an axis that comes later.
class AxisOrder {
 public:
  // The axes from `first` on, then those before it.
  AxisOrder(const Grid& grid, uint32_t first);

  uint32_t turn_count() const { return grid_.axis_count(); }
  uint32_t axis(uint32_t turn) const { return order_[turn]; }
  uint32_t window(uint32_t turn) const { return windows_[turn]; }
  // Ranks that share their numbers of turns up to and with `turn`.
  uint32_t ranks_beyond(uint32_t turn) const;

  GridPoint place_of(uint32_t rank) const;
  uint32_t rank_at(const GridPoint& place) const;

 private:
  uint32_t unit(uint32_t turn) const;  // the long axes that `twist` steps move along, as bits

  const Grid& grid_;  // outlives it
  std::array<uint32_t, kMostGridAxes> order_{};
  std::array<uint32_t, kMostGridAxes> windows_{};
};

// How many shares of a vector are to begin along each axis, so that all axes are busy equally long while it is reduced and spread along them in turn.
// Both directions of axes that wrap are used, each by as many. One an axis where that does it; where shares are done with an axis at different times there
// are several, which follow one another, so that one is on an axis while another is on the next.
std::vector<uint32_t> balanced_shares(const Grid& grid);

}  // namespace tutti::topology
