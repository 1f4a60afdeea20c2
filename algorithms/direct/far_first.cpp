// SPDX-License-Identifier: Apache-2.0
// While what goes far is on its way, what goes near leaves: of all latencies, the longest sum of one and of the bytes that go as far or farther, where
// one_shot takes the longest latency and all bytes. No other order on one link ends sooner (the latest due first: J. R. Jackson, "Scheduling a production
// line to minimize maximum tardiness", 1955).
#include "algorithms/direct/far_first.hpp"

#include <algorithm>
#include <set>
#include <vector>

#include "algorithms/direct/latencies.hpp"
#include "algorithms/direct/one_shot.hpp"

namespace tutti::algorithms::direct {
namespace {

using namespace schedule;

// Vectors of more ranks than that all pass by every rank.
constexpr uint32_t kMostRanksFarFirst = 192;

struct Surroundings {
  std::vector<uint32_t> peers;  // the farthest first
  uint32_t link_count = 0;      // by which messages leave the rank
};

Surroundings surroundings_of(const topology::Fabric& fabric, uint32_t rank) {
  const Circle circle{fabric.chip_count()};
  Surroundings around;
  std::vector<uint64_t> latencies(circle.size);
  std::set<topology::LinkId> links;
  topology::Route route;
  // Of those equally far the one opposite comes first, so that not all crowd one of them.
  for (uint32_t turn = 0; turn < circle.size; ++turn) {
    const uint32_t peer = circle.ahead(rank, (circle.size / 2 + turn) % circle.size);
    if (peer == rank) {
      continue;
    }
    latencies[peer] = latency_ns(fabric, rank, peer, &route);
    links.insert(route.links.front());
    around.peers.push_back(peer);
  }
  std::ranges::stable_sort(around.peers, [&](uint32_t left, uint32_t right) { return latencies[left] > latencies[right]; });
  around.link_count = static_cast<uint32_t>(links.size());
  return around;
}

}  // namespace

bool far_first_solves(const Problem& problem, const topology::Topology& topology) {
  return problem.collective == Collective::all_reduce && problem.blocks == Blocks::equal && problem.rank_count <= kMostRanksFarFirst &&
         has_far_and_near(problem, topology);
}

Schedule far_first(const Problem& problem, const topology::Topology& topology, uint32_t rank) {
  const Surroundings around = surroundings_of(*topology.fabric(), rank);
  return one_shot_all_reduce(problem, {.rank = rank, .peers = around.peers, .sends_at_once = kSendsOfLink * around.link_count});
}

}  // namespace tutti::algorithms::direct
