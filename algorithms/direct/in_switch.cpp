// SPDX-License-Identifier: Apache-2.0
// With p ranks and n bytes on links of b seconds per byte, of which the switches leave a share of 1/e while they reduce or copy: allreduce takes
// (1+1/p) nb/e, since each rank's input leaves it once, and its chunk of the result once, where a ring takes 2(p-1)/p nb. With four ranks and e = 0.85
// there is nothing to gain. With more ranks than that pays for, (1+1/32) nb/e. Where the switches send the sum to all at once, each input goes up and the
// sum comes down: nb/e (R. L. Graham and others, "Scalable Hierarchical Aggregation Protocol (SHArP)", COM-HPC 2016; B. Klenk and others, "An In-Network
// Architecture for Accelerating Shared-Memory Multiprocessor Collectives", ISCA 2020).
#include "algorithms/direct/in_switch.hpp"

#include <utility>
#include <vector>

#include "algorithms/direct/one_shot.hpp"
#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"
#include "schedule/composition.hpp"

namespace tutti::algorithms::direct {
namespace {

using namespace schedule;

// Of ranks that all have a message for all, or lead for a share; of more, some lead for a share each, which costs these that much more bandwidth.
constexpr uint32_t kMostLeaders = 256;
constexpr uint32_t kLeadersOfMany = 32;
constexpr uint32_t kMostRanks = 4096;

bool needs_copies(Collective collective) { return collective != Collective::reduce && collective != Collective::reduce_scatter; }

bool are_switched(const Problem& problem, const topology::Topology& topology) {
  const topology::Fabric* const fabric = topology.fabric().get();
  if (fabric == nullptr || problem.rank_count < 3 || problem.blocks != Blocks::equal ||
      problem.rank_count > (is_cut_vector(problem.collective) ? kMostRanks : kMostLeaders)) {
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

// Each share goes up to the rank that leads for it, reduced on the way, and comes down to all. What comes down takes the place in the output of what has gone up
// from there; it comes because that has gone up, so nothing waits for that.
Schedule all_reduce_of_many(const Problem& problem, uint32_t rank) {
  constexpr uint32_t kUp = 0;  // also the channels
  constexpr uint32_t kDown = 1;
  const uint32_t ranks = problem.rank_count;
  const auto gang = [&](uint32_t share, uint32_t direction) { return Gang{.number = 2 * share + direction, .message_count = ranks - 1}; };
  Builder builder({.rank = rank, .chunk_count = kLeadersOfMany, .parts = 1});
  for (uint32_t share = 0; share < kLeadersOfMany; ++share) {
    const uint32_t leader = (2 * share + 1) * ranks / (2 * kLeadersOfMany);
    if (leader != rank) {
      builder.send(builder.add_lane(kUp), leader, {share}, input(share), {.gang = gang(share, kUp)});
      builder.receive(builder.add_lane(kDown), leader, {share}, output(share));
      continue;
    }
    uint32_t slot = builder.add_scratch(ranks - 1);
    std::vector<Span> sources;
    std::vector<WaitFor> received;
    for (uint32_t peer = 0; peer < ranks; ++peer) {
      sources.push_back(peer == rank ? input(share) : scratch(slot++));
      if (peer != rank) {
        received.push_back({builder.receive(builder.add_lane(kUp), peer, {share}, sources.back()), WaitMode::streaming});
      }
    }
    const StepId reduced = builder.reduce(builder.add_lane(), {share}, sources, output(share), {.final = Final::yes, .waits = std::move(received)});
    for (uint32_t peer = 0; peer < ranks; ++peer) {
      if (peer != rank) {
        builder.send(builder.add_lane(kDown), peer, {share}, output(share), {.waits = {{reduced, WaitMode::streaming}}, .gang = gang(share, kDown)});
      }
    }
  }
  return std::move(builder).build();
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
  if (problem.rank_count > kMostLeaders) {
    return all_reduce_of_many(problem, rank);
  }
  Problem first = problem;
  first.collective = Collective::reduce_scatter;
  Problem second = problem;
  second.collective = Collective::all_gather;
  second.in_place = InPlace::yes;
  return all_reduce_of({.reduce_scatter = one_shot(first, rank, Travel::in_gangs), .all_gather = one_shot(second, rank, Travel::in_gangs)});
}

bool in_switch_tree_solves(const Problem& problem, const topology::Topology& topology) {
  return problem.collective == Collective::all_reduce && problem.rank_count <= kMostLeaders && are_switched(problem, topology) &&
         topology.fabric()->levels()[topology.fabric()->level(0, 1)].reduces_to_all;
}

Schedule in_switch_tree(const Problem& problem, uint32_t rank) { return one_shot(problem, rank, Travel::in_gangs); }

}  // namespace tutti::algorithms::direct
