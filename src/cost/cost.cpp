// SPDX-License-Identifier: Apache-2.0
#include "cost/cost.hpp"

#include <algorithm>
#include <cassert>

#include "cost/fabric_player.hpp"
#include "cost/player.hpp"

namespace tutti::cost {

namespace {

uint64_t play(const Play& what) { return what.topology.fabric() == nullptr ? Player(what).run() : FabricPlayer(what).run(); }

}  // namespace

uint64_t fetch_bytes_per_s(uint64_t near_bytes_per_s, Caches caches, Fetched fetched) {
  const uint64_t unchanged = caches == Caches::near     ? near_bytes_per_s
                             : caches == Caches::shared ? std::min(near_bytes_per_s, kCachedFetchBytes_per_s)
                                                        : std::min(near_bytes_per_s, kUncachedFetchBytes_per_s);
  return fetched == Fetched::unchanged ? unchanged : std::min(unchanged, kWrittenFetchBytes_per_s);
}

uint64_t price_ns(const schedule::Problem& problem, std::span<const schedule::Schedule> schedules,
                  const topology::Topology& topology, const Workload& workload) {
  assert(schedules.size() == topology.rank_count());
  return schedules.empty() ? 0 : play({problem, schedules, Peers::present, topology, workload});
}

uint64_t price_in_step_ns(const schedule::Problem& problem, const schedule::Schedule& schedule, const topology::Topology& topology,
                          const Workload& workload) {
  return play({problem, std::span(&schedule, 1), Peers::absent, topology, workload});
}

}  // namespace tutti::cost
