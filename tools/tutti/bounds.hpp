// SPDX-License-Identifier: Apache-2.0
// The least time that a collective can take on a machine, whatever the algorithm: bytes over the bandwidth of cuts, or latencies, of one message to who is
// farthest or of what else nothing avoids (latency_bound.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "latency_bound.hpp"
#include "schedule/problem.hpp"
#include "topology/topology.hpp"

namespace tutti::tool {

struct Bound {
  double latency_ns = 0;    // a message of a byte to the farthest chip, software included, or a LatencyBound if that is longer
  double bandwidth_ns = 0;  // the bytes through the cut that takes longest, of which the last come as late as a message to the nearest chip

  double ns() const { return latency_ns > bandwidth_ns ? latency_ns : bandwidth_ns; }
  bool is_latency() const { return latency_ns > bandwidth_ns; }
};

// Cuts that are looked at: around each chip; around all chips of a unit, each by itself; around the first unit of each level; and through the middle of each axis of a lattice. Through them passes
// as much as the links that routing takes can carry together.
class Bounds {
 public:
  // The topology has a fabric of at most kMostChips, a chip a rank.
  explicit Bounds(const topology::Topology& topology);
  static constexpr uint32_t kMostChips = 2048;

  // `bytes`: of a vector, or of the blocks of all ranks together; of an alltoall, what each rank has.
  Bound of(schedule::Collective collective, uint64_t bytes) const;

 private:
  // Equal sides that are cut from each other.
  struct Cut {
    uint32_t inside = 0;   // ranks of a side
    double sides = 1;      // as many as this, by bandwidth: those of all sides together over that of this one
    double bytes_per_ns = 0;
    double reduced = 0;  // so many times the vector passes where switches reduce it; 0: they do not
  };
  // Ways out of a chip that lead to its unit alone, and those that lead elsewhere.
  struct Ports {
    double inside_bytes_per_ns = 0;
    double outside_bytes_per_ns = 0;
    double units = 1;       // chips of a unit
    double inside_times = 0;  // that each byte of an allreduce leaves each chip inside, if all goes that way, on average
  };
  // Of all chips of a unit at once, by chip: what comes to them, and what leaves them.
  struct Chips {
    double in_bytes_per_ns = 0;
    double out_bytes_per_ns = 0;
  };
  void add_chips(const std::vector<bool>& is_inside);
  double chips_ns(schedule::Collective collective, const Chips& chips, double bytes) const;
  void find_ports();
  // Of an allreduce whose bytes share the ways out as well as they can.
  double ports_ns(double bytes) const;
  void add_cut(uint32_t inside, const std::vector<bool>& is_inside, double sides, double reduced);
  double bandwidth_ns(schedule::Collective collective, const Cut& cut, double bytes) const;

  const topology::Topology& topology_;
  uint32_t ranks_;
  double efficiency_ = 1;  // of the protocol for long messages
  double farthest_ns_ = 0;
  double nearest_ns_ = 0;
  std::vector<double> bytes_per_ns_;  // by link
  std::vector<Cut> cuts_;
  std::vector<Chips> chips_;
  std::optional<Ports> ports_;
  std::vector<Side> sides_;
  std::optional<LatencyBound> latency_;
};

}  // namespace tutti::tool
