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

bool Swing::fits_any(const Grid& grid) {
  for (uint32_t index = 0; index < grid.axis_count(); ++index) {
    const GridAxis& axis = grid.axis(index);
    if (axis.length > kMostLength || !(axis.wraps || axis.length == 2)) {
      return false;
    }
  }
  return true;
}

Swing::Swing(const Grid& grid, uint32_t first, Mirror mirror) : grid_(grid), mirror_(mirror) {
  assert(fits(grid) || fits_any(grid));
  std::vector<uint32_t> taken(grid.axis_count(), 0);
  std::vector<int64_t> distances(grid.axis_count(), 0);
  bool more = true;
  while (more) {
    more = false;
    for (uint32_t turn = 0; turn < grid.axis_count(); ++turn) {
      const uint32_t axis = (first + turn) % grid.axis_count();
      const auto length = static_cast<int64_t>(partner_count(axis));
      const auto all = static_cast<uint32_t>(std::countr_zero(std::bit_ceil(partner_count(axis))));
      if (taken[axis] == all) {
        continue;
      }
      distances[axis] += taken[axis] % 2 == 0 ? int64_t{1} << taken[axis] : -(int64_t{1} << taken[axis]);
      ++taken[axis];
      const bool is_backwards = mirror == Mirror::yes && !single(axis);
      const int64_t distance = is_backwards ? -distances[axis] : distances[axis];
      steps_.push_back({.axis = axis, .distance = static_cast<uint32_t>((distance % length + length) % length), .remaining = all - taken[axis]});
      more = true;
    }
  }
  for (uint32_t axis = 0; fits_any(grid) && axis < grid.axis_count(); ++axis) {
    settle_axis(axis);
  }
}

std::optional<uint32_t> Swing::single(uint32_t axis) const {
  const uint32_t length = grid_.axis(axis).length;
  return length % 2 == 0 ? std::nullopt : std::optional(mirror_ == Mirror::no ? length - 1 : 0);
}

// Of each target, who has it, from the last step to the first.
void Swing::settle_axis(uint32_t axis) {
  const uint32_t length = grid_.axis(axis).length;
  leaves_[axis].assign(size_t{length} * length, {.step = static_cast<uint8_t>(step_count()), .position = 0});
  for (uint32_t target = 0; target < length; ++target) {
    if (target == single(axis)) {
      continue;
    }
    std::vector<bool> has(length, false);
    has[target] = true;
    for (uint32_t step = step_count(); step-- > 0;) {
      if (steps_[step].axis != axis) {
        continue;
      }
      const std::vector<bool> had = has;
      for (uint32_t position = 0; position < length; ++position) {
        const uint32_t other = position == single(axis) ? position : partner(position, steps_[step]);
        if (!had[position] && had[other]) {
          has[position] = true;
          leaves_[axis][index_of(axis, position, target)] = {.step = static_cast<uint8_t>(step), .position = static_cast<uint8_t>(other)};
        }
      }
    }
  }
  if (single(axis)) {
    settle_single(axis);
  }
}

void Swing::settle_single(uint32_t axis) {
  const uint32_t length = grid_.axis(axis).length;
  const uint32_t alone = *single(axis);
  uint32_t rest = length - 1;
  uint32_t next = 0;  // to either side in turn
  for (uint32_t step = 0; step < step_count(); ++step) {
    if (steps_[step].axis != axis) {
      continue;
    }
    const uint32_t count = steps_[step].remaining == 0 ? rest : (rest + 1) / 2;
    rest -= count;
    for (const uint32_t end = next + count; next < end; ++next) {
      const uint32_t apart = next / 2 + 1;
      const uint32_t other = (alone + (next % 2 == 0 ? apart : length - apart)) % length;
      leaves_[axis][index_of(axis, alone, other)] = {.step = static_cast<uint8_t>(step), .position = static_cast<uint8_t>(other)};
      leaves_[axis][index_of(axis, other, alone)] = {.step = static_cast<uint8_t>(step), .position = static_cast<uint8_t>(alone)};
    }
  }
}

uint32_t Swing::moved(uint32_t rank, uint32_t axis, uint32_t position) const {
  GridPoint point = grid_.point_of(rank);
  point[axis] = position;
  return grid_.rank_at(point);
}

Swing::Exchange Swing::leaves(uint32_t rank, uint32_t target) const {
  const GridPoint here = grid_.point_of(rank);
  const GridPoint there = grid_.point_of(target);
  Exchange first{.step = step_count(), .peer = rank};
  uint32_t along = 0;
  uint32_t position = 0;
  for (uint32_t axis = 0; axis < grid_.axis_count(); ++axis) {
    const Leaving& leaving = leaves_[axis][index_of(axis, here[axis], there[axis])];
    if (leaving.step < first.step) {
      first.step = leaving.step;
      along = axis;
      position = leaving.position;
    }
  }
  first.peer = first.step == step_count() ? rank : moved(rank, along, position);
  return first;
}

std::vector<uint32_t> Swing::peers(uint32_t rank, uint32_t step) const {
  const uint32_t axis = steps_[step].axis;
  const uint32_t here = grid_.point_of(rank)[axis];
  const std::optional<uint32_t> alone = single(axis);
  if (!alone) {
    return {peer(rank, step)};
  }
  std::vector<uint32_t> found;
  if (here != *alone) {
    found.push_back(peer(rank, step));
    if (leaves_[axis][index_of(axis, here, *alone)].step == step) {
      found.push_back(moved(rank, axis, *alone));
    }
    return found;
  }
  for (uint32_t position = 0; position < grid_.axis(axis).length; ++position) {
    if (leaves_[axis][index_of(axis, here, position)].step == step) {
      found.push_back(moved(rank, axis, position));
    }
  }
  return found;
}

// In the order of the ways on which ranks are reached from one that has partners, a digit for each step: it stays, goes to its partner, or to one without.
std::vector<uint32_t> Swing::numbers() const {
  GridPoint beginning{};
  for (uint32_t axis = 0; axis < grid_.axis_count(); ++axis) {
    beginning[axis] = single(axis) == 0u ? 1 : 0;
  }
  std::vector<std::pair<uint64_t, uint32_t>> ways;
  for (uint32_t target = 0; target < grid_.rank_count(); ++target) {
    uint64_t way = 0;
    uint32_t here = grid_.rank_at(beginning);
    for (uint32_t step = 0; step < step_count(); ++step) {
      const Exchange next = leaves(here, target);
      const bool moves = next.step == step;
      const uint32_t axis = steps_[step].axis;
      way = 3 * way + (!moves ? 0 : grid_.point_of(next.peer)[axis] == single(axis) ? 2 : 1);
      here = moves ? next.peer : here;
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
  const uint32_t count = partner_count(step.axis);
  const uint32_t before = single(step.axis) == 0u ? 1 : 0;  // not on the ring
  const uint32_t place = before == 0 ? position : count - position;
  const uint32_t found = (place + (place % 2 == 0 ? step.distance : count - step.distance)) % count;
  return before == 0 ? found : count - found;
}

uint32_t Swing::peer(uint32_t rank, uint32_t step) const {
  const uint32_t axis = steps_[step].axis;
  return moved(rank, axis, partner(grid_.point_of(rank)[axis], steps_[step]));
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
