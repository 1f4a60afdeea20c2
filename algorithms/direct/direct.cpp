// SPDX-License-Identifier: Apache-2.0
#include "algorithms/direct/direct.hpp"

#include <array>

#include "algorithms/alone.hpp"
#include "algorithms/direct/one_shot.hpp"
#include "algorithms/direct/two_shot.hpp"

namespace tutti::algorithms::direct {
namespace {

using schedule::Problem;
using schedule::Schedule;

// The same for both: one rank alone, several by the algorithm.
template <bool (*solves)(const Problem&)>
bool applies(const Problem& problem, const topology::Topology&) {
  return solves(problem);
}

template <Schedule (*solve)(const Problem&, uint32_t)>
Schedule build(const Problem& problem, const topology::Topology&, uint32_t rank) {
  return problem.rank_count == 1 ? solve_alone(problem) : solve(problem, rank);
}

constexpr std::array kAlgorithms = {
    planner::Algorithm{.name = "one_shot",
                       .idea = "everybody sends everybody what they need, at once",
                       .applies = applies<one_shot_solves>,
                       .build = build<one_shot>,
                       .pattern = schedule::Pattern::one_shot},
    planner::Algorithm{.name = "two_shot",
                       .idea = "each rank works on its own chunk of everybody's vector, then passes it on",
                       .applies = applies<two_shot_solves>,
                       .build = build<two_shot>,
                       .pattern = schedule::Pattern::two_shot},
};

}  // namespace

std::span<const planner::Algorithm> algorithms() { return kAlgorithms; }

}  // namespace tutti::algorithms::direct
