// SPDX-License-Identifier: Apache-2.0
// What prices are asked for.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "cost/closed_forms.hpp"
#include "cost/cost.hpp"
#include "planner/algorithm.hpp"
#include "schedule/problem.hpp"
#include "topology/topology.hpp"

namespace tutti::planner {

// Of more ranks, algorithms with closed forms are priced by these (cost::closed_form_ns).
inline constexpr uint32_t kMostPlayedRanks = 64;
// Schedules of more steps over all ranks are priced by a few ranks played alone (cost::price_in_step_ns), which keeps the first call of a
// kind within seconds and its memory within 200 MiB however many ranks there are.
inline constexpr uint64_t kMostPlayedSteps = 1'000'000;
// Of algorithms with closed forms, schedules of no more steps are played on many ranks too: as long as that takes no longer than the form, or some
// hundredths of a second.
inline constexpr uint64_t kMostStepsBesideForms = 120'000;
inline constexpr uint32_t kMostRanksBesideForms = 2'048;

// The root means nothing to an unrooted collective; without it equal problems are equal.
inline schedule::Problem normalised(schedule::Problem problem) {
  problem.root = schedule::is_rooted(problem.collective) ? problem.root : 0;
  return problem;
}

// What all ranks of a call have in common, and the choice is made from: each rank may be in place or not, as NCCL and MPI allow. The root of a
// broadcast, which has one buffer in MPI and in most programs, is taken to be.
inline schedule::Problem common_to_ranks(schedule::Problem problem) {
  problem.in_place = problem.collective == schedule::Collective::broadcast ? schedule::InPlace::yes : schedule::InPlace::no;
  return normalised(problem);
}

// Of more ranks than are played together, those that are beside rank 0.
inline std::array<uint32_t, 3> ranks_played_alone(const schedule::Problem& problem) {
  return {problem.root, problem.rank_count / 2, problem.rank_count - 1};
}

// What its closed form is made from; it asks the algorithm about `problem` and `topology`, which outlive it.
cost::Messages messages_of(const Algorithm& algorithm, const schedule::Problem& problem, const topology::Topology& topology);

// What a price is made from: schedules of all ranks, a closed form, or a few ranks played alone.
enum class Fidelity : uint8_t { played, closed_form, in_step };

struct Priced {
  uint64_t price_ns = 0;
  Fidelity fidelity = Fidelity::played;
};

// Of a problem that the algorithm applies to.
Priced price_of(const Algorithm& algorithm, const schedule::Problem& problem, const topology::Topology& topology, const cost::Workload& workload);

// The schedules of all ranks; that of rank 0 alone if all would have more steps.
std::vector<schedule::Schedule> schedules_of_all(const Algorithm& algorithm, const schedule::Problem& problem, const topology::Topology& topology,
                                                 uint64_t most_steps = kMostPlayedSteps);

}  // namespace tutti::planner
