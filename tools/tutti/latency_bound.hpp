// SPDX-License-Identifier: Apache-2.0
// The least time until everybody has heard from everybody, of short vectors: what the bytes add to the latencies, however they go.
//
// Divide the chips into units, and let all inside of a unit come for nothing. What one unit hears of another has come straight from there, or through a third
// unit, by two messages at least. So if all is over at T, then of each two units between which no two messages are that quick one sends the other the whole
// vector straight: of what comes that way, nothing has been reduced with what other units have. A message that takes a latency of L has left by T-L, and goes
// by a protocol that is quick enough for T. Hence for each cut between units and each latency L: what those messages of latency L or more put through the cut
// has passed it by T-L. The least T that fits all of that, and all divisions into units, is the bound.
//
// What goes straight takes one of the ways that routing has for it. So those of its messages whose ways all leave a chip, or all enter it, by some of its links
// have passed these by then: on a torus, where routing goes along the axes in order, most of what comes to a chip comes along the last.
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
  // Ways out of rank 0, or into it, and the ranks to or from which no message takes another.
  struct Gate {
    bool is_outward = false;
    std::vector<uint32_t> ranks;
    double bytes_per_ns = 0;
  };
  void find_gates();
  // What goes straight, until so much has passed what all of it has to pass.
  struct Straight {
    double latency_ns;
    double link_bytes;
  };
  static double passed_ns(std::vector<Straight> straight, double bytes_per_ns);
  Straight straight(const Division& division, size_t pair, double bytes, const Window& window) const;
  // Of rank 0's links.
  double at_gates_ns(const Division& division, schedule::Collective collective, double bytes, const Window& window) const;
  // Until all has passed that has to go straight.
  double straight_ns(const Division& division, schedule::Collective collective, double bytes, const Window& window) const;

  const topology::Topology& topology_;
  uint32_t ranks_;
  double base_ns_ = 0;  // the least of the protocols'
  std::vector<Side> sides_;
  std::vector<Gate> gates_;
  std::vector<Division> divisions_;
};

}  // namespace tutti::tool
