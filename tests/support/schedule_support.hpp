// SPDX-License-Identifier: Apache-2.0
// What tests of algorithms share: all problems worth trying, the schedules of all ranks, and checks that say what failed.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "planner/algorithm.hpp"
#include "schedule/verifier.hpp"
#include "topology/topology.hpp"

namespace tutti::tests {

inline constexpr uint32_t kLargestRankCount = 33;  // powers of two, their neighbours and primes are among 1 .. 33

inline constexpr schedule::Collective kCollectives[] = {
    schedule::Collective::all_reduce,     schedule::Collective::reduce,     schedule::Collective::broadcast,
    schedule::Collective::all_gather,     schedule::Collective::gather,     schedule::Collective::scatter,
    schedule::Collective::reduce_scatter, schedule::Collective::all_to_all, schedule::Collective::barrier,
};

// The roots worth trying: all of a few ranks, of many the ends, the middle and a neighbour of each.
inline std::vector<uint32_t> roots_of(uint32_t rank_count) {
  if (rank_count > 9) {
    return {0, 1, rank_count / 2, rank_count / 2 + 1, rank_count - 2, rank_count - 1};
  }
  std::vector<uint32_t> roots;
  for (uint32_t root = 0; root < rank_count; ++root) {
    roots.push_back(root);
  }
  return roots;
}

inline bool has_variable_form(schedule::Collective collective) {
  switch (collective) {
    case schedule::Collective::all_gather:
    case schedule::Collective::reduce_scatter:
    case schedule::Collective::all_to_all:
    case schedule::Collective::gather:
    case schedule::Collective::scatter:
      return true;
    default:
      return false;
  }
}

// Every root, kind of buffers and kind of blocks that `collective` has with `rank_count` ranks.
inline std::vector<schedule::Problem> problems_of(schedule::Collective collective, uint32_t rank_count) {
  using namespace schedule;
  const std::vector<uint32_t> roots = is_rooted(collective) ? roots_of(rank_count) : std::vector<uint32_t>{0};
  const std::vector<Blocks> block_kinds =
      has_variable_form(collective) ? std::vector{Blocks::equal, Blocks::variable} : std::vector{Blocks::equal};
  const std::vector<InPlace> buffer_kinds =
      collective == Collective::barrier ? std::vector{InPlace::no} : std::vector{InPlace::no, InPlace::yes};
  std::vector<Problem> problems;
  for (const uint32_t root : roots) {
    for (const Blocks blocks : block_kinds) {
      for (const InPlace in_place : buffer_kinds) {
        problems.push_back({collective, rank_count, root, in_place, blocks});
      }
    }
  }
  return problems;
}

// The same over all collectives and 1 .. kLargestRankCount ranks.
inline std::vector<schedule::Problem> all_problems() {
  std::vector<schedule::Problem> problems;
  for (const schedule::Collective collective : kCollectives) {
    for (uint32_t rank_count = 1; rank_count <= kLargestRankCount; ++rank_count) {
      const std::vector<schedule::Problem> more = problems_of(collective, rank_count);
      problems.insert(problems.end(), more.begin(), more.end());
    }
  }
  return problems;
}

// Links that offer what any algorithm can ask for.
inline topology::Topology reaching_topology(uint32_t rank_count) {
  return topology::Topology::uniform(
      rank_count, {.latency_ns = 1, .bandwidth_bytes_per_s = 1, .source = "test", .reaches_memory = true});
}

inline bool applies(const planner::Algorithm& algorithm, const schedule::Problem& problem) {
  return algorithm.applies(problem, reaching_topology(problem.rank_count));
}

inline std::vector<schedule::Schedule> build_all(const planner::Algorithm& algorithm, const schedule::Problem& problem,
                                                 const topology::Topology& topology) {
  std::vector<schedule::Schedule> schedules;
  for (uint32_t rank = 0; rank < problem.rank_count; ++rank) {
    schedules.push_back(algorithm.build(problem, topology, rank));
  }
  return schedules;
}

inline std::vector<schedule::Schedule> build_all(const planner::Algorithm& algorithm, const schedule::Problem& problem) {
  return build_all(algorithm, problem, reaching_topology(problem.rank_count));
}

// Whether the schedules of all ranks solve the problem; if not, why, with the schedules where they are few.
inline testing::AssertionResult solves(const planner::Algorithm& algorithm, const schedule::Problem& problem,
                                       const topology::Topology& topology) {
  constexpr uint32_t kRanksPrinted = 5;
  const std::vector<schedule::Schedule> schedules = build_all(algorithm, problem, topology);
  const Status status = schedule::verify(problem, schedules);
  if (status.ok()) {
    return testing::AssertionSuccess();
  }
  testing::AssertionResult failure = testing::AssertionFailure();
  failure << algorithm.name << " does not solve " << to_string(problem) << ": " << status.message() << "\n";
  if (problem.rank_count <= kRanksPrinted) {
    for (const schedule::Schedule& schedule : schedules) {
      failure << to_string(schedule);
    }
  }
  return failure;
}

inline testing::AssertionResult solves(const planner::Algorithm& algorithm, const schedule::Problem& problem) {
  return solves(algorithm, problem, reaching_topology(problem.rank_count));
}

// Checks `algorithm` on every problem it applies to, and that it applies to `collective` with some rank count. Stops at
// a few failures.
inline void expect_solves_all_it_applies_to(const planner::Algorithm& algorithm, schedule::Collective collective) {
  constexpr int kFailuresReported = 3;
  int solved = 0;
  int failed = 0;
  for (uint32_t rank_count = 1; rank_count <= kLargestRankCount && failed < kFailuresReported; ++rank_count) {
    for (const schedule::Problem& problem : problems_of(collective, rank_count)) {
      if (!applies(algorithm, problem) || failed == kFailuresReported) {
        continue;
      }
      const testing::AssertionResult result = solves(algorithm, problem);
      EXPECT_TRUE(result);
      ++(result ? solved : failed);
    }
  }
  EXPECT_GT(solved, 0) << algorithm.name << " applies to no problem of " << name_of(collective);
}

inline uint32_t count_steps(const schedule::Schedule& schedule, schedule::StepKind kind) {
  uint32_t count = 0;
  for (const schedule::Step& step : schedule.steps) {
    count += step.kind == kind ? 1 : 0;
  }
  return count;
}

// Chunks that a rank sends, the measure of bandwidth.
inline uint32_t count_chunks_sent(const schedule::Schedule& schedule) {
  uint32_t count = 0;
  for (const schedule::Step& step : schedule.steps) {
    count += step.kind == schedule::StepKind::send ? step.chunk_count : 0;
  }
  return count;
}

}  // namespace tutti::tests
