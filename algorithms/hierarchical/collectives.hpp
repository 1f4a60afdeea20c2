// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "algorithms/hierarchical/hierarchy.hpp"
#include "algorithms/travel.hpp"
#include "schedule/schedule.hpp"

namespace tutti::algorithms::hierarchical {

// Who leads a domain: one rank for the whole vector, or each of its ranks for a chunk, so that the ranks of several domains that lead for the same
// chunk meet as on a rail.
enum class Leading : uint8_t { leader, rails };

struct Manner {
  Leading leading = Leading::rails;
  Travel travel = Travel::alone;  // of an allreduce
};

bool solves(const schedule::Problem& problem, const Manner& manner);
// For a hierarchy that is worth it.
schedule::Schedule solve(const schedule::Problem& problem, const Hierarchy& hierarchy, const Manner& manner, uint32_t rank);

}  // namespace tutti::algorithms::hierarchical
