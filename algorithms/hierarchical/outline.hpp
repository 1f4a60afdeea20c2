// SPDX-License-Identifier: Apache-2.0
// The messages of hierarchical algorithms without their steps, for prices of machines whose schedules are too many to build.
#pragma once

#include "algorithms/hierarchical/collectives.hpp"
#include "algorithms/hierarchical/hierarchy.hpp"
#include "schedule/outline.hpp"
#include "schedule/problem.hpp"

namespace tutti::algorithms::hierarchical {

// What solve() of the same arguments sends over all ranks. Takes time that grows with the ranks.
void outline(const schedule::Problem& problem, const Hierarchy& hierarchy, Leading leading, schedule::Outline& outline);
// The same for an allreduce that is a reducescatter and an allgather.
void outline_of_halves(const schedule::Problem& problem, const Hierarchy& hierarchy, schedule::Outline& outline);
// Of shots().
void outline_of_shots(const Hierarchy& hierarchy, schedule::Outline& outline);

}  // namespace tutti::algorithms::hierarchical
