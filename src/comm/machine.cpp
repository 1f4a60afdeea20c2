// SPDX-License-Identifier: Apache-2.0
#include "comm/machine.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <string>

#include "topology/places.hpp"

namespace tutti::comm {
namespace {

// All cores of a host on which any of its ranks may run.
class Cores {
 public:
  void add(const topology::ProcessorWords& words) {
    words_.resize(std::max(words_.size(), words.size()));
    for (size_t word = 0; word < words.size(); ++word) {
      words_[word] |= words[word];
    }
  }
  uint32_t count() const {
    uint32_t count = 0;
    for (const uint64_t word : words_) {
      count += static_cast<uint32_t>(std::popcount(word));
    }
    return count;
  }

 private:
  topology::ProcessorWords words_;
};

topology::MemorySpeed fastest(const topology::MemorySpeed& a, const topology::MemorySpeed& b) {
  return {.copy_bytes_per_s = std::max(a.copy_bytes_per_s, b.copy_bytes_per_s), .fetch_bytes_per_s = std::max(a.fetch_bytes_per_s, b.fetch_bytes_per_s)};
}

topology::MemorySpeed slowest(const topology::MemorySpeed& a, const topology::MemorySpeed& b) {
  return {.copy_bytes_per_s = std::min(a.copy_bytes_per_s, b.copy_bytes_per_s), .fetch_bytes_per_s = std::min(a.fetch_bytes_per_s, b.fetch_bytes_per_s)};
}

}  // namespace

topology::Topology make_topology(const std::vector<Introduction>& introductions,
                                 FunctionRef<topology::LinkSpec(uint32_t source, uint32_t target)> link) {
  topology::Topology topology(static_cast<uint32_t>(introductions.size()));
  std::vector<std::string> hosts;
  std::vector<Cores> cores;
  std::vector<topology::MemorySpeed> speeds;
  std::vector<topology::Place> places;
  for (uint32_t peer = 0; peer < introductions.size(); ++peer) {
    const Introduction& introduction = introductions[peer];
    const auto found = std::ranges::find(hosts, introduction.host_id);
    const auto host = static_cast<size_t>(found - hosts.begin());
    if (found == hosts.end()) {
      hosts.push_back(introduction.host_id);
      cores.emplace_back();
      speeds.push_back(introduction.memory);
    }
    topology.set_host(peer, static_cast<uint32_t>(host));
    cores[host].add(introduction.allowed_cores);
    speeds[host] = fastest(speeds[host], introduction.memory);
    places.push_back(introduction.place);
    for (uint32_t other = 0; other < peer; ++other) {
      topology.set_link(other, peer, link(other, peer));
    }
  }
  topology.cores_per_host = UINT32_MAX;
  for (const Cores& one : cores) {
    topology.cores_per_host = std::min(topology.cores_per_host, one.count());
  }
  topology::add_levels(topology, places);
  const topology::MemorySpeed speed = std::accumulate(speeds.begin() + 1, speeds.end(), speeds.front(), slowest);
  topology.reduce_bytes_per_s = topology::scaled_by_cores(topology.reduce_bytes_per_s, speed);
  topology.fetch_bytes_per_s = speed.fetch_bytes_per_s;
  return topology;
}

topology::MemorySpeed memory_speed_of(const std::vector<Introduction>& introductions, uint32_t rank) {
  topology::MemorySpeed speed = introductions[rank].memory;
  for (const Introduction& introduction : introductions) {
    if (introduction.host_id == introductions[rank].host_id) {
      speed = fastest(speed, introduction.memory);
    }
  }
  return speed;
}

engine::Crowding crowding_of(const std::vector<Introduction>& introductions, uint32_t rank) {
  uint32_t ranks_here = 0;
  Cores cores;
  for (const Introduction& introduction : introductions) {
    if (introduction.host_id == introductions[rank].host_id) {
      ++ranks_here;
      cores.add(introduction.allowed_cores);
    }
  }
  return ranks_here > cores.count() ? engine::Crowding::crowded : engine::Crowding::spacious;
}

}  // namespace tutti::comm
