// SPDX-License-Identifier: Apache-2.0
#include "topology/swing.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <utility>

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

bool Swing::fits_even(const Grid& grid) {
  for (uint32_t index = 0; index < grid.axis_count(); ++index) {
    const GridAxis& axis = grid.axis(index);
    if (axis.length % 2 != 0 || axis.length > kMostEven || !(axis.wraps || axis.length == 2)) {
      return false;
    }
  }
  return true;
}

Swing::Swing(const Grid& grid, uint32_t first, Mirror mirror) : grid_(grid), mirror_(mirror) {
  assert(fits(grid) || fits_even(grid));
  std::vector<uint32_t> taken(grid.axis_count(), 0);
  std::vector<int64_t> distances(grid.axis_count(), 0);
  bool more = true;
  while (more) {
    more = false;
    for (uint32_t turn = 0; turn < grid.axis_count(); ++turn) {
      const uint32_t axis = (first + turn) % grid.axis_count();
      const auto length = static_cast<int64_t>(grid.axis(axis).length);
      const auto all = static_cast<uint32_t>(std::countr_zero(std::bit_ceil(grid.axis(axis).length)));
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
  for (uint32_t axis = 0; fits_even(grid) && axis < grid.axis_count(); ++axis) {
    settle_axis(axis);
  }
}

// Of each target, who has it, from the last step to the first.
void Swing::settle_axis(uint32_t axis) {
  const uint32_t length = grid_.axis(axis).length;
  leaves_[axis].assign(size_t{length} * length, static_cast<uint8_t>(step_count()));
  for (uint32_t target = 0; target < length; ++target) {
    std::vector<bool> has(length, false);
    has[target] = true;
    for (uint32_t step = step_count(); step-- > 0;) {
      if (steps_[step].axis != axis) {
        continue;
      }
      const std::vector<bool> had = has;
      for (uint32_t position = 0; position < length; ++position) {
        const uint32_t other = partner(position, steps_[step]);
        if (!had[position] && had[other]) {
          has[position] = true;
          leaves_[axis][size_t{position} * length + target] = static_cast<uint8_t>(step);
        }
      }
    }
  }
}

uint32_t Swing::leaves(uint32_t rank, uint32_t target) const {
  const GridPoint here = grid_.point_of(rank);
  const GridPoint there = grid_.point_of(target);
  uint32_t first = step_count();
  for (uint32_t axis = 0; axis < grid_.axis_count(); ++axis) {
    first = std::min<uint32_t>(first, leaves_[axis][size_t{here[axis]} * grid_.axis(axis).length + there[axis]]);
  }
  return first;
}

// In the order of the ways on which ranks are reached from rank 0, a bit for each step.
std::vector<uint32_t> Swing::numbers() const {
  std::vector<std::pair<uint64_t, uint32_t>> ways;
  for (uint32_t target = 0; target < grid_.rank_count(); ++target) {
    uint64_t way = 0;
    uint32_t here = 0;
    for (uint32_t step = 0; step < step_count(); ++step) {
      const bool moves = leaves(here, target) == step;
      way = 2 * way + (moves ? 1 : 0);
      here = moves ? peer(here, step) : here;
    }
    ways.emplace_back(way, target);
  }
  std::sort(ways.begin(), ways.end());
  std::vector<uint32_t> numbers(ways.size());
  for (uint32_t number = 0; number < ways.size(); ++number) {
    numbers[ways[number].second] = number;
  }
  return numbers;
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
