// SPDX-License-Identifier: Apache-2.0
#include "planner/pricing.hpp"

#include <algorithm>
#include <utility>

#include "planner/planner.hpp"

namespace tutti::planner {

using schedule::Problem;
using schedule::Schedule;

std::vector<Schedule> schedules_of_all(const Algorithm& algorithm, const Problem& problem, const topology::Topology& topology, uint64_t most_steps) {
  std::vector<Schedule> schedules = {algorithm.build(problem, topology, 0)};
  uint64_t steps = schedules.front().steps.size() * problem.rank_count;
  if (steps > most_steps && problem.rank_count > kMostPlayedRanks) {  // rank 0 may have more than others, if it is the root
    steps = schedules.front().steps.size() + algorithm.build(problem, topology, problem.rank_count / 2).steps.size() * (problem.rank_count - 1);
  }
  if (steps <= most_steps) {
    schedules.reserve(problem.rank_count);
    for (uint32_t rank = 1; rank < problem.rank_count; ++rank) {
      schedules.push_back(algorithm.build(problem, topology, rank));
    }
  }
  return schedules;
}

cost::Messages messages_of(const Algorithm& algorithm, const Problem& problem, const topology::Topology& topology) {
  cost::Messages messages{.pattern = algorithm.pattern};
  if (algorithm.outline != nullptr) {
    messages.outline = [tell = algorithm.outline, &problem, &topology](schedule::Outline& outline) { tell(problem, topology, outline); };
  }
  messages.schedules = [&algorithm, &problem, &topology] {
    std::vector<Schedule> schedules;
    if (problem.rank_count <= kMostRanksBesideForms) {
      schedules = schedules_of_all(algorithm, problem, topology, kMostStepsBesideForms);
    }
    return schedules.size() == problem.rank_count ? std::move(schedules) : std::vector<Schedule>();
  };
  return messages;
}

Priced price_of(const Algorithm& algorithm, const Problem& problem, const topology::Topology& topology, const cost::Workload& workload) {
  if (problem.rank_count > kMostPlayedRanks) {
    if (const auto form = cost::closed_form_ns(messages_of(algorithm, problem, topology), problem, topology, workload)) {
      return {*form, Fidelity::closed_form};
    }
  }
  const std::vector<Schedule> schedules = schedules_of_all(algorithm, problem, topology);
  if (schedules.size() == problem.rank_count) {
    return {cost::price_ns(problem, schedules, topology, workload), Fidelity::played};
  }
  uint64_t longest = cost::price_in_step_ns(problem, schedules.front(), topology, workload);
  for (const uint32_t rank : ranks_played_alone(problem)) {
    longest = std::max(longest, cost::price_in_step_ns(problem, algorithm.build(problem, topology, rank), topology, workload));
  }
  return {longest, Fidelity::in_step};
}

}  // namespace tutti::planner
