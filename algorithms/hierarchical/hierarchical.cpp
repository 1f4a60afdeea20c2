// SPDX-License-Identifier: Apache-2.0
#include "algorithms/hierarchical/hierarchical.hpp"

#include <array>

#include "algorithms/hierarchical/collectives.hpp"

namespace tutti::algorithms::hierarchical {
namespace {

using schedule::Problem;
using schedule::Schedule;

template <Leading leading, Depth depth>
bool applies(const Problem& problem, const topology::Topology& topology) {
  if (!solves(problem, leading)) {
    return false;
  }
  const Hierarchy hierarchy(topology, depth);
  // With one rank in some domain, a rail for each of its ranks is what one leader is.
  const bool is_cut = leading == Leading::rails && schedule::is_cut_vector(problem.collective);
  return hierarchy.is_worth_it() && (!is_cut || hierarchy.smallest_domain() > 1);
}

template <Leading leading, Depth depth>
Schedule build(const Problem& problem, const topology::Topology& topology, uint32_t rank) {
  return solve(problem, Hierarchy(topology, depth), leading, rank);
}

constexpr std::string_view kLeadersIdea = "each domain reduces to a leader and hears from it; leaders meet for all";
constexpr std::string_view kRailsIdea = "each rank leads its domain for a share; those who lead for the same meet";

template <Leading leading, Depth depth>
constexpr planner::Algorithm algorithm(std::string_view name) {
  return {.name = name,
          .idea = leading == Leading::leader ? kLeadersIdea : kRailsIdea,
          .applies = applies<leading, depth>,
          .build = build<leading, depth>};
}

constexpr std::array kAlgorithms = {
    algorithm<Leading::leader, Depth::all>("leaders"),
    algorithm<Leading::leader, Depth::outermost>("outer_leaders"),
    algorithm<Leading::leader, Depth::innermost>("inner_leaders"),
    algorithm<Leading::rails, Depth::all>("rails"),
    algorithm<Leading::rails, Depth::outermost>("outer_rails"),
    algorithm<Leading::rails, Depth::innermost>("inner_rails"),
};

}  // namespace

std::span<const planner::Algorithm> algorithms() { return kAlgorithms; }

}  // namespace tutti::algorithms::hierarchical
