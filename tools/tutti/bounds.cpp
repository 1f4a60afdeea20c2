// SPDX-License-Identifier: Apache-2.0
// What p ranks with n bytes put through a cut of bandwidth B around s of them (one direction; both are used at once):
//   allreduce                  n, and on average over k sides that are all cut from each other 2(k-1)/k n, since each byte is reduced k-1 times and
//                              sent k-1 times, unless switches do it at a share e of the bandwidth: n/e if the sum comes to all as it leaves them,
//                              else (1+1/k) n/e, since it comes to one chip, which sends it on
//   reduce, broadcast          n
//   reducescatter, allgather   (p-s)/p n
//   gather, scatter            (p-s)/p n around the root
//   alltoall                   s(p-s)/p n, n being what each rank has
//
// Chips of a unit may share ways out. Each chip receives, or sends, (p-1)/p n bytes of a reducescatter, allgather or alltoall, n of a broadcast or reduce
// unless it is the root, and on average 2(p-1)/p n of an allreduce; all of a unit's chips together no more than their links inside and the cut around the
// unit carry. (Not where switches copy or reduce. All units are alike, and one root's part is at most 1/p.)
//
// An allreduce on units of u chips whose links inside and outside are different ones puts each byte through one kind or the other. If j of the u chips send
// their own byte out of the unit, at most one more sends the sum of the rest, and that rest takes t(1-j/u) bytes inside at least, t being 2(u-1)/u, or with
// switches that reduce (1+1/u)/e. So with a share f of the bytes sent straight out, t(1-f) n pass inside and (1+(u-1)f)/u n outside, by chip.
#include "bounds.hpp"

#include <algorithm>
#include <limits>
#include <queue>
#include <set>
#include <utility>

#include "topology/grid.hpp"
#include "topology/traffic.hpp"

namespace tutti::tool {
namespace {

using schedule::Collective;
using topology::Fabric;

// Of those between two chips.
constexpr uint32_t kMostWaysOfPair = 64;

// What the links carry, by link: nothing by those that routing takes for no pair of chips.
std::vector<double> bytes_per_ns_of(const Fabric& fabric) {
  std::vector<double> bytes_per_ns(fabric.link_count(), 0);
  topology::Route route;
  for (uint32_t source = 0; source < fabric.chip_count(); ++source) {
    for (uint32_t target = 0; target < fabric.chip_count(); ++target) {
      const uint32_t ways = source == target ? 0 : std::min(kMostWaysOfPair, fabric.route_count(source, target));
      for (uint32_t way = 0; way < ways; ++way) {
        fabric.route(source, target, way, &route);
        for (const topology::LinkId link : route.links) {
          bytes_per_ns[link] = static_cast<double>(fabric.bytes_per_s(link)) / 1e9;
        }
      }
    }
  }
  return bytes_per_ns;
}

// Dinic's maximum flow from the chips inside to those outside.
class Flow {
 public:
  Flow(const Fabric& fabric, const std::vector<double>& bytes_per_ns, const std::vector<bool>& is_inside) : first_(fabric.node_count() + 2, kNone) {
    const uint32_t source = fabric.node_count();
    const uint32_t sink = source + 1;
    for (topology::LinkId link = 0; link < fabric.link_count(); ++link) {
      const topology::LinkEnds ends = fabric.ends(link);
      add(ends.source, ends.target, bytes_per_ns[link]);
    }
    for (uint32_t chip = 0; chip < fabric.chip_count(); ++chip) {
      is_inside[chip] ? add(source, chip, kEndless) : add(chip, sink, kEndless);
    }
    while (find_levels(source, sink)) {
      next_ = first_;
      while (const double pushed = push(source, sink, kEndless)) {
        total_ += pushed;
      }
    }
  }

  double bytes_per_ns() const { return total_; }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr double kEndless = 1e18;
  static constexpr double kLeast = 1e-6;
  struct Arc {
    uint32_t target;
    uint32_t next;
    double left;
  };

  void add(uint32_t from, uint32_t to, double capacity) {
    arcs_.push_back({to, first_[from], capacity});
    first_[from] = static_cast<uint32_t>(arcs_.size()) - 1;
    arcs_.push_back({from, first_[to], 0});
    first_[to] = static_cast<uint32_t>(arcs_.size()) - 1;
  }
  bool find_levels(uint32_t source, uint32_t sink) {
    levels_.assign(first_.size(), kNone);
    levels_[source] = 0;
    std::queue<uint32_t> nodes({source});
    for (; !nodes.empty(); nodes.pop()) {
      for (uint32_t arc = first_[nodes.front()]; arc != kNone; arc = arcs_[arc].next) {
        if (arcs_[arc].left > kLeast && levels_[arcs_[arc].target] == kNone) {
          levels_[arcs_[arc].target] = levels_[nodes.front()] + 1;
          nodes.push(arcs_[arc].target);
        }
      }
    }
    return levels_[sink] != kNone;
  }
  double push(uint32_t node, uint32_t sink, double most) {
    if (node == sink) {
      return most;
    }
    for (uint32_t& arc = next_[node]; arc != kNone; arc = arcs_[arc].next) {
      const uint32_t target = arcs_[arc].target;
      if (arcs_[arc].left <= kLeast || levels_[target] != levels_[node] + 1) {
        continue;
      }
      if (const double pushed = push(target, sink, std::min(most, arcs_[arc].left)); pushed > 0) {
        arcs_[arc].left -= pushed;
        arcs_[arc ^ 1].left += pushed;
        return pushed;
      }
    }
    return 0;
  }

  std::vector<uint32_t> first_;  // by node
  std::vector<uint32_t> next_;
  std::vector<uint32_t> levels_;
  std::vector<Arc> arcs_;
  double total_ = 0;
};

// How often a vector passes from one of a level's units to its switches, if these reduce and copy; else 0.
double reduced_times(const topology::FabricLevel& level) {
  if (level.multicast_per_mille == 0 || level.reduction_per_mille == 0) {
    return 0;
  }
  const double share = std::max(level.reduction_per_mille, level.multicast_per_mille) / 1000.0;
  return (level.reduces_to_all ? 1 : 1 + 1.0 / level.unit_count) / share;
}

}  // namespace

Bounds::Bounds(const topology::Topology& topology) : topology_(topology), ranks_(topology.rank_count()) {
  const Fabric& fabric = *topology.fabric();
  for (uint32_t target = 1; target < ranks_; ++target) {
    topology::Traffic traffic(topology.fabric());
    const uint64_t latency = traffic.begin({.source = 0, .target = target, .bytes = 1, .message_bytes = 1}, 0, 0).latency_ns;
    farthest_ns_ = std::max(farthest_ns_, static_cast<double>(latency + traffic.base_ns()));
    nearest_ns_ = target == 1 ? farthest_ns_ : std::min(nearest_ns_, static_cast<double>(latency + traffic.base_ns()));
  }
  efficiency_ = 0;
  for (const topology::Protocol& protocol : fabric.protocols(0, ranks_ - 1)) {
    efficiency_ = std::max(efficiency_, static_cast<double>(protocol.efficiency_per_mille) / 1000);
  }

  // Around each chip.
  bytes_per_ns_ = bytes_per_ns_of(fabric);
  std::vector<double> out(fabric.node_count(), 0);
  for (topology::LinkId link = 0; link < fabric.link_count(); ++link) {
    out[fabric.ends(link).source] += bytes_per_ns_[link];
  }
  double least = std::numeric_limits<double>::max();
  double sum = 0;
  for (uint32_t chip = 0; chip < ranks_; ++chip) {
    least = std::min(least, out[chip]);
    sum += out[chip];
  }
  const auto innermost = std::ranges::find_if(fabric.levels(), [](const topology::FabricLevel& level) { return level.unit_count > 1; });
  const double reduced = innermost == fabric.levels().end() ? 0 : reduced_times(*innermost);
  cuts_.push_back({.inside = 1, .sides = sum / least, .bytes_per_ns = least, .reduced = reduced});
  std::vector<bool> first(ranks_, false);
  first.front() = true;
  sides_.push_back({.is_inside = first, .bytes_per_ns = out.front()});
  find_ports();

  const bool are_plain = std::ranges::none_of(fabric.levels(), [](const topology::FabricLevel& level) {
    return level.unit_count > 1 && (level.multicast_per_mille != 0 || level.reduction_per_mille != 0);
  });
  for (size_t index = 0; index < fabric.levels().size(); ++index) {
    const topology::FabricLevel& level = fabric.levels()[index];
    if (level.chips_per_unit > 1 && level.chips_per_unit < ranks_ && ranks_ % level.chips_per_unit == 0) {
      std::vector<bool> is_inside(ranks_, false);
      std::fill_n(is_inside.begin(), level.chips_per_unit, true);
      add_cut(level.chips_per_unit, is_inside, static_cast<double>(ranks_ / level.chips_per_unit), reduced_times(level));
      if (are_plain) {
        add_chips(is_inside);
      }
    }
  }
  if (const auto grid = topology::Grid::of(topology)) {
    for (uint32_t axis = 0; axis < grid->axis_count(); ++axis) {
      const uint32_t half = grid->axis(axis).length / 2;
      std::vector<bool> is_inside(ranks_, false);
      for (uint32_t rank = 0; rank < ranks_; ++rank) {
        is_inside[rank] = grid->point_of(rank)[axis] < half;
      }
      add_cut(ranks_ / grid->axis(axis).length * half, is_inside, 2, 0);
    }
  }
  latency_.emplace(topology, std::exchange(sides_, {}));
}

void Bounds::find_ports() {
  const Fabric& fabric = *topology_.fabric();
  const auto level = std::ranges::find_if(fabric.levels(), [](const topology::FabricLevel& one) { return one.unit_count > 1; });
  if (level == fabric.levels().end() || level->unit_count < 3 || level->unit_count >= ranks_) {
    return;
  }
  std::set<topology::LinkId> inside;
  std::set<topology::LinkId> outside;
  topology::Route route;
  for (uint32_t target = 1; target < ranks_; ++target) {
    for (uint32_t way = 0; way < fabric.route_count(0, target); ++way) {
      fabric.route(0, target, way, &route);
      (target < level->unit_count ? inside : outside).insert(route.links.front());
    }
  }
  const auto sum = [&](const std::set<topology::LinkId>& links) {
    double bytes_per_ns = 0;
    for (const topology::LinkId link : links) {
      bytes_per_ns += bytes_per_ns_[link];
    }
    return bytes_per_ns * efficiency_;
  };
  if (std::ranges::none_of(outside, [&](topology::LinkId link) { return inside.contains(link); })) {
    // Of the ways out of a unit a chip has a share.
    std::vector<bool> is_inside(ranks_, false);
    std::fill_n(is_inside.begin(), level->unit_count, true);
    const double shared = Flow(fabric, bytes_per_ns_, is_inside).bytes_per_ns() * efficiency_ / level->unit_count;
    const double exchanged = 2.0 * (level->unit_count - 1) / level->unit_count;
    const double reduced = reduced_times(*level);
    ports_ = {.inside_bytes_per_ns = sum(inside),
              .outside_bytes_per_ns = std::min(sum(outside), shared),
              .units = static_cast<double>(level->unit_count),
              .inside_times = reduced == 0 ? exchanged : std::min(exchanged, reduced)};
  }
}

double Bounds::ports_ns(double bytes) const {
  const double inside = ports_->inside_times / ports_->inside_bytes_per_ns;
  const double outside = 1 / (ports_->units * ports_->outside_bytes_per_ns);
  const double more = (ports_->units - 1) * outside;
  const double share = std::max(0.0, (inside - outside) / (inside + more));  // straight out: both take as long
  return bytes * std::max(inside * (1 - share), outside + more * share);
}

// Chips of a unit hear each other by links of their own, and all others by what the unit has in common.
void Bounds::add_chips(const std::vector<bool>& is_inside) {
  const Fabric& fabric = *topology_.fabric();
  std::set<topology::LinkId> in;
  std::set<topology::LinkId> out;
  topology::Route route;
  for (uint32_t source = 0; source < ranks_; ++source) {
    for (uint32_t target = 0; target < ranks_; ++target) {
      const uint32_t ways = is_inside[source] && is_inside[target] && source != target ? std::min(kMostWaysOfPair, fabric.route_count(source, target)) : 0;
      for (uint32_t way = 0; way < ways; ++way) {
        fabric.route(source, target, way, &route);
        out.insert(route.links.front());
        in.insert(route.links.back());
      }
    }
  }
  std::vector<bool> is_outside = is_inside;
  is_outside.flip();
  const auto by_chip = [&](const std::set<topology::LinkId>& links, const std::vector<bool>& senders) {
    double bytes_per_ns = Flow(fabric, bytes_per_ns_, senders).bytes_per_ns();
    for (const topology::LinkId link : links) {
      bytes_per_ns += bytes_per_ns_[link];
    }
    return bytes_per_ns / static_cast<double>(std::ranges::count(is_inside, true)) * efficiency_;
  };
  chips_.push_back({.in_bytes_per_ns = by_chip(in, is_outside), .out_bytes_per_ns = by_chip(out, is_inside)});
}

void Bounds::add_cut(uint32_t inside, const std::vector<bool>& is_inside, double sides, double reduced) {
  const Flow flow(*topology_.fabric(), bytes_per_ns_, is_inside);
  cuts_.push_back({.inside = inside, .sides = sides, .bytes_per_ns = flow.bytes_per_ns(), .reduced = reduced});
  sides_.push_back({.is_inside = is_inside, .bytes_per_ns = flow.bytes_per_ns()});
}

double Bounds::bandwidth_ns(Collective collective, const Cut& cut, double bytes) const {
  const double ranks = ranks_;
  const double others = ranks - cut.inside;
  const double count = cut.inside == 1 ? ranks : ranks / cut.inside;
  double passing = 0;
  switch (collective) {
    case Collective::all_reduce: {
      const double by_chips = std::max(1.0, 2 * (count - 1) / cut.sides);
      passing = bytes * (cut.reduced == 0 ? by_chips : std::min(by_chips, cut.reduced));
      break;
    }
    case Collective::reduce:
    case Collective::broadcast:
      passing = bytes;
      break;
    case Collective::reduce_scatter:
    case Collective::all_gather:
    case Collective::gather:
    case Collective::scatter:
      passing = bytes * others / ranks;
      break;
    case Collective::all_to_all:
      passing = bytes * cut.inside * others / ranks;
      break;
    default:
      break;
  }
  return passing / (cut.bytes_per_ns * efficiency_);
}

// What each of a unit's chips receives, or sends, but for a root; of an allreduce on average.
double Bounds::chips_ns(Collective collective, const Chips& chips, double bytes) const {
  const double others = static_cast<double>(ranks_ - 1) / ranks_;
  switch (collective) {
    case Collective::all_reduce:
      return 2 * others * bytes / std::min(chips.in_bytes_per_ns, chips.out_bytes_per_ns);
    case Collective::reduce:
      return others * bytes / chips.out_bytes_per_ns;
    case Collective::broadcast:
      return others * bytes / chips.in_bytes_per_ns;
    case Collective::reduce_scatter:
      return others * bytes / chips.out_bytes_per_ns;
    case Collective::all_gather:
      return others * bytes / chips.in_bytes_per_ns;
    case Collective::all_to_all:
      return others * bytes / std::min(chips.in_bytes_per_ns, chips.out_bytes_per_ns);
    default:
      return 0;
  }
}

Bound Bounds::of(Collective collective, uint64_t bytes) const {
  Bound bound{.latency_ns = farthest_ns_};
  for (const Chips& chips : chips_) {
    bound.bandwidth_ns = std::max(bound.bandwidth_ns, nearest_ns_ + chips_ns(collective, chips, static_cast<double>(bytes)));
  }
  for (const Cut& cut : cuts_) {
    bound.bandwidth_ns = std::max(bound.bandwidth_ns, nearest_ns_ + bandwidth_ns(collective, cut, static_cast<double>(bytes)));
  }
  if (collective == Collective::all_reduce && ports_) {
    bound.bandwidth_ns = std::max(bound.bandwidth_ns, nearest_ns_ + ports_ns(static_cast<double>(bytes)));
  }
  bound.latency_ns = std::max(bound.latency_ns, latency_->ns(collective, static_cast<double>(bytes)));
  return bound;
}

}  // namespace tutti::tool
