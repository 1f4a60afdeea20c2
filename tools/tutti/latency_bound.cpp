// SPDX-License-Identifier: Apache-2.0
#include "latency_bound.hpp"

#include <algorithm>
#include <limits>
#include <set>
#include <span>
#include <utility>

namespace tutti::tool {
namespace {

using schedule::Collective;

// Of more units the quickest two messages are taken to be the quickest of all.
constexpr uint32_t kMostUnitsInThrees = 512;
// More are taken to leave by any link.
constexpr uint32_t kMostWays = 64;

bool is_asked_for(Collective collective, uint32_t source, uint32_t target) {
  switch (collective) {
    case Collective::all_reduce:
      return true;
    case Collective::broadcast:
      return source == 0;
    case Collective::reduce:
      return target == 0;
    default:
      return false;
  }
}

bool has_working_switches(const topology::Fabric& fabric) {
  return std::ranges::any_of(fabric.levels(), [](const topology::FabricLevel& level) {
    return level.unit_count > 1 && (level.reduction_per_mille != 0 || level.multicast_per_mille != 0);
  });
}

// Of those protocols that take at most so much longer than the quickest, the one that puts least on the links.
double efficiency(std::span<const topology::Protocol> protocols, double slack_ns) {
  uint64_t least_ns = UINT64_MAX;
  for (const topology::Protocol& protocol : protocols) {
    least_ns = std::min(least_ns, protocol.step_ns);
  }
  double best = 0;
  for (const topology::Protocol& protocol : protocols) {
    if (static_cast<double>(protocol.step_ns - least_ns) <= slack_ns) {
      best = std::max(best, static_cast<double>(protocol.efficiency_per_mille) / 1000);
    }
  }
  return best;
}

}  // namespace

LatencyBound::LatencyBound(const topology::Topology& topology, std::vector<Side> sides)
    : topology_(topology), ranks_(topology.rank_count()), sides_(std::move(sides)) {
  const topology::Fabric& fabric = *topology.fabric();
  if (ranks_ > kMostChips || ranks_ < 2 || has_working_switches(fabric)) {
    return;
  }
  base_ns_ = std::numeric_limits<double>::max();
  std::vector<double> by_chips(size_t{ranks_} * ranks_, 0);
  topology::Route route;
  for (uint32_t source = 0; source < ranks_; ++source) {
    for (uint32_t target = 0; target < ranks_; ++target) {
      if (source == target) {
        continue;
      }
      fabric.route(source, target, 0, &route);
      double& least = by_chips[size_t{source} * ranks_ + target];
      least = std::numeric_limits<double>::max();
      for (const topology::Protocol& protocol : fabric.protocols(source, target)) {
        least = std::min(least, static_cast<double>(protocol.step_ns + route.latency_ns));
        base_ns_ = std::min(base_ns_, static_cast<double>(protocol.base_ns));
      }
    }
  }
  find_gates();
  divisions_.push_back(divided(by_chips, 1));
  for (const topology::FabricLevel& level : fabric.levels()) {
    if (level.chips_per_unit > 1 && level.chips_per_unit < ranks_ && ranks_ % level.chips_per_unit == 0) {
      divisions_.push_back(divided(by_chips, level.chips_per_unit));
    }
  }
}

LatencyBound::Division LatencyBound::divided(const std::vector<double>& by_chips, uint32_t chips_per_unit) const {
  const uint32_t count = ranks_ / chips_per_unit;
  Division division{.chips_per_unit = chips_per_unit, .count = count, .one_ns = {}, .two_ns = {}};
  division.one_ns.assign(size_t{count} * count, std::numeric_limits<double>::max());
  double least = std::numeric_limits<double>::max();
  for (uint32_t source = 0; source < ranks_; ++source) {
    for (uint32_t target = 0; target < ranks_; ++target) {
      if (source / chips_per_unit != target / chips_per_unit) {
        double& one = division.one_ns[size_t{source / chips_per_unit} * count + target / chips_per_unit];
        one = std::min(one, by_chips[size_t{source} * ranks_ + target]);
        least = std::min(least, one);
      }
    }
  }
  if (count > kMostUnitsInThrees) {
    division.two_ns.assign(size_t{count} * count, 2 * least);
    return division;
  }
  division.two_ns.assign(size_t{count} * count, 3 * least);  // by two others, or back and forth
  for (uint32_t source = 0; source < count; ++source) {
    for (uint32_t middle = 0; middle < count; ++middle) {
      for (uint32_t target = 0; target < count; ++target) {
        if (middle != source && target != middle) {
          double& two = division.two_ns[size_t{source} * count + target];
          two = std::min(two, division.one_ns[size_t{source} * count + middle] + division.one_ns[size_t{middle} * count + target]);
        }
      }
    }
  }
  return division;
}

void LatencyBound::find_gates() {
  const topology::Fabric& fabric = *topology_.fabric();
  using Links = std::set<topology::LinkId>;
  topology::Route route;
  for (const bool is_outward : {true, false}) {
    std::vector<Links> links(ranks_);  // by the other rank
    for (uint32_t rank = 1; rank < ranks_; ++rank) {
      const uint32_t source = is_outward ? 0 : rank;
      const uint32_t target = is_outward ? rank : 0;
      const uint32_t ways = fabric.route_count(source, target);
      for (uint32_t way = 0; ways <= kMostWays && way < ways; ++way) {
        fabric.route(source, target, way, &route);
        links[rank].insert(is_outward ? route.links.front() : route.links.back());
      }
    }
    const std::set<Links> different(links.begin() + 1, links.end());
    for (const Links& of_gate : different) {
      if (of_gate.empty()) {
        continue;
      }
      Gate gate{.is_outward = is_outward, .ranks = {}, .bytes_per_ns = 0};
      for (uint32_t rank = 1; rank < ranks_; ++rank) {
        if (!links[rank].empty() && std::ranges::includes(of_gate, links[rank])) {
          gate.ranks.push_back(rank);
        }
      }
      for (const topology::LinkId link : of_gate) {
        gate.bytes_per_ns += static_cast<double>(fabric.bytes_per_s(link)) / 1e9;
      }
      gates_.push_back(std::move(gate));
    }
  }
}

double LatencyBound::passed_ns(std::vector<Straight> straight, double bytes_per_ns) {
  std::ranges::sort(straight, [](const Straight& left, const Straight& right) { return left.latency_ns > right.latency_ns; });
  double link_bytes = 0;
  double longest = 0;
  for (const Straight& message : straight) {
    link_bytes += message.link_bytes;
    longest = std::max(longest, message.latency_ns + link_bytes / bytes_per_ns);
  }
  return longest;
}

LatencyBound::Straight LatencyBound::straight(const Division& division, size_t pair, double bytes, const Window& window) const {
  const auto source = static_cast<uint32_t>(pair / division.count) * division.chips_per_unit;
  const auto target = static_cast<uint32_t>(pair % division.count) * division.chips_per_unit;
  const double slack_ns = window.to_ns - division.one_ns[pair];
  return {division.one_ns[pair], bytes / efficiency(topology_.fabric()->protocols(source, target), slack_ns)};
}

double LatencyBound::at_gates_ns(const Division& division, Collective collective, double bytes, const Window& window) const {
  double longest = 0;
  for (const Gate& gate : gates_) {
    std::vector<Straight> through;
    for (const uint32_t rank : gate.ranks) {
      const uint32_t source = gate.is_outward ? 0 : rank;
      const uint32_t target = gate.is_outward ? rank : 0;
      const size_t pair = size_t{source} * division.count + target;
      if (is_asked_for(collective, source, target) && division.two_ns[pair] > window.from_ns) {
        through.push_back(straight(division, pair, bytes, window));
      }
    }
    longest = std::max(longest, passed_ns(std::move(through), gate.bytes_per_ns));
  }
  return longest;
}

double LatencyBound::straight_ns(const Division& division, Collective collective, double bytes, const Window& window) const {
  double longest = division.chips_per_unit == 1 ? at_gates_ns(division, collective, bytes, window) : 0;
  for (const Side& side : sides_) {
    const auto is_inside = [&](uint32_t unit) { return side.is_inside[size_t{unit} * division.chips_per_unit]; };
    bool is_whole = true;  // no unit is cut
    for (uint32_t rank = 0; rank < ranks_; ++rank) {
      is_whole &= side.is_inside[rank] == is_inside(rank / division.chips_per_unit);
    }
    std::vector<Straight> through;
    for (uint32_t source = 0; source < division.count && is_whole; ++source) {
      for (uint32_t target = 0; target < division.count; ++target) {
        const size_t pair = size_t{source} * division.count + target;
        // Links are alike both ways: what comes to a root is as what leaves it.
        const bool is_cut = collective == Collective::reduce ? is_inside(target) && !is_inside(source) : is_inside(source) && !is_inside(target);
        if (is_cut && is_asked_for(collective, source, target) && division.two_ns[pair] > window.from_ns) {
          through.push_back(straight(division, pair, bytes, window));
        }
      }
    }
    longest = std::max(longest, passed_ns(std::move(through), side.bytes_per_ns));
  }
  return longest;
}

// What need not go straight grows with the time that there is.
double LatencyBound::ns(const Division& division, Collective collective, double bytes) const {
  std::vector<double> steps = division.two_ns;
  std::ranges::sort(steps);
  steps.erase(std::unique(steps.begin(), steps.end()), steps.end());
  double before = 0;
  for (const double step : steps) {
    const double end = std::max(before, straight_ns(division, collective, bytes, {before, step}));
    if (end < step) {
      return end;
    }
    before = step;
  }
  return before;
}

double LatencyBound::ns(Collective collective, double bytes) const {
  double longest = 0;
  for (const Division& division : divisions_) {
    if (is_asked_for(collective, 0, 0)) {
      longest = std::max(longest, base_ns_ + ns(division, collective, bytes));
    }
  }
  return longest;
}

}  // namespace tutti::tool
