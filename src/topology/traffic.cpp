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

uint64_t clamped(Wide value) { return value > UINT64_MAX ? UINT64_MAX : static_cast<uint64_t>(value); }

// What `bytes` come to on the links.
uint64_t bytes_on_links(uint64_t bytes, const Protocol& protocol) {
  const uint32_t efficiency = std::max(protocol.efficiency_per_mille, 1u);
  return efficiency == 1000 ? bytes : clamped((Wide{bytes} * 1000 + (efficiency - 1)) / efficiency);
}

std::vector<uint64_t> capacities_of(const Fabric& fabric) {
  std::vector<uint64_t> capacities(fabric.link_count());
  for (LinkId link = 0; link < fabric.link_count(); ++link) {
    capacities[link] = fabric.bytes_per_s(link);
  }
  return capacities;
}

}  // namespace

Traffic::Traffic(std::shared_ptr<const Fabric> fabric, const Options& options)
    : fabric_(std::move(fabric)), options_(options), flows_(capacities_of(*fabric_)) {}

Traffic::Begun Traffic::begin(const Message& message, uint64_t now_ns, uint64_t tag) {
  const uint32_t way = message.way != kAnyWay ? message.way : find_way(message.source, message.target);
  fabric_->route(message.source, message.target, way, &route_);
  const Protocol& protocol = cheapest(message);
  base_ns_ = std::max(base_ns_, protocol.base_ns);
  const FlowId flow = flows_.add(route_.links, bytes_on_links(message.bytes, protocol), now_ns, tag);
  return {.flow = flow, .latency_ns = protocol.step_ns + route_.latency_ns, .way = way};
}

uint64_t Traffic::latency_ns(uint32_t source, uint32_t target) {
  fabric_->route(source, target, 0, &route_);
  return cheapest({.source = source, .target = target}).step_ns + route_.latency_ns;
}

uint32_t Traffic::find_way(uint32_t source, uint32_t target) {
  assert(source < fabric_->chip_count() && target < fabric_->chip_count());
  const uint32_t count = fabric_->route_count(source, target);
  if (count <= 1) {
    return 0;
  }
  if (options_.spread == Spread::hashed) {
    return static_cast<uint32_t>(hash_combine(hash_combine(options_.seed, source), target) % count);
  }
  // From the target's number on, so that ranks that send alike begin apart.
  const uint32_t compared = std::min(count, kMostWaysCompared);
  const uint32_t stride = count / compared;
  uint32_t best = 0;
  uint64_t least = UINT64_MAX;
  for (uint32_t index = 0; index < compared && least != 0; ++index) {
    const auto way = static_cast<uint32_t>((options_.seed + target + uint64_t{index} * stride) % count);
    fabric_->route(source, target, way, &route_);
    if (const uint64_t load = load_of(route_); load < least) {
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

// By the time that the message takes alone on the way found.
const Protocol& Traffic::cheapest(const Message& message) const {
  const std::span<const Protocol> protocols = fabric_->protocols(message.source, message.target);
  assert(!protocols.empty());
  if (protocols.size() == 1) {
    return protocols.front();
  }
  uint64_t slowest = UINT64_MAX;
  for (const LinkId link : route_.links) {
    slowest = std::min(slowest, flows_.capacity(link));
  }
  const auto alone_ns = [&](const Protocol& protocol) {
    return clamped(Wide{bytes_on_links(message.message_bytes, protocol)} * 1'000'000'000 / slowest + protocol.step_ns);
  };
  return *std::min_element(protocols.begin(), protocols.end(),
                           [&](const Protocol& left, const Protocol& right) { return alone_ns(left) < alone_ns(right); });
}

}  // namespace tutti::topology
