// SPDX-License-Identifier: Apache-2.0
#include "cost/cost.hpp"

#include <cassert>

#include "cost/player.hpp"

namespace tutti::cost {

uint64_t price_ns(const schedule::Problem& problem, std::span<const schedule::Schedule> schedules,
                  const topology::Topology& topology, const Workload& workload) {
  assert(schedules.size() == topology.rank_count());
  return schedules.empty() ? 0 : Player({problem, schedules, Peers::present, topology, workload}).run();
}

uint64_t price_in_step_ns(const schedule::Problem& problem, const schedule::Schedule& schedule, const topology::Topology& topology,
                          const Workload& workload) {
  return Player({problem, std::span(&schedule, 1), Peers::absent, topology, workload}).run();
}

}  // namespace tutti::cost
