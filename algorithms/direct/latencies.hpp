// SPDX-License-Identifier: Apache-2.0
// Who is far off on a fabric, and who near.
#pragma once

#include <algorithm>
#include <cstdint>

#include "schedule/problem.hpp"
#include "topology/topology.hpp"

namespace tutti::algorithms::direct {

// At once, of each of a chip's links: one message leaves while the next begins.
inline constexpr uint32_t kSendsOfLink = 2;

// What a message without bytes takes by the quickest protocol. `route` holds its way afterwards.
inline uint64_t latency_ns(const topology::Fabric& fabric, uint32_t source, uint32_t target, topology::Route* route) {
  fabric.route(source, target, 0, route);
  uint64_t step_ns = UINT64_MAX;
  for (const topology::Protocol& protocol : fabric.protocols(source, target)) {
    step_ns = std::min(step_ns, protocol.step_ns);
  }
  return step_ns + route->latency_ns;
}

// Whether the ranks are the chips of a fabric, at least three, and some farther off than others.
inline bool has_far_and_near(const schedule::Problem& problem, const topology::Topology& topology) {
  const topology::Fabric* const fabric = topology.fabric().get();
  if (fabric == nullptr || problem.rank_count < 3 || problem.rank_count != fabric->chip_count()) {
    return false;
  }
  topology::Route route;
  const uint64_t first_ns = latency_ns(*fabric, 0, 1, &route);
  for (uint32_t peer = 2; peer < problem.rank_count; ++peer) {
    if (latency_ns(*fabric, 0, peer, &route) != first_ns) {
      return true;
    }
  }
  return false;
}

}  // namespace tutti::algorithms::direct
