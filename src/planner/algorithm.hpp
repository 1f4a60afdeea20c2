// SPDX-License-Identifier: Apache-2.0
// What an algorithm is: a pure function from problem, topology and rank to a schedule.
#pragma once

#include <string_view>

#include "base/callable.hpp"
#include "schedule/outline.hpp"
#include "schedule/pattern.hpp"
#include "schedule/schedule.hpp"
#include "topology/topology.hpp"

namespace tutti::planner {

// By name, of an algorithm for allreduce.
struct Halves {
  std::string_view reduce_scatter;
  std::string_view all_gather;
};

struct Algorithm {
  // The word TUTTI_ALGO and explanations use, unique over all families: "ring", "binomial".
  std::string_view name;
  // One line for explanations: "chunks travel around a ring twice".
  std::string_view idea;
  // With p ranks, n bytes of a rank, a the latency of a message and b the time of a byte; and who has published it. For docs/algorithms.md.
  std::string_view cost = "-";
  std::string_view source = "-";
  // Whether build() can solve `problem` on `topology`. True for no problem that build() cannot solve.
  Callable<bool(const schedule::Problem& problem, const topology::Topology& topology)> applies;
  // Rank `rank`'s schedule. Deterministic; equal inputs give equal schedules on every machine.
  Callable<schedule::Schedule(const schedule::Problem& problem, const topology::Topology& topology, uint32_t rank)> build;
  // That its schedules follow: on machines with many ranks they are priced by it (cost/closed_forms.hpp).
  schedule::Pattern pattern = schedule::Pattern::other;
  // For schedules of other patterns the same: what they send, of a problem that applies. Null: they are played.
  void (*outline)(const schedule::Problem& problem, const topology::Topology& topology, schedule::Outline& outline) = nullptr;
  // The algorithms whose reducescatter and allgather it consists of, where it does not solve both itself. For compositions (planner/composition.hpp).
  Halves halves = {};
};

}  // namespace tutti::planner
