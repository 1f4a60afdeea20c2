// SPDX-License-Identifier: Apache-2.0
// With p ranks and n bytes in all at a rank: allgather ceil(log2 p) a + (p-1)/p nb, alltoall ceil(log2 p) (a + nb/2)
// (Bruck, Ho, Kipnis, Upfal and Weathersby, "Efficient algorithms for all-to-all communications in multiport
// message-passing systems", TPDS 1997).
#include "algorithms/bruck/bruck.hpp"

#include <array>

#include "algorithms/alone.hpp"
#include "algorithms/bruck/all_gather.hpp"
#include "algorithms/bruck/all_to_all.hpp"

namespace tutti::algorithms::bruck {
namespace {

using namespace schedule;

bool applies(const Problem& problem, const topology::Topology&) {
  return problem.blocks == Blocks::equal &&
         (problem.collective == Collective::all_gather || problem.collective == Collective::all_to_all);
}

Schedule build(const Problem& problem, const topology::Topology&, uint32_t rank) {
  if (problem.rank_count == 1) {
    return solve_alone(problem);
  }
  return problem.collective == Collective::all_to_all ? all_to_all(problem, rank) : all_gather(problem, rank);
}

constexpr std::array kAlgorithms = {
    planner::Algorithm{.name = "bruck",
                       .idea = "blocks travel distances 1, 2, 4, ... together with others",
                       .applies = applies,
                       .build = build,
                       .pattern = schedule::Pattern::bruck},
};

}  // namespace

std::span<const planner::Algorithm> algorithms() { return kAlgorithms; }

}  // namespace tutti::algorithms::bruck
