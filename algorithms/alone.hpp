// SPDX-License-Identifier: Apache-2.0
// Every collective of one rank, the same for all families, so that an algorithm chosen by name also serves a
// communicator of one.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"
#include "topology/topology.hpp"

namespace tutti::algorithms {

// A reduction passes through a reducing step even with one source: avg divides and a scaling operator scales there.
inline schedule::Schedule solve_alone(const schedule::Problem& problem) {
  using namespace schedule;
  Builder builder({.rank = 0, .chunk_count = 1, .parts = 1});
  if (is_reducing(problem.collective)) {
    const std::array sources = {input(0)};
    builder.reduce(builder.add_lane(), {}, sources, output(0), {.final = Final::yes});
  } else if (problem.collective != Collective::barrier && problem.in_place == InPlace::no) {
    builder.copy(builder.add_lane(), {}, {.source = input(0), .target = output(0)});
  }
  return std::move(builder).build();
}

// planner::Algorithm::build of what looks at no topology: one rank alone, several by `solve`.
template <schedule::Schedule (*solve)(const schedule::Problem&, uint32_t rank)>
schedule::Schedule build_for_any(const schedule::Problem& problem, const topology::Topology&, uint32_t rank) {
  return problem.rank_count == 1 ? solve_alone(problem) : solve(problem, rank);
}

}  // namespace tutti::algorithms
