// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "algorithms/hierarchical/hierarchy.hpp"
#include "schedule/schedule.hpp"

namespace tutti::algorithms::hierarchical {

// Who leads a domain: one rank for the whole vector, or each of its ranks for a chunk, so that the ranks of several domains that lead for the same
// chunk meet as on a rail.
enum class Leading : uint8_t { leader, rails };

bool solves(const schedule::Problem& problem, Leading leading);
// For a hierarchy that is worth it.
schedule::Schedule solve(const schedule::Problem& problem, const Hierarchy& hierarchy, Leading leading, uint32_t rank);

}  // namespace tutti::algorithms::hierarchical
