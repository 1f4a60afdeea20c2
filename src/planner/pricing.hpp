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
inline cost::Messages messages_of(const Algorithm& algorithm, const schedule::Problem& problem, const topology::Topology& topology) {
  cost::Messages messages{.pattern = algorithm.pattern};
  if (algorithm.outline != nullptr) {
    messages.outline = [tell = algorithm.outline, &problem, &topology](schedule::Outline& outline) { tell(problem, topology, outline); };
  }
  return messages;
}

// What a price is made from: schedules of all ranks, a closed form, or a few ranks played alone.
enum class Fidelity : uint8_t { played, closed_form, in_step };

struct Priced {
  uint64_t price_ns = 0;
  Fidelity fidelity = Fidelity::played;
};

// Of a problem that the algorithm applies to.
Priced price_of(const Algorithm& algorithm, const schedule::Problem& problem, const topology::Topology& topology, const cost::Workload& workload);

// The schedules of all ranks; that of rank 0 alone if all would be too many to play.
std::vector<schedule::Schedule> schedules_of_all(const Algorithm& algorithm, const schedule::Problem& problem, const topology::Topology& topology);

}  // namespace tutti::planner
