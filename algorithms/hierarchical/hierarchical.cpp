// SPDX-License-Identifier: Apache-2.0
#include "algorithms/hierarchical/hierarchical.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "algorithms/hierarchical/collectives.hpp"
#include "algorithms/hierarchical/outline.hpp"
#include "algorithms/hierarchical/shots.hpp"
#include "schedule/composition.hpp"

namespace tutti::algorithms::hierarchical {
namespace {

using schedule::Problem;
using schedule::Schedule;

// All of a group exchange messages with each other, or with their leader.
constexpr uint32_t kLargestGroup = 1024;

// Simulations ask for the schedules of all ranks of one machine, one after another.
template <Depth depth>
const Hierarchy& hierarchy_of(const topology::Topology& topology) {
  thread_local uint64_t placement = 0;
  thread_local std::optional<Hierarchy> hierarchy;
  if (!hierarchy || placement != topology.placement()) {
    hierarchy.emplace(topology, depth);
    placement = topology.placement();
  }
  return *hierarchy;
}

template <Leading leading, Depth depth>
bool applies(const Problem& problem, const topology::Topology& topology) {
  if (!solves(problem, {.leading = leading})) {
    return false;
  }
  const bool is_rooted_block = problem.collective == schedule::Collective::gather || problem.collective == schedule::Collective::scatter;
  if (is_rooted_block && depth == Depth::innermost) {
    return false;  // Depth::all by another name: one domain, the root's, decides
  }
  const Hierarchy& hierarchy = hierarchy_of<depth>(topology);
  // With one rank in some domain, a rail for each of its ranks is what one leader is.
  const bool is_cut = leading == Leading::rails && schedule::is_cut_vector(problem.collective);
  return hierarchy.is_worth_it() && hierarchy.largest_group() <= kLargestGroup && (!is_cut || hierarchy.smallest_domain() > 1);
}

template <Leading leading, Depth depth>
Schedule build(const Problem& problem, const topology::Topology& topology, uint32_t rank) {
  return solve(problem, hierarchy_of<depth>(topology), {.leading = leading}, rank);
}

// Where switches reduce and copy between the outermost domains, and inside the innermost ones.
bool are_switched(const topology::Topology& topology) {
  const topology::Fabric* const fabric = topology.fabric().get();
  return fabric != nullptr && std::ranges::all_of(fabric->levels(), [](const topology::FabricLevel& level) {
    return level.unit_count == 1 || level.reduction_per_mille != 0;
  });
}

constexpr Manner kInSwitches = {.leading = Leading::rails, .travel = Travel::in_gangs};

template <Depth depth>
bool switched_rails_apply(const Problem& problem, const topology::Topology& topology) {
  return applies<Leading::rails, depth>(problem, topology) && solves(problem, kInSwitches) && are_switched(topology);
}

template <Depth depth>
Schedule build_switched_rails(const Problem& problem, const topology::Topology& topology, uint32_t rank) {
  return solve(problem, hierarchy_of<depth>(topology), kInSwitches, rank);
}

template <Leading leading, Depth depth>
void outline_at(const Problem& problem, const topology::Topology& topology, schedule::Outline& outline) {
  hierarchical::outline(problem, hierarchy_of<depth>(topology), leading, outline);
}

// A rank's steps go by the blocks of all ranks, and so does the work of finding who leads for each.
constexpr uint32_t kMostRanksInHalves = 1024;

template <Depth depth>
bool halves_apply(const Problem& problem, const topology::Topology& topology) {
  return problem.collective == schedule::Collective::all_reduce && problem.blocks == schedule::Blocks::equal &&
         problem.rank_count <= kMostRanksInHalves && hierarchy_of<depth>(topology).is_worth_it();
}

template <Depth depth>
Schedule build_halves(const Problem& problem, const topology::Topology& topology, uint32_t rank) {
  const Hierarchy& hierarchy = hierarchy_of<depth>(topology);
  Problem first = problem;
  first.collective = schedule::Collective::reduce_scatter;
  Problem second = problem;
  second.collective = schedule::Collective::all_gather;
  second.in_place = schedule::InPlace::yes;
  const Manner manner{.leading = Leading::rails};
  return schedule::all_reduce_of({solve(first, hierarchy, manner, rank), solve(second, hierarchy, manner, rank)});
}

template <Depth depth>
void outline_halves_at(const Problem& problem, const topology::Topology& topology, schedule::Outline& outline) {
  outline_of_halves(problem, hierarchy_of<depth>(topology), outline);
}

// More let too much out of a domain.
constexpr uint32_t kMostRanksInShots = 256;

template <Depth depth>
bool shots_apply(const Problem& problem, const topology::Topology& topology) {
  if (problem.collective != schedule::Collective::all_reduce || problem.blocks != schedule::Blocks::equal || topology.fabric() == nullptr ||
      problem.rank_count != topology.rank_count() || problem.rank_count > kMostRanksInShots) {
    return false;
  }
  const Hierarchy& hierarchy = hierarchy_of<depth>(topology);
  return hierarchy.is_worth_it() && hierarchy.smallest_domain() > 1;
}

template <Depth depth>
Schedule build_shots(const Problem& problem, const topology::Topology& topology, uint32_t rank) {
  return shots(problem, hierarchy_of<depth>(topology), rank);
}

template <Depth depth>
void outline_shots_at(const Problem&, const topology::Topology& topology, schedule::Outline& outline) {
  outline_of_shots(hierarchy_of<depth>(topology), outline);
}

constexpr std::string_view kLeadersCost = "allreduce with d domains of g ranks: 3a + (2(g-1) + d-1) nb at a leader";
constexpr std::string_view kRailsCost = "allreduce with d domains of g ranks: 3a + (2(g-1) + d-1)/g nb";
constexpr std::string_view kHalvesCost = "allreduce with d domains of g ranks: 4a + 2(g-1)/g nb inside a domain, 2(d-1)/(dg) nb across";
constexpr std::string_view kSource = "split_rail of UCC, HCCL";

constexpr std::string_view kLeadersIdea = "each domain reduces to a leader and hears from it; leaders meet for all";
constexpr std::string_view kRailsIdea = "each rank leads its domain for a share; those who lead for the same meet";

template <Leading leading, Depth depth>
constexpr planner::Algorithm algorithm(std::string_view name) {
  return {.name = name,
          .idea = leading == Leading::leader ? kLeadersIdea : kRailsIdea,
          .cost = leading == Leading::leader ? kLeadersCost : kRailsCost,
          .source = kSource,
          .applies = applies<leading, depth>,
          .build = build<leading, depth>,
          .outline = outline_at<leading, depth>};
}

template <Depth depth>
constexpr planner::Algorithm halves(std::string_view name) {
  return {.name = name,
          .idea = "rails bring each rank its chunk of everybody's vector, reduced on the way, and then to everybody",
          .cost = kHalvesCost,
          .source = kSource,
          .applies = halves_apply<depth>,
          .build = build_halves<depth>,
          .outline = outline_halves_at<depth>};
}

template <Depth depth>
constexpr planner::Algorithm rail_shots(std::string_view name) {
  return {.name = name,
          .idea = "each rank leads its domain for a share, hears it straight from all, and passes the sum on inside",
          .cost = "d domains of g ranks: 2a, one of them inside, + ((p-1)/g + (g-1)/g) nb",
          .source = "-",
          .applies = shots_apply<depth>,
          .build = build_shots<depth>,
          .outline = outline_shots_at<depth>};
}

template <Depth depth>
constexpr planner::Algorithm switched_rails(std::string_view name) {
  return {.name = name,
          .idea = "as rails; switches reduce what goes to those who lead, and copy what comes back meanwhile",
          .cost = "domains of g: 3a + the more of (1+1/g) nb/e inside and nb/g across",
          .source = "Graham and others, SHArP, COM-HPC 2016; UCC, HCCL",
          .applies = switched_rails_apply<depth>,
          .build = build_switched_rails<depth>};
}

constexpr std::array kAlgorithms = {
    algorithm<Leading::leader, Depth::all>("leaders"),
    algorithm<Leading::leader, Depth::outermost>("outer_leaders"),
    algorithm<Leading::leader, Depth::innermost>("inner_leaders"),
    algorithm<Leading::rails, Depth::all>("rails"),
    algorithm<Leading::rails, Depth::outermost>("outer_rails"),
    algorithm<Leading::rails, Depth::innermost>("inner_rails"),
    switched_rails<Depth::all>("in_switch_rails"),
    switched_rails<Depth::outermost>("outer_in_switch_rails"),
    switched_rails<Depth::innermost>("inner_in_switch_rails"),
    halves<Depth::all>("rail_halves"),
    halves<Depth::outermost>("outer_rail_halves"),
    halves<Depth::innermost>("inner_rail_halves"),
    rail_shots<Depth::all>("rail_shots"),
    rail_shots<Depth::outermost>("outer_rail_shots"),
};

}  // namespace

std::span<const planner::Algorithm> algorithms() { return kAlgorithms; }

}  // namespace tutti::algorithms::hierarchical
