// SPDX-License-Identifier: Apache-2.0
#include "algorithms/shared/shared.hpp"

#include <array>

#include "algorithms/shared/shared_memory.hpp"

namespace tutti::algorithms::shared {
namespace {

using schedule::Problem;
using schedule::Schedule;

// Everybody signals everybody, and a reduction reads from all of them at once.
constexpr uint32_t kMostRanks = 64;

bool all_reach_memory(const Problem& problem, const topology::Topology& topology) {
  if (problem.rank_count < 2 || problem.rank_count > kMostRanks) {
    return false;
  }
  for (uint32_t source = 0; source < problem.rank_count; ++source) {
    for (uint32_t target = 0; target < problem.rank_count; ++target) {
      if (source != target && !topology.link(source, target).reaches_memory) {
        return false;
      }
    }
  }
  return true;
}

template <bool (*solves)(const Problem&)>
bool applies(const Problem& problem, const topology::Topology& topology) {
  return solves(problem) && all_reach_memory(problem, topology);
}

template <Schedule (*write)(const Problem&, uint32_t)>
Schedule build(const Problem& problem, const topology::Topology&, uint32_t rank) {
  return write(problem, rank);
}

constexpr std::array kAlgorithms = {
    planner::Algorithm{.name = "shared_memory",
                       .idea = "each rank works straight in its peers' memory",
                       .cost = "a signal each way; each byte of the inputs is read once by who needs it, results are written where they belong",
                       .source = "Chakraborty, Subramoni and Panda, CLUSTER 2017; YHCCL, SC 2023",
                       .applies = applies<shared_memory_solves>,
                       .build = build<shared_memory>},
    planner::Algorithm{.name = "root_reads",
                       .idea = "the root reads and reduces its peers' memory",
                       .cost = "a signal each way; the root reads (p-1) n bytes",
                       .source = "Chakraborty, Subramoni and Panda, CLUSTER 2017",
                       .applies = applies<root_reads_solves>,
                       .build = build<root_reads>},
};

}  // namespace

std::span<const planner::Algorithm> algorithms() { return kAlgorithms; }

}  // namespace tutti::algorithms::shared
