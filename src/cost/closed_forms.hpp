// SPDX-License-Identifier: Apache-2.0
// What algorithms cost at scale: closed forms on the links of a fabric, for machines whose schedules are too many to build and to play. Pure functions,
// thread-safe.
//
// Schedules of few steps are played. A form adds up waves: messages that are under way together, such as all between partners at one distance. A wave takes
// its longest latency, and its busiest link's bytes at that link's bandwidth. Waves follow one another, or overlap where the schedule streams; a ring is a path
// through its hops, of which the slowest may be taken again and again. Where ranks run ahead of each other and what they do repeats, some of it is played and
// stands for the rest.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "cost/bill.hpp"
#include "cost/cost.hpp"
#include "schedule/outline.hpp"
#include "schedule/pattern.hpp"
#include "schedule/problem.hpp"
#include "schedule/schedule.hpp"
#include "topology/topology.hpp"

namespace tutti::cost {

// What an algorithm's ranks send each other: by a pattern, or as an outline tells it.
struct Messages {
  schedule::Pattern pattern = schedule::Pattern::other;
  std::function<void(schedule::Outline&)> outline = {};  // for patterns that are other
  // Of all ranks, if they have few enough steps; none otherwise.
  std::function<std::vector<schedule::Schedule>()> schedules = {};
};

// Of more messages only those are played that others are like.
inline constexpr uint64_t kMostPlayedMessages = 50'000;

// Within a tenth of price_ns() for the schedules, but for what docs/design/cost.md names (tests/planner/closed_forms_test.cpp). Of all pairs of more than
// two hundred ranks some distances are looked at, which stand for the rest. Takes time that grows with the ranks and the ways' lengths: 0.1 to 0.5 s
// for 8,960. Nothing for topologies without a fabric, messages without a form, variable blocks and single ranks.
std::optional<uint64_t> closed_form_ns(const Messages& messages, const schedule::Problem& problem, const topology::Topology& topology,
                                       const Workload& workload, uint64_t most_played = kMostPlayedMessages);
// The same with its parts and the link that carries most for its bandwidth; latency is what messages of a byte would take. The step count is left out.
std::optional<Bill> closed_form_bill(const Messages& messages, const schedule::Problem& problem, const topology::Topology& topology,
                                     const Workload& workload);

}  // namespace tutti::cost
