// SPDX-License-Identifier: Apache-2.0
#include "topology/grid.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <numeric>

namespace tutti::topology {
namespace {

// The most shares that are tried, and what more of them must gain, in thousandths.
constexpr uint32_t kMostShares = 12;
constexpr uint64_t kLeastGainPerMille = 15;
// So many an axis where shares must overlap.
constexpr uint32_t kOverlappingShares = 8;
constexpr uint64_t kWhole = uint64_t{1} << 24;

bool is_grid(LevelKind kind) { return kind == LevelKind::torus || kind == LevelKind::mesh || kind == LevelKind::ring; }

// The one level that joins chips, if it is one.
const FabricLevel* grid_level(const Topology& topology) {
  if (topology.fabric() == nullptr || topology.fabric()->chip_count() != topology.rank_count()) {
    return nullptr;
  }
  const FabricLevel* found = nullptr;
  for (const FabricLevel& level : topology.fabric()->levels()) {
    if (level.unit_count <= 1) {
      continue;
    }
    if (found != nullptr || !is_grid(level.kind) || level.chips_per_unit != 1) {
      return nullptr;
    }
    found = &level;
  }
  return found;
}

// How long each axis is busy.
using Loads = std::array<uint64_t, kMostGridAxes>;

// With the whole vector, by the axis that it begins with.
std::vector<Loads> loads_by_first_axis(const Grid& grid) {
  uint64_t fastest = 1;
  for (uint32_t axis = 0; axis < grid.axis_count(); ++axis) {
    fastest = std::max(fastest, grid.axis(axis).bytes_per_s);
  }
  std::vector<Loads> loads(grid.axis_count());
  for (uint32_t first = 0; first < grid.axis_count(); ++first) {
    const AxisOrder order(grid, first);
    uint64_t volume = kWhole;
    for (uint32_t turn = 0; turn < grid.axis_count(); ++turn) {
      const GridAxis& axis = grid.axis(order.axis(turn));
      const uint64_t moved = volume / order.window(turn) * (order.window(turn) - 1) / (axis.wraps ? 2 : 1);
      loads[first][order.axis(turn)] = moved * (fastest * 64 / axis.bytes_per_s);
      volume /= order.window(turn);
    }
  }
  return loads;
}

// Whether shares are all done with a turn at the same time, on all chips: not at the ends of lines, nor if they differ.
bool takes_turns_in_step(const Grid& grid, const std::vector<uint32_t>& counts) {
  if (grid.axis_count() == 1) {
    return true;
  }
  for (uint32_t axis = 0; axis < grid.axis_count(); ++axis) {
    if (counts[axis] != 1 || !(grid.axis(axis).wraps || grid.axis(axis).length == 2)) {
      return false;
    }
  }
  return true;
}

struct Shares {
  std::vector<uint32_t> counts;  // by the axis that they begin with
  uint64_t longest = std::numeric_limits<uint64_t>::max();
};

// All ways to write `total` as the sum of `counts` from `first` on.
template <typename Visit>
void for_each_sum(uint32_t total, size_t first, std::vector<uint32_t>& counts, const Visit& visit) {
  if (first + 1 == counts.size()) {
    counts[first] = total;
    visit();
    return;
  }
  for (uint32_t count = 0; count <= total; ++count) {
    counts[first] = count;
    for_each_sum(total - count, first + 1, counts, visit);
  }
}

}  // namespace

std::optional<Grid> Grid::of(const Topology& topology) {
  const FabricLevel* const level = grid_level(topology);
  if (level == nullptr) {
    return std::nullopt;
  }
  Grid grid;
  uint32_t stride = 1;
  Route route;
  for (size_t axis = 0; axis < level->dims.size(); ++axis) {
    const uint32_t length = level->dims[axis];
    if (length > 1) {
      route.links.clear();
      topology.fabric()->route(0, stride, 0, &route);
      if (route.links.size() != 1 || grid.axes_.size() == kMostGridAxes) {
        return std::nullopt;
      }
      grid.axes_.push_back({.length = length,
                            .wraps = level->wraps[axis] && length > 2,
                            .stride = stride,
                            .bytes_per_s = std::max<uint64_t>(topology.fabric()->bytes_per_s(route.links.front()), 1)});
    }
    stride *= length;
  }
  grid.rank_count_ = stride;
  if (level->is_twisted) {
    grid.twist_ = std::min_element(grid.axes_.begin(), grid.axes_.end(), [](const GridAxis& left, const GridAxis& right) {
                    return left.length < right.length;
                  })->length;
  }
  return grid;
}

bool Grid::wraps() const {
  return std::any_of(axes_.begin(), axes_.end(), [](const GridAxis& axis) { return axis.wraps; });
}

GridPoint Grid::point_of(uint32_t rank) const {
  GridPoint point{};
  for (uint32_t index = 0; index < axis_count(); ++index) {
    point[index] = rank / axes_[index].stride % axes_[index].length;
  }
  return point;
}

uint32_t Grid::rank_at(const GridPoint& point) const {
  uint32_t rank = 0;
  for (uint32_t index = 0; index < axis_count(); ++index) {
    rank += point[index] * axes_[index].stride;
  }
  return rank;
}

GridPoint Grid::offsets(uint32_t from, uint32_t to) const {
  const GridPoint start = point_of(from);
  GridPoint steps = point_of(to);
  uint32_t halves = 0;  // how often short axes of a twisted torus have wrapped
  for (uint32_t axis = 0; axis < axis_count(); ++axis) {
    const bool crosses = steps[axis] < start[axis];
    steps[axis] += (crosses ? axes_[axis].length : 0) - start[axis];
    halves += crosses && axes_[axis].length == twist_ ? 1 : 0;
  }
  for (uint32_t axis = 0; axis < axis_count(); ++axis) {
    steps[axis] = axes_[axis].length == 2 * twist_ ? (steps[axis] + halves * twist_) % axes_[axis].length : steps[axis];
  }
  return steps;
}

uint32_t Grid::neighbour(uint32_t rank, uint32_t axis, Direction direction) const {
  GridPoint point = point_of(rank);
  const uint32_t length = axes_[axis].length;
  const bool is_up = direction == Direction::up;
  const bool crosses = point[axis] == (is_up ? length - 1 : 0);
  assert(!crosses || axes_[axis].wraps);
  point[axis] = (point[axis] + (is_up ? 1 : length - 1)) % length;
  for (uint32_t other = 0; crosses && length == twist_ && other < axis_count(); ++other) {
    if (axes_[other].length == 2 * twist_) {
      point[other] = (point[other] + twist_) % axes_[other].length;
    }
  }
  return rank_at(point);
}

AxisOrder::AxisOrder(const Grid& grid, uint32_t first) : grid_(grid) {
  for (uint32_t turn = 0; turn < turn_count(); ++turn) {
    order_[turn] = (first + turn) % turn_count();
    windows_[turn] = grid.twist_ == 0 ? grid.axis(order_[turn]).length : grid.twist_;
  }
  // What later turns reach in steps of `twist`, as a table over sets of long axes. A turn that leads out of it takes a window twice as long.
  std::vector<uint32_t> reached = {0};
  for (uint32_t turn = turn_count(); grid.twist_ != 0 && turn-- > 0;) {
    if (std::find(reached.begin(), reached.end(), unit(turn)) == reached.end()) {
      windows_[turn] = 2 * grid.twist_;
      const size_t count = reached.size();
      for (size_t index = 0; index < count; ++index) {
        reached.push_back(reached[index] ^ unit(turn));
      }
    }
  }
}

uint32_t AxisOrder::unit(uint32_t turn) const {
  uint32_t all = 0;
  for (uint32_t axis = 0; axis < turn_count(); ++axis) {
    all |= grid_.axis(axis).length == 2 * grid_.twist_ ? 1U << axis : 0;
  }
  const uint32_t own = 1U << order_[turn];
  return (all & own) != 0 ? own : all;
}

uint32_t AxisOrder::ranks_beyond(uint32_t turn) const {
  uint32_t count = 1;
  while (++turn < turn_count()) {
    count *= windows_[turn];
  }
  return count;
}

GridPoint AxisOrder::place_of(uint32_t rank) const {
  const GridPoint point = grid_.point_of(rank);
  GridPoint place{};
  if (grid_.twist_ == 0) {
    for (uint32_t turn = 0; turn < turn_count(); ++turn) {
      place[turn] = point[order_[turn]];
    }
    return place;
  }
  // Which doubled windows are in their second half: as the long axes are in theirs, few enough to try all.
  for (uint32_t halves = 0; halves < 1U << turn_count(); ++halves) {
    bool fits = true;
    for (uint32_t turn = 0; turn < turn_count(); ++turn) {
      const bool second = (halves >> turn & 1) != 0;
      fits = fits && (!second || windows_[turn] == 2 * grid_.twist_);
      place[turn] = point[order_[turn]] % grid_.twist_ + (second ? grid_.twist_ : 0);
    }
    if (fits && rank_at(place) == rank) {
      return place;
    }
  }
  assert(false);
  return place;
}

uint32_t AxisOrder::rank_at(const GridPoint& place) const {
  GridPoint point{};
  uint32_t halves = 0;
  for (uint32_t turn = 0; turn < turn_count(); ++turn) {
    const bool second = grid_.twist_ != 0 && place[turn] >= grid_.twist_;
    point[order_[turn]] = place[turn] - (second ? grid_.twist_ : 0);
    halves ^= second ? unit(turn) : 0;
  }
  for (uint32_t axis = 0; axis < turn_count(); ++axis) {
    point[axis] += (halves >> axis & 1) != 0 ? grid_.twist_ : 0;
  }
  return grid_.rank_at(point);
}

std::vector<uint32_t> balanced_shares(const Grid& grid) {
  const std::vector<Loads> loads = loads_by_first_axis(grid);
  Shares best;
  Shares shares{.counts = std::vector<uint32_t>(grid.axis_count())};
  for (uint32_t total = 1; total <= kMostShares; ++total) {
    Shares best_of_total;
    for_each_sum(total, 0, shares.counts, [&] {
      shares.longest = 0;
      for (uint32_t axis = 0; axis < grid.axis_count(); ++axis) {
        uint64_t load = 0;
        for (uint32_t first = 0; first < grid.axis_count(); ++first) {
          load += shares.counts[first] * loads[first][axis];
        }
        shares.longest = std::max(shares.longest, load / total);
      }
      if (shares.longest < best_of_total.longest) {
        best_of_total = shares;
      }
    });
    if (best.counts.empty() || best_of_total.longest < best.longest / 1000 * (1000 - kLeastGainPerMille)) {
      best = best_of_total;
    }
  }
  if (!takes_turns_in_step(grid, best.counts)) {
    const uint32_t total = std::accumulate(best.counts.begin(), best.counts.end(), 0u);
    const uint32_t factor = (kOverlappingShares * grid.axis_count() + total - 1) / total;
    for (uint32_t& count : best.counts) {
      count *= factor;
    }
  }
  return best.counts;
}

}  // namespace tutti::topology
