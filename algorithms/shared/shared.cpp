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

bool applies(const Problem& problem, const topology::Topology& topology) {
  if (problem.rank_count < 2 || problem.rank_count > kMostRanks || !shared_memory_solves(problem)) {
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

Schedule build(const Problem& problem, const topology::Topology&, uint32_t rank) { return shared_memory(problem, rank); }

constexpr std::array kAlgorithms = {
    planner::Algorithm{.name = "shared_memory",
                       .idea = "each rank works straight in its peers' memory",
                       .applies = applies,
                       .build = build},
};

}  // namespace

std::span<const planner::Algorithm> algorithms() { return kAlgorithms; }

}  // namespace tutti::algorithms::shared
