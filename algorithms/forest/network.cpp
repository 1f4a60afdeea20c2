// SPDX-License-Identifier: Apache-2.0
#include "algorithms/forest/network.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

namespace tutti::algorithms::forest {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr uint32_t kMostNodes = 256;
// Of the equally good ways between two chips.
constexpr uint32_t kMostWays = 8;

bool is_less(const Rate& left, const Rate& right) { return Wide{left.capacity} * right.weight < Wide{right.capacity} * left.weight; }

uint64_t sum_of(const Weights& weights) { return std::accumulate(weights.begin(), weights.end(), uint64_t{0}); }

// The network with one more node, the last, from which `rate` times its weight goes to each root, and all capacities times `scale`.
MaxFlow flow_of(const Network& network, const Weights& weights, uint64_t rate, uint64_t scale) {
  MaxFlow flow(network.node_count + 1);
  for (uint32_t source = 0; source < network.node_count; ++source) {
    for (uint32_t target = 0; target < network.node_count; ++target) {
      flow.add(source, target, network.at(source, target) * scale);
    }
  }
  for (uint32_t chip = 0; chip < network.chip_count; ++chip) {
    flow.add(network.node_count, chip, weights[chip] * rate);
  }
  return flow;
}

// Of everything but one chip.
Rate rate_into(const Network& network, const Weights& weights, uint32_t chip) {
  Rate rate{.capacity = 0, .weight = sum_of(weights) - weights[chip]};
  for (uint32_t source = 0; source < network.node_count; ++source) {
    rate.capacity += network.at(source, chip);
  }
  return rate;
}

Rate rate_out_of(const Network& network, const Weights& weights, const MaxFlow& flow) {
  Rate rate{.capacity = 0, .weight = 0};
  for (uint32_t source = 0; source < network.node_count; ++source) {
    if (!flow.is_reached(source)) {
      continue;
    }
    rate.weight += source < network.chip_count ? weights[source] : 0;
    for (uint32_t target = 0; target < network.node_count; ++target) {
      rate.capacity += flow.is_reached(target) ? 0 : network.at(source, target);
    }
  }
  return rate;
}

}  // namespace

std::optional<Network> network_of(const topology::Topology& topology) {
  const topology::Fabric& fabric = *topology.fabric();
  const uint32_t chip_count = topology.rank_count();
  struct Passing {
    uint32_t pair;
    topology::NodeId node;
  };
  std::set<topology::LinkId> links;
  std::vector<Passing> passing;
  topology::Route route;
  for (uint32_t source = 0; source < chip_count; ++source) {
    for (uint32_t target = 0; target < chip_count; ++target) {
      if (source == target || !fabric.is_adjacent(source, target)) {
        continue;
      }
      const uint32_t ways = std::min(fabric.route_count(source, target), kMostWays);
      for (uint32_t way = 0; way < ways; ++way) {
        fabric.route(source, target, way, &route);
        for (const topology::LinkId link : route.links) {
          links.insert(link);
          passing.push_back({source * chip_count + target, fabric.ends(link).target});
        }
      }
    }
  }
  std::map<topology::NodeId, uint32_t> numbers;
  for (uint32_t chip = 0; chip < chip_count; ++chip) {
    numbers.emplace(chip, chip);
  }
  for (const topology::LinkId link : links) {
    numbers.try_emplace(fabric.ends(link).source, static_cast<uint32_t>(numbers.size()));
    numbers.try_emplace(fabric.ends(link).target, static_cast<uint32_t>(numbers.size()));
  }
  if (numbers.size() > kMostNodes) {
    return std::nullopt;
  }
  Network network(chip_count, static_cast<uint32_t>(numbers.size()));
  for (const topology::LinkId link : links) {
    network.at(numbers[fabric.ends(link).source], numbers[fabric.ends(link).target]) += fabric.bytes_per_s(link);
  }
  network.passes.resize(size_t{chip_count} * chip_count * network.node_count);
  for (const Passing& each : passing) {
    network.passes[size_t{each.pair} * network.node_count + numbers[each.node]] = true;
  }
  return network;
}

bool is_crossbar(const topology::Topology& topology) {
  const topology::FabricLevel& inner = topology.fabric()->levels().front();
  const bool is_of_a_kind = inner.kind == topology::LevelKind::full_mesh || inner.kind == topology::LevelKind::switched ||
                            inner.kind == topology::LevelKind::fat_tree || inner.kind == topology::LevelKind::dragonfly;
  return is_of_a_kind && topology.rank_count() <= inner.unit_count;
}

// W. Dinkelbach, "On nonlinear fractional programming", Management Science 1967: a cut that is less than the rate gives the next rate.
Rate best_rate(const Network& network, const Weights& weights, Work& work) {
  Rate best{.capacity = 0, .weight = 0};
  for (uint32_t chip = 0; chip < network.chip_count; ++chip) {
    const Rate rate = rate_into(network, weights, chip);
    if (rate.weight != 0 && (best.weight == 0 || is_less(rate, best))) {
      best = rate;
    }
  }
  for (bool is_improved = true; is_improved && best.capacity != 0;) {
    is_improved = false;
    const uint64_t common = std::gcd(best.capacity, best.weight);
    const Rate rate{.capacity = best.capacity / common, .weight = best.weight / common};
    const uint64_t enough = sum_of(weights) * rate.capacity;
    for (uint32_t chip = 0; chip < network.chip_count; ++chip) {
      MaxFlow flow = flow_of(network, weights, rate.capacity, rate.weight);
      if (flow.run(network.node_count, chip, enough, work) < enough) {
        if (const Rate less = rate_out_of(network, weights, flow); is_less(less, best)) {
          best = less;
          is_improved = true;
        }
      }
      if (work.is_spent()) {
        return {};
      }
    }
  }
  return best;
}

uint64_t deficit(const Network& network, const Weights& weights, uint64_t count, Work& work) {
  const uint64_t enough = sum_of(weights) * count;
  uint64_t most = 0;
  for (uint32_t chip = 0; chip < network.chip_count; ++chip) {
    const uint64_t comes = flow_of(network, weights, count, 1).run(network.node_count, chip, enough, work);
    most = std::max(most, enough - comes);
  }
  return most;
}

}  // namespace tutti::algorithms::forest
