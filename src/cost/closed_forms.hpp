// SPDX-License-Identifier: Apache-2.0
// What algorithms cost at scale: closed forms on the links of a fabric, for machines whose schedules are too many to build and to play. Pure functions,
// thread-safe.
//
// A form adds up waves: messages that are under way together, such as all between partners at one distance. A wave takes its longest latency, and its
// busiest link's bytes at that link's bandwidth. Waves follow one another, or overlap where the schedule streams; a ring is a path through its hops, of
// which the slowest may be taken again and again.
#pragma once

#include <cstdint>
#include <optional>

#include "cost/cost.hpp"
#include "schedule/pattern.hpp"
#include "schedule/problem.hpp"
#include "topology/topology.hpp"

namespace tutti::cost {

// Within a tenth of price_ns() for the pattern's schedules where ranks keep in step, and within 40 % where they do not: rings, pairwise, bruck of any
// base, circulant, parallel_trees, neighbour_exchange, two_shot with a root, doubling of other rank counts than powers of two, and, within half,
// circulant_pipeline (tests/planner/closed_forms_test.cpp). Of all pairs of more than two hundred ranks some
// distances are looked at, which stand for the rest. Takes time that grows with the ranks and the ways' lengths: 0.1 to 0.5 s
// for 8,960. Nothing for topologies without a fabric, patterns without a form, variable blocks and single ranks.
std::optional<uint64_t> closed_form_ns(schedule::Pattern pattern, const schedule::Problem& problem, const topology::Topology& topology,
                                       const Workload& workload);

}  // namespace tutti::cost
