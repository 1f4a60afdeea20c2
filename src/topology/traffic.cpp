// SPDX-License-Identifier: Apache-2.0
#include "topology/traffic.hpp"

#include <algorithm>
#include <cassert>

#include "base/hash.hpp"

namespace tutti::topology {

namespace {

__extension__ using Wide = unsigned __int128;

// Of more equal ways, as many are compared, evenly spread.
constexpr uint32_t kMostWaysCompared = 16;
// Far below what models are good to.
constexpr uint32_t kTolerancePerMille = 5;
// 256 MiB of ways.
constexpr size_t kMostKnownLinks = size_t{1} << 26;

uint64_t clamped(Wide value) { return value > UINT64_MAX ? UINT64_MAX : static_cast<uint64_t>(value); }

std::vector<uint64_t> capacities_of(const Fabric& fabric) {
  std::vector<uint64_t> capacities(fabric.link_count());
  for (LinkId link = 0; link < fabric.link_count(); ++link) {
    capacities[link] = fabric.bytes_per_s(link);
  }
  return capacities;
}

}  // namespace

uint64_t bytes_on_links(uint64_t bytes, const Protocol& protocol) {
  const uint32_t efficiency = std::max(protocol.efficiency_per_mille, 1u);
  return efficiency == 1000 ? bytes : clamped((Wide{bytes} * 1000 + (efficiency - 1)) / efficiency);
}

const Protocol& cheapest_protocol(std::span<const Protocol> protocols, uint64_t bytes, uint64_t bytes_per_s) {
  assert(!protocols.empty() && bytes_per_s != 0);
  if (protocols.size() == 1) {
    return protocols.front();
  }
  const auto alone_ns = [&](const Protocol& protocol) {
    return clamped(Wide{bytes_on_links(bytes, protocol)} * 1'000'000'000 / bytes_per_s + protocol.step_ns);
  };
  return *std::min_element(protocols.begin(), protocols.end(),
                           [&](const Protocol& left, const Protocol& right) { return alone_ns(left) < alone_ns(right); });
}

Traffic::Traffic(std::shared_ptr<const Fabric> fabric, const Options& options)
    : fabric_(std::move(fabric)), options_(options), flows_(capacities_of(*fabric_), kTolerancePerMille), levels_together_(fabric_->levels().size()) {}

Traffic::Begun Traffic::begin(const Message& message, uint64_t now_ns, uint64_t tag) {
  const std::vector<Route>& choices = ways(message.source, message.target);
  const uint32_t way = message.way != kAnyWay ? message.way : least_loaded(choices);
  Begun begun = on_way(message, way, choices[way]);
  begun.flow = flows_.add(choices[way].links, begun.link_bytes, now_ns, tag);
  return begun;
}

Traffic::Begun Traffic::go_on(FlowId flow, const Message& message) {
  Begun begun = on_way(message, message.way, ways(message.source, message.target)[message.way]);
  begun.flow = flow;
  flows_.prolong(flow, begun.link_bytes);
  return begun;
}

Traffic::Begun Traffic::on_way(const Message& message, uint32_t way, const Route& route) {
  const Protocol& protocol = cheapest(message, route);
  base_ns_ = std::max(base_ns_, protocol.base_ns);
  const uint64_t link_bytes = bytes_on_links(message.bytes_before + message.bytes, protocol) - bytes_on_links(message.bytes_before, protocol);
  return {.flow = 0, .latency_ns = protocol.step_ns + route.latency_ns, .link_bytes = link_bytes, .way = way};
}

Traffic::Union Traffic::union_of(std::span<const Pair> messages) const {
  const Pair& first = messages.front();
  Union all{.level = fabric_->level(first.source, first.target)};
  bool is_one_level = true;
  for (const Pair& message : messages) {
    all.reduces = all.reduces || message.source != first.source;
    all.copies = all.copies || message.target != first.target;
    is_one_level = is_one_level && fabric_->level(message.source, message.target) == all.level;
  }
  const FabricLevel& switches = fabric_->levels()[all.level];
  const bool is_possible = is_one_level && (!all.reduces || !all.copies || switches.reduces_to_all);
  const uint32_t reduction = all.reduces ? switches.reduction_per_mille : 1000;
  const uint32_t multicast = all.copies && !all.reduces ? switches.multicast_per_mille : 1000;
  all.efficiency_per_mille = is_possible ? std::min(reduction, multicast) : 0;
  return all;
}

std::optional<Traffic::Begun> Traffic::begin_together(const Together& together, uint64_t now_ns, uint64_t tag) {
  const Union all = union_of(together.messages);
  if (all.efficiency_per_mille == 0) {
    return std::nullopt;
  }
  std::vector<LinkId> links;
  uint64_t latency_ns = 0;
  Route route;
  const auto pass = [&](uint32_t source, uint32_t target) {
    fabric_->route(source, target, together.number % std::max(fabric_->route_count(source, target), 1u), &route);
    latency_ns = std::max(latency_ns, route.latency_ns);
    return std::span<const LinkId>(route.links);
  };
  const auto add = [&](std::span<const LinkId> passed) { links.insert(links.end(), passed.begin(), passed.end()); };
  for (const Pair& message : together.messages) {
    add(pass(message.source, message.target));
  }
  if (all.reduces != all.copies) {  // else everybody's bytes go up and come down anyway
    const std::span<const LinkId> back = pass(together.messages.front().target, together.messages.front().source);
    add(all.reduces ? back.first(back.size() / 2) : back.subspan(back.size() / 2));
  }
  std::sort(links.begin(), links.end());
  links.erase(std::unique(links.begin(), links.end()), links.end());
  levels_together_[all.level] = true;
  const uint64_t link_bytes = bytes_on_links(together.bytes, {.name = {}, .efficiency_per_mille = all.efficiency_per_mille});
  return Begun{.flow = flows_.add(links, link_bytes, now_ns, tag), .latency_ns = latency_ns, .link_bytes = link_bytes};
}

uint64_t Traffic::base_ns() const {
  uint64_t base_ns = base_ns_;
  for (size_t level = 0; level < levels_together_.size(); ++level) {
    base_ns += levels_together_[level] ? fabric_->levels()[level].reduction_ns : 0;
  }
  return base_ns;
}

void Traffic::begin_collective() {
  base_ns_ = 0;
  levels_together_.assign(levels_together_.size(), false);
}

uint64_t Traffic::latency_ns(uint32_t source, uint32_t target) {
  const Route& route = ways(source, target).front();
  return cheapest({.source = source, .target = target}, route).step_ns + route.latency_ns;
}

const std::vector<Route>& Traffic::ways(uint32_t source, uint32_t target) {
  assert(source < fabric_->chip_count() && target < fabric_->chip_count());
  if (known_links_ > kMostKnownLinks) {
    known_.clear();
    known_links_ = 0;
  }
  std::vector<Route>& ways = known_[uint64_t{source} << 32 | target];
  if (!ways.empty()) {
    return ways;
  }
  const uint32_t count = fabric_->route_count(source, target);
  // From the target's number on, so that ranks that send alike begin apart.
  const uint64_t first = options_.spread == Spread::hashed ? hash_combine(hash_combine(options_.seed, source), target) : options_.seed + target;
  const uint32_t compared = options_.spread == Spread::hashed ? 1 : std::clamp(count, 1u, kMostWaysCompared);
  const uint32_t stride = count / compared;
  ways.resize(compared);
  for (uint32_t index = 0; index < compared; ++index) {
    fabric_->route(source, target, static_cast<uint32_t>((first + uint64_t{index} * stride) % std::max(count, 1u)), &ways[index]);
    known_links_ += ways[index].links.size();
  }
  return ways;
}

uint32_t Traffic::least_loaded(const std::vector<Route>& ways) const {
  uint32_t best = 0;
  uint64_t least = UINT64_MAX;
  for (uint32_t way = 0; ways.size() > 1 && way < ways.size() && least != 0; ++way) {
    if (const uint64_t load = load_of(ways[way]); load < least) {
      least = load;
      best = way;
    }
  }
  return best;
}

// Flows for capacity, added up over the links, of which equally good ways have some in common; 0 when nobody is on the way.
uint64_t Traffic::load_of(const Route& route) const {
  constexpr uint64_t kScale = uint64_t{1} << 44;  // a flow on a link of terabytes per second still counts
  uint64_t load = 0;
  for (const LinkId link : route.links) {
    if (const size_t count = flows_.flows_on(link); count != 0) {
      load += clamped(Wide{count} * kScale / flows_.capacity(link));
    }
  }
  return load;
}

const Protocol& Traffic::cheapest(const Message& message, const Route& route) const {
  const std::span<const Protocol> protocols = fabric_->protocols(message.source, message.target);
  if (protocols.size() == 1) {
    return protocols.front();
  }
  uint64_t slowest = UINT64_MAX;
  for (const LinkId link : route.links) {
    slowest = std::min(slowest, flows_.capacity(link));
  }
  return cheapest_protocol(protocols, message.message_bytes, slowest);
}

}  // namespace tutti::topology
