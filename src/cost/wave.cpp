// SPDX-License-Identifier: Apache-2.0
#include "cost/wave.hpp"

#include <algorithm>
#include <utility>

#include "cost/arithmetic.hpp"
#include "topology/traffic.hpp"

namespace tutti::cost {
namespace {

__extension__ using Wide = unsigned __int128;

constexpr uint64_t kBillion = 1'000'000'000;
// Of more equally good ways, as many are compared, as in topology/traffic.cpp: with fewer, ranks that send alike would leave some aside.
constexpr uint32_t kMostWaysCompared = 16;

uint64_t share_ns(uint64_t bytes, uint64_t units, uint64_t bytes_per_s) {
  const Wide ns = Wide{bytes} * units / Wave::kUnit * kBillion / std::max<uint64_t>(bytes_per_s, 1);
  return ns > kNever ? kNever : static_cast<uint64_t>(ns);
}

}  // namespace

Wave::Wave(const topology::Fabric& fabric, uint64_t message_bytes)
    : fabric_(fabric), message_bytes_(message_bytes), units_(fabric.link_count(), 0) {}

Wave::Way Wave::add(uint32_t source, uint32_t target, uint64_t weight) {
  if (source == target) {
    return {};
  }
  choose_way(source, target);
  uint64_t slowest = UINT64_MAX;
  for (const topology::LinkId link : route_.links) {
    slowest = std::min(slowest, fabric_.bytes_per_s(link));
  }
  const topology::Protocol& protocol = topology::cheapest_protocol(fabric_.protocols(source, target), message_bytes_, slowest);
  const uint64_t units = topology::bytes_on_links(weight, protocol);
  for (const topology::LinkId link : route_.links) {
    units_[link] = cost::add(units_[link], units);
  }
  latency_ns_ = std::max(latency_ns_, protocol.step_ns + route_.latency_ns);
  base_ns_ = std::max(base_ns_, protocol.base_ns);
  return {.links = route_.links, .units = units, .latency_ns = protocol.step_ns + route_.latency_ns};
}

void Wave::add(const Wave& other) {
  for (size_t link = 0; link < units_.size(); ++link) {
    units_[link] = cost::add(units_[link], other.units_[link]);
  }
  latency_ns_ = std::max(latency_ns_, other.latency_ns_);
  base_ns_ = std::max(base_ns_, other.base_ns_);
}

uint64_t Wave::transfer_ns(uint64_t bytes) const {
  uint64_t longest = 0;
  for (topology::LinkId link = 0; link < units_.size(); ++link) {
    if (units_[link] != 0) {
      longest = std::max(longest, share_ns(bytes, units_[link], fabric_.bytes_per_s(link)));
    }
  }
  return longest;
}

uint64_t Wave::link_bytes(topology::LinkId link) const {
  const Wide bytes = Wide{message_bytes_} * units_[link] / kUnit;
  return bytes > kNever ? kNever : static_cast<uint64_t>(bytes);
}

uint64_t busiest_ns(std::span<const Wave> waves) {
  uint64_t longest = 0;
  const size_t link_count = waves.empty() ? 0 : waves.front().units_.size();
  for (topology::LinkId link = 0; link < link_count; ++link) {
    uint64_t bytes = 0;
    for (const Wave& wave : waves) {
      bytes = add(bytes, wave.link_bytes(link));
    }
    longest = std::max(longest, bytes == 0 ? 0 : duration_ns(bytes, waves.front().fabric_.bytes_per_s(link)));
  }
  return longest;
}

Wave::Hop Wave::hop(uint32_t source, uint32_t target, uint64_t slice_bytes) {
  choose_way(source, target);
  uint64_t slowest = UINT64_MAX;
  for (const topology::LinkId link : route_.links) {
    slowest = std::min(slowest, fabric_.bytes_per_s(link));
  }
  const topology::Protocol& protocol = topology::cheapest_protocol(fabric_.protocols(source, target), message_bytes_, slowest);
  return hop({.links = route_.links, .units = topology::bytes_on_links(kUnit, protocol), .latency_ns = protocol.step_ns + route_.latency_ns}, slice_bytes);
}

Wave::Hop Wave::hop(const Way& way, uint64_t slice_bytes) const {
  Hop hop{.latency_ns = way.latency_ns};
  for (const topology::LinkId link : way.links) {
    const uint64_t units = std::max(units_[link], way.units);
    hop.transfer_ns = std::max(hop.transfer_ns, share_ns(message_bytes_, units, fabric_.bytes_per_s(link)));
    hop.slice_ns = std::max(hop.slice_ns, share_ns(std::min(message_bytes_, slice_bytes), units, fabric_.bytes_per_s(link)));
  }
  return hop;
}

void Wave::choose_way(uint32_t source, uint32_t target) {
  const uint32_t count = std::max(fabric_.route_count(source, target), 1u);
  const uint32_t compared = std::min(count, kMostWaysCompared);
  uint64_t least = UINT64_MAX;
  for (uint32_t index = 0; index < compared && least != 0; ++index) {
    fabric_.route(source, target, static_cast<uint32_t>((target + uint64_t{index} * (count / compared)) % count), &other_);
    const uint64_t load = compared == 1 ? 0 : load_of(other_);
    if (index == 0 || load < least) {
      least = load;
      std::swap(route_, other_);
    }
  }
}

// For their capacity, added up over the links, of which equally good ways have some in common.
uint64_t Wave::load_of(const topology::Route& route) const {
  uint64_t sum = 0;
  for (const topology::LinkId link : route.links) {
    sum = cost::add(sum, units_[link] == 0 ? 0 : 1 + share_ns(uint64_t{1} << 20, units_[link], fabric_.bytes_per_s(link)));
  }
  return sum;
}

}  // namespace tutti::cost
