// SPDX-License-Identifier: Apache-2.0
// With p ranks and n bytes in all at a rank: allgather ceil(log2 p) a + (p-1)/p nb, alltoall ceil(log2 p) (a + nb/2), with
// base k ceil(log_k p) (a + (k-1)/k nb)
// (Bruck, Ho, Kipnis, Upfal and Weathersby, "Efficient algorithms for all-to-all communications in multiport
// message-passing systems", TPDS 1997). Parallel trees cost allgather and reducescatter the same, but send far what is
// short (the PAT of NCCL 2.23: Jeaugey, "PAT: a new algorithm for all-gather and reduce-scatter operations at scale", arXiv
// 2506.20252, 2025).
#include "algorithms/bruck/bruck.hpp"

#include <array>

#include "algorithms/alone.hpp"
#include "algorithms/bruck/all_gather.hpp"
#include "algorithms/bruck/all_to_all.hpp"
#include "algorithms/bruck/parallel_trees.hpp"
#include "algorithms/hosts.hpp"

namespace tutti::algorithms::bruck {
namespace {

using namespace schedule;

bool bruck_solves(const Problem& problem) {
  return problem.blocks == Blocks::equal &&
         (problem.collective == Collective::all_gather || problem.collective == Collective::all_to_all);
}

bool wide_bruck_solves(const Problem& problem) { return problem.blocks == Blocks::equal && problem.collective == Collective::all_to_all; }

template <uint32_t radix>
Schedule wide_bruck(const Problem& problem, uint32_t rank) {
  return all_to_all(problem, rank, radix);
}

Schedule bruck(const Problem& problem, uint32_t rank) {
  return problem.collective == Collective::all_to_all ? all_to_all(problem, rank, 2) : all_gather(problem, rank);
}

constexpr std::array kAlgorithms = {
    planner::Algorithm{.name = "bruck",
                       .idea = "blocks travel distances 1, 2, 4, ... together with others",
                       .cost = "allgather ceil(log2 p) a + (p-1)/p nb; alltoall ceil(log2 p) (a + nb/2)",
                       .source = "Bruck, Ho, Kipnis, Upfal and Weathersby, TPDS 1997",
                       .applies = applies_anywhere<bruck_solves>,
                       .build = build_for_any<bruck>,
                       .pattern = schedule::Pattern::bruck},
    planner::Algorithm{.name = "bruck_four",
                       .idea = "blocks travel distances 1, 2, 3, then 4, 8, 12, ... together with others",
                       .cost = "3 ceil(log4 p) messages in ceil(log4 p) rounds; alltoall ceil(log4 p) (a + 3/4 nb)",
                       .source = "Bruck, Ho, Kipnis, Upfal and Weathersby, TPDS 1997",
                       .applies = applies_to_networks<wide_bruck_solves>,
                       .build = build_for_any<wide_bruck<4>>,
                       .pattern = schedule::Pattern::bruck_four},
    planner::Algorithm{.name = "bruck_eight",
                       .idea = "blocks travel distances 1, 2, ... 7, then 8, 16, ... together with others",
                       .cost = "7 ceil(log8 p) messages in ceil(log8 p) rounds; alltoall ceil(log8 p) (a + 7/8 nb)",
                       .source = "Bruck, Ho, Kipnis, Upfal and Weathersby, TPDS 1997",
                       .applies = applies_to_networks<wide_bruck_solves>,
                       .build = build_for_any<wide_bruck<8>>,
                       .pattern = schedule::Pattern::bruck_eight},
    planner::Algorithm{.name = "parallel_trees",
                       .idea = "a binomial tree for each block, all at once: few blocks go far, many near",
                       .cost = "ceil(log2 p) a + (p-1)/p nb",
                       .source = "Jeaugey, PAT, arXiv 2506.20252, 2025",
                       .applies = applies_to_networks<parallel_trees_solve>,
                       .build = build_for_any<parallel_trees>,
                       .pattern = schedule::Pattern::parallel_trees},
};

}  // namespace

std::span<const planner::Algorithm> algorithms() { return kAlgorithms; }

}  // namespace tutti::algorithms::bruck
