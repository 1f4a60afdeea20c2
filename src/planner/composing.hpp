// SPDX-License-Identifier: Apache-2.0
// Which composition promises most.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "cost/cost.hpp"
#include "planner/algorithm.hpp"

namespace tutti::planner {

struct Promise {
  std::string name;          // as Composition::parse() takes it
  uint64_t price_ns = 0;     // about
  uint64_t latency_ns = 0;   // its part that does not shrink with the vector
};

// Those that are looked at below.
bool promises_compositions(schedule::Collective collective);

// Of an allreduce, reduce or broadcast on a fabric whose units are all alike: of each level the algorithms that are cheapest there for what is left of the vector, and as many
// portions as help. Levels are taken one by one, each as busy as its groups make each other; portions overlap, and the level that takes longest
// decides. Nothing where the machine has no levels, or carries messages between neighbours alone, for short vectors, of more than 2,048 ranks, and
// where it is seen early that it would take `most_ns`.
std::optional<Promise> most_promising(std::span<const Algorithm> algorithms, const schedule::Problem& problem, const topology::Topology& topology,
                                      const cost::Workload& workload, uint64_t most_ns);

}  // namespace tutti::planner
