// SPDX-License-Identifier: Apache-2.0
#include "topology/swing.hpp"

#include <algorithm>
#include <bit>
#include <cassert>

namespace tutti::topology {

bool Swing::fits(const Grid& grid) {
  for (uint32_t index = 0; index < grid.axis_count(); ++index) {
    const GridAxis& axis = grid.axis(index);
    if (!std::has_single_bit(axis.length) || !(axis.wraps || axis.length == 2)) {
      return false;
    }
  }
  return true;
}

Swing::Swing(const Grid& grid, uint32_t first, Mirror mirror) : grid_(grid), mirror_(mirror) {
  assert(fits(grid));
  std::vector<uint32_t> taken(grid.axis_count(), 0);
  std::vector<int64_t> distances(grid.axis_count(), 0);
  bool more = true;
  while (more) {
    more = false;
    for (uint32_t turn = 0; turn < grid.axis_count(); ++turn) {
      const uint32_t axis = (first + turn) % grid.axis_count();
      const auto length = static_cast<int64_t>(grid.axis(axis).length);
      const auto all = static_cast<uint32_t>(std::countr_zero(grid.axis(axis).length));
      if (taken[axis] == all) {
        continue;
      }
      distances[axis] += taken[axis] % 2 == 0 ? int64_t{1} << taken[axis] : -(int64_t{1} << taken[axis]);
      ++taken[axis];
      const int64_t distance = mirror == Mirror::no ? distances[axis] : -distances[axis];
      steps_.push_back({.axis = axis, .distance = static_cast<uint32_t>((distance % length + length) % length), .remaining = all - taken[axis]});
      more = true;
    }
  }
}

uint32_t Swing::partner(uint32_t position, const Step& step) const {
  const uint32_t length = grid_.axis(step.axis).length;
  return (position + (position % 2 == 0 ? step.distance : length - step.distance)) % length;
}

uint32_t Swing::peer(uint32_t rank, uint32_t step) const {
  GridPoint point = grid_.point_of(rank);
  point[steps_[step].axis] = partner(point[steps_[step].axis], steps_[step]);
  return grid_.rank_at(point);
}

// Along an axis, the positions that the steps after one reach from another are those a multiple of 4, 8, ... away, and the same around its next partner. In
// each step a position is on the side of the one that stands for both, `here`, or of that one's partner.
uint32_t Swing::number_of(uint32_t rank) const {
  const GridPoint point = grid_.point_of(rank);
  GridPoint here{};
  uint32_t number = 0;
  for (uint32_t index = 0; index < step_count(); ++index) {
    const Step& step = steps_[index];
    const uint32_t length = grid_.axis(step.axis).length;
    const uint32_t own = point[step.axis];
    uint32_t& position = here[step.axis];
    bool is_here = own == position;
    if (step.remaining != 0) {
      const auto next = std::find_if(steps_.begin() + index + 1, steps_.end(), [&](const Step& later) { return later.axis == step.axis; });
      const uint32_t apart = length >> (step.remaining - 1);  // 2^(s+2) after step s
      const uint32_t reached = own % 2 == position % 2 ? position : partner(position, *next);
      is_here = (own + length - reached) % apart == 0;
    }
    number = 2 * number + (is_here ? 0 : 1);
    position = is_here ? position : partner(position, step);
  }
  return number;
}

}  // namespace tutti::topology
