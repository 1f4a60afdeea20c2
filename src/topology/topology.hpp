// SPDX-License-Identifier: Apache-2.0
// The machine as the planner sees it: which rank reaches which, and how well. Equal on every rank of a communicator.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tutti::topology {

// A link from one rank to another, one direction.
struct LinkSpec {
  uint64_t latency_ns = 0;             // software and wire, a small message
  uint64_t bandwidth_bytes_per_s = 1;  // effective, large messages
  std::string source;                  // where the two figures come from

  bool operator==(const LinkSpec&) const = default;
};

class Topology {
 public:
  // All pairs alike.
  static Topology uniform(uint32_t rank_count, const LinkSpec& link);

  explicit Topology(uint32_t rank_count);

  uint32_t rank_count() const { return rank_count_; }
  // Both directions of a pair.
  void set_link(uint32_t a, uint32_t b, const LinkSpec& link);
  const LinkSpec& link(uint32_t source, uint32_t target) const;

  // Ranks with the same host number share memory and its bandwidth.
  void set_host(uint32_t rank, uint32_t host) { hosts_[rank] = host; }
  uint32_t host(uint32_t rank) const { return hosts_[rank]; }
  uint32_t host_count() const;

  // What one core reduces, bytes of output per second.
  uint64_t reduce_bytes_per_s = 5'000'000'000;
  // Cores a host's ranks share; 0 unknown. When ranks outnumber them, work of ranks on one host adds up.
  uint32_t cores_per_host = 0;

  uint64_t hash() const;
  std::string to_string() const;

 private:
  uint32_t rank_count_;
  std::vector<LinkSpec> specs_;       // the different ones
  std::vector<uint32_t> link_specs_;  // rank_count^2 indices into specs_
  std::vector<uint32_t> hosts_;
};

}  // namespace tutti::topology
