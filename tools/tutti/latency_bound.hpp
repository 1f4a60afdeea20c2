// SPDX-License-Identifier: Apache-2.0
// The least time until everybody has heard from everybody, of short vectors: what the bytes add to the latencies, however they go.
//
// Divide the chips into units, and let all inside of a unit come for nothing. What one unit hears of another has come straight from there, or through a third
// unit, by two messages at least. So if all is over at T, then of each two units between which no two messages are that quick one sends the other the whole
// vector straight: of what comes that way, nothing has been reduced with what other units have. A message that takes a latency of L has left by T-L, and goes
// by a protocol that is quick enough for T. Hence for each cut between units and each latency L: what those messages of latency L or more put through the cut
// has passed it by T-L. The least T that fits all of that, and all divisions into units, is the bound.
#pragma once

#include <cstdint>
#include <vector>

#include "schedule/problem.hpp"
#include "topology/topology.hpp"

namespace tutti::tool {

// A side of a machine, and what its links carry away at most.
struct Side {
  std::vector<bool> is_inside;  // by rank
  double bytes_per_ns = 0;
};

class LatencyBound {
 public:
  // The topology has a fabric, a chip a rank. More than kMostChips have none: of() is 0; nor do switches that reduce or copy.
  LatencyBound(const topology::Topology& topology, std::vector<Side> sides);
  static constexpr uint32_t kMostChips = 1024;

  // Of an allreduce of so many bytes; of a broadcast from rank 0, or a reduce to it. 0 for other collectives.
  double ns(schedule::Collective collective, double bytes) const;

 private:
  // The chips in units of equal size, one after another.
  struct Division {
    uint32_t chips_per_unit = 1;
    uint32_t count = 1;  // of units
    std::vector<double> one_ns;  // by two units: the quickest message
    std::vector<double> two_ns;  // the quickest two through others
  };
  Division divided(const std::vector<double>& by_chips, uint32_t chips_per_unit) const;
  double ns(const Division& division, schedule::Collective collective, double bytes) const;
  // An end is looked for within these: whatever two messages bring by `from_ns` need not go straight.
  struct Window {
    double from_ns = 0;
    double to_ns = 0;
  };
  // Until all has passed that has to go straight.
  double straight_ns(const Division& division, schedule::Collective collective, double bytes, const Window& window) const;

  const topology::Topology& topology_;
  uint32_t ranks_;
  double base_ns_ = 0;  // the least of the protocols'
  std::vector<Side> sides_;
  std::vector<Division> divisions_;
};

}  // namespace tutti::tool
