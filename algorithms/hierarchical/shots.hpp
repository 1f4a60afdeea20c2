// SPDX-License-Identifier: Apache-2.0
// An allreduce in which messages pass between domains once, and inside of them once.
#pragma once

#include "algorithms/hierarchical/hierarchy.hpp"
#include "schedule/outline.hpp"
#include "schedule/schedule.hpp"

namespace tutti::algorithms::hierarchical {

// For a hierarchy that is worth it, whose innermost domains count.
schedule::Schedule shots(const schedule::Problem& problem, const Hierarchy& hierarchy, uint32_t rank);

}  // namespace tutti::algorithms::hierarchical
