// SPDX-License-Identifier: Apache-2.0
#include "algorithms/tree/tree.hpp"

#include <array>

#include "algorithms/alone.hpp"
#include "algorithms/tree/binomial.hpp"
#include "algorithms/tree/double_binary.hpp"
#include "algorithms/tree/flat.hpp"

namespace tutti::algorithms::tree {
namespace {

using schedule::Problem;
using schedule::Schedule;

// The same for all: one rank alone, several by the algorithm.
template <bool (*solves)(const Problem&)>
bool applies(const Problem& problem, const topology::Topology&) {
  return solves(problem);
}

template <Schedule (*solve)(const Problem&, uint32_t)>
Schedule build(const Problem& problem, const topology::Topology&, uint32_t rank) {
  return problem.rank_count == 1 ? solve_alone(problem) : solve(problem, rank);
}

constexpr std::array kAlgorithms = {
    planner::Algorithm{.name = "binomial",
                       .idea = "a tree in which the ranks that take part double with each round",
                       .applies = applies<binomial_solves>,
                       .build = build<binomial>},
    planner::Algorithm{.name = "double_binary_tree",
                       .idea = "two pipelined binary trees carry half of the vector each",
                       .applies = applies<double_binary_solves>,
                       .build = build<double_binary>},
    planner::Algorithm{.name = "flat_tree",
                       .idea = "everybody sends to one rank, which sends everybody the result",
                       .applies = applies<flat_solves>,
                       .build = build<flat>,
                       .pattern = schedule::Pattern::flat_tree},
};

}  // namespace

std::span<const planner::Algorithm> algorithms() { return kAlgorithms; }

}  // namespace tutti::algorithms::tree
