// SPDX-License-Identifier: Apache-2.0
#include "algorithms/tree/tree.hpp"

#include <array>

#include "algorithms/alone.hpp"
#include "algorithms/hosts.hpp"
#include "algorithms/tree/binomial.hpp"
#include "algorithms/tree/circulant_pipeline.hpp"
#include "algorithms/tree/double_binary.hpp"
#include "algorithms/tree/flat.hpp"

namespace tutti::algorithms::tree {
namespace {

using schedule::Problem;
using schedule::Schedule;

template <uint32_t radix>
Schedule k_nomial_of(const Problem& problem, uint32_t rank) {
  return k_nomial(problem, rank, radix);
}

constexpr std::array kAlgorithms = {
    planner::Algorithm{.name = "binomial",
                       .idea = "a tree in which the ranks that take part double with each round",
                       .cost = "broadcast and reduce ceil(log2 p) (a + nb); gather and scatter ceil(log2 p) a + (p-1)/p nb",
                       .source = "Thakur, Rabenseifner and Gropp, IJHPCA 2005",
                       .applies = applies_anywhere<binomial_solves>,
                       .build = build_for_any<k_nomial_of<2>>},
    planner::Algorithm{.name = "bine",
                       .idea = "a binomial tree whose partners are a third nearer, to either side",
                       .cost = "as binomial, over two thirds of the distance",
                       .source = "De Sensi and others, SC 2025",
                       .applies = applies_to_networks<bine_solves>,
                       .build = build_for_any<bine>},
    planner::Algorithm{.name = "circulant_pipeline",
                       .idea = "chunks leave the root one by one; each round everybody passes on what somebody lacks",
                       .cost = "of m chunks: (m-1+ceil(log2 p)) (a + nb/m)",
                       .source = "Träff, arXiv 2407.18004, 2024",
                       .applies = applies_to_networks<circulant_pipeline_solves>,
                       .build = build_for_any<circulant_pipeline>,
                       .pattern = schedule::Pattern::circulant_pipeline},
    planner::Algorithm{.name = "double_binary_tree",
                       .idea = "two pipelined binary trees carry half of the vector each",
                       .cost = "2nb + O(log p) a",
                       .source = "Sanders, Speck and Träff, Parallel Computing 2009",
                       .applies = applies_anywhere<double_binary_solves>,
                       .build = build_for_any<double_binary>},
    planner::Algorithm{.name = "k_nomial_four",
                       .idea = "a tree in which the ranks that take part become four times as many with each round",
                       .cost = "ceil(log4 p) rounds of up to 3 messages: ceil(log4 p) (a + 3nb)",
                       .source = "Thakur, Rabenseifner and Gropp, IJHPCA 2005",
                       .applies = applies_to_networks<binomial_solves>,
                       .build = build_for_any<k_nomial_of<4>>},
    planner::Algorithm{.name = "k_nomial_eight",
                       .idea = "a tree in which the ranks that take part become eight times as many with each round",
                       .cost = "ceil(log8 p) rounds of up to 7 messages: ceil(log8 p) (a + 7nb)",
                       .source = "Thakur, Rabenseifner and Gropp, IJHPCA 2005",
                       .applies = applies_to_networks<binomial_solves>,
                       .build = build_for_any<k_nomial_of<8>>},
    planner::Algorithm{.name = "flat_tree",
                       .idea = "everybody sends to one rank, which sends everybody the result",
                       .cost = "2a + 2(p-1) nb at one rank",
                       .source = "-",
                       .applies = applies_anywhere<flat_solves>,
                       .build = build_for_any<flat>,
                       .pattern = schedule::Pattern::flat_tree},
};

}  // namespace

std::span<const planner::Algorithm> algorithms() { return kAlgorithms; }

}  // namespace tutti::algorithms::tree
