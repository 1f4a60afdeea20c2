// SPDX-License-Identifier: Apache-2.0
// With p ranks and n bytes on links of b seconds per byte, of which the switches leave a share of 1/e while they reduce or copy: allreduce takes
// (1+1/p) nb/e, since each rank's input leaves it once, and its chunk of the result once, where a ring takes 2(p-1)/p nb. With four ranks and e = 0.85
// there is nothing to gain. Where the switches send the sum to all at once, each input goes up and the sum comes down: nb/e (R. L. Graham and others,
// "Scalable Hierarchical Aggregation Protocol (SHArP)", COM-HPC 2016; B. Klenk and others, "An In-Network Architecture for Accelerating Shared-Memory
// Multiprocessor Collectives", ISCA 2020).
#include "algorithms/direct/in_switch.hpp"

#include <utility>

#include "algorithms/direct/one_shot.hpp"
#include "schedule/composition.hpp"

namespace tutti::algorithms::direct {
namespace {

using namespace schedule;

// Everybody has a message for everybody.
constexpr uint32_t kMostRanks = 256;

bool needs_copies(Collective collective) { return collective != Collective::reduce && collective != Collective::reduce_scatter; }

bool are_switched(const Problem& problem, const topology::Topology& topology) {
  const topology::Fabric* const fabric = topology.fabric().get();
  if (fabric == nullptr || problem.rank_count < 3 || problem.rank_count > kMostRanks || problem.blocks != Blocks::equal) {
    return false;
  }
  const uint32_t level = fabric->level(0, 1);
  const topology::FabricLevel& switches = fabric->levels()[level];
  if ((is_reducing(problem.collective) && switches.reduction_per_mille == 0) ||
      (needs_copies(problem.collective) && switches.multicast_per_mille == 0)) {
    return false;
  }
  for (uint32_t rank = 1; rank < problem.rank_count; ++rank) {
    if (fabric->level(0, rank) != level || fabric->level(rank, (rank + 1) % problem.rank_count) != level) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool in_switch_solves(const Problem& problem, const topology::Topology& topology) {
  switch (problem.collective) {
    case Collective::all_reduce:
    case Collective::reduce:
    case Collective::broadcast:
    case Collective::reduce_scatter:
    case Collective::all_gather:
      return are_switched(problem, topology);
    default:
      return false;
  }
}

// While a chunk goes up to be reduced, others come down.
Schedule in_switch(const Problem& problem, uint32_t rank) {
  if (problem.collective != Collective::all_reduce) {
    return one_shot(problem, rank, Travel::in_gangs);
  }
  Problem first = problem;
  first.collective = Collective::reduce_scatter;
  Problem second = problem;
  second.collective = Collective::all_gather;
  second.in_place = InPlace::yes;
  return all_reduce_of({.reduce_scatter = one_shot(first, rank, Travel::in_gangs), .all_gather = one_shot(second, rank, Travel::in_gangs)});
}

bool in_switch_tree_solves(const Problem& problem, const topology::Topology& topology) {
  return problem.collective == Collective::all_reduce && are_switched(problem, topology) &&
         topology.fabric()->levels()[topology.fabric()->level(0, 1)].reduces_to_all;
}

Schedule in_switch_tree(const Problem& problem, uint32_t rank) { return one_shot(problem, rank, Travel::in_gangs); }

}  // namespace tutti::algorithms::direct
