// SPDX-License-Identifier: Apache-2.0
#include "comm/machine.hpp"

#include <algorithm>
#include <bit>
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

}  // namespace

topology::Topology make_topology(const std::vector<Introduction>& introductions,
                                 FunctionRef<topology::LinkSpec(uint32_t source, uint32_t target)> link) {
  topology::Topology topology(static_cast<uint32_t>(introductions.size()));
  std::vector<std::string> hosts;
  std::vector<Cores> cores;
  std::vector<topology::Place> places;
  for (uint32_t peer = 0; peer < introductions.size(); ++peer) {
    const Introduction& introduction = introductions[peer];
    const auto found = std::ranges::find(hosts, introduction.host_id);
    const auto host = static_cast<size_t>(found - hosts.begin());
    if (found == hosts.end()) {
      hosts.push_back(introduction.host_id);
      cores.emplace_back();
    }
    topology.set_host(peer, static_cast<uint32_t>(host));
    cores[host].add(introduction.allowed_cores);
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
  return topology;
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
