// SPDX-License-Identifier: Apache-2.0
// Every problem has an algorithm for short messages and one for long ones; which, is promised here.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "golden/registered_algorithms.hpp"
#include "support/grids.hpp"
#include "support/schedule_support.hpp"

namespace tutti {
namespace {

using namespace schedule;

struct Promise {
  std::vector<std::string_view> latency;
  std::vector<std::string_view> bandwidth;
};

// With equal blocks, for any rank count, root and kind of buffers, over networks. A barrier has no bandwidth.
const std::map<Collective, Promise>& promises() {
  static const std::map<Collective, Promise> table = {
      {Collective::all_reduce, {{"recursive_doubling", "one_shot"}, {"ring", "two_shot", "double_binary_tree", "circulant", "parallel_trees"}}},
      {Collective::reduce, {{"binomial", "k_nomial_four", "one_shot"}, {"ring", "two_shot", "double_binary_tree", "circulant_pipeline"}}},
      {Collective::broadcast, {{"binomial", "k_nomial_four", "one_shot"}, {"ring", "two_shot", "double_binary_tree", "circulant_pipeline"}}},
      {Collective::all_gather, {{"bruck", "parallel_trees", "one_shot"}, {"ring"}}},
      {Collective::reduce_scatter, {{"circulant", "parallel_trees", "one_shot"}, {"ring"}}},
      {Collective::all_to_all, {{"bruck", "bruck_four", "bruck_eight", "one_shot"}, {"pairwise"}}},
      {Collective::gather, {{"binomial"}, {"one_shot"}}},
      {Collective::scatter, {{"binomial"}, {"one_shot"}}},
      {Collective::barrier, {{"dissemination"}, {"dissemination"}}},
  };
  return table;
}

std::set<std::string_view> names_for(const Problem& problem) {
  std::set<std::string_view> names;
  for (const planner::Algorithm& algorithm : tests::registered_algorithms()) {
    if (tests::applies(algorithm, problem)) {
      names.insert(algorithm.name);
    }
  }
  return names;
}

TEST(CoverageTest, EveryProblemWithEqualBlocksHasThePromisedAlgorithms) {
  for (const Problem& problem : tests::all_problems()) {
    if (problem.blocks == Blocks::variable) {
      continue;
    }
    const std::set<std::string_view> names = names_for(problem);
    const Promise& promise = promises().at(problem.collective);
    for (const std::vector<std::string_view>& promised : {promise.latency, promise.bandwidth}) {
      for (const std::string_view name : promised) {
        EXPECT_TRUE(names.contains(name)) << name << " for " << to_string(problem);
      }
    }
  }
}

// What a rank sends, or receives, of all chunks.
double largest_share(const std::vector<Schedule>& schedules) {
  double largest = 0;
  for (const Schedule& schedule : schedules) {
    double sent = 0;
    double received = 0;
    for (const Step& step : schedule.steps) {
      const bool receives = step.kind == StepKind::receive || step.kind == StepKind::receive_reduce;
      (step.kind == StepKind::send ? sent : received) += step.kind == StepKind::send || receives ? step.chunk_count : 0;
    }
    largest = std::max(largest, std::max(sent, received) / schedule.chunk_count);
  }
  return largest;
}

uint32_t most_messages(const std::vector<Schedule>& schedules) {
  uint32_t most = 0;
  for (const Schedule& schedule : schedules) {
    most = std::max(most, tests::count_steps(schedule, StepKind::send));
  }
  return most;
}

// Of algorithms that send messages over networks, whether one has schedules that `suit`.
template <typename Suits>
bool has_one(const Problem& problem, Suits suits) {
  return std::ranges::any_of(tests::registered_algorithms(), [&](const planner::Algorithm& algorithm) {
    const topology::Topology distant = topology::Topology::uniform(problem.rank_count, {.latency_ns = 1'000, .source = ""});
    return algorithm.applies(problem, distant) && suits(tests::build_all(algorithm, problem, distant));
  });
}

TEST(CoverageTest, EveryCollectiveHasAFormOfFewMessagesAndOneOfFewBytes) {
  const auto fewest_bytes = [](Collective collective, double ranks) {
    switch (collective) {
      case Collective::all_reduce: return 2 * (ranks - 1) / ranks;
      case Collective::broadcast:
      case Collective::reduce: return 1.0;
      case Collective::all_to_all: return (ranks - 1) / ranks / ranks;
      default: return (ranks - 1) / ranks;
    }
  };
  for (const Collective collective : tests::kCollectives) {
    for (const uint32_t rank_count : {7u, 8u, 12u}) {
      const Problem problem{.collective = collective, .rank_count = rank_count, .root = is_rooted(collective) ? 2u : 0u};
      const auto rounds = static_cast<uint32_t>(std::bit_width(rank_count - 1));
      EXPECT_TRUE(has_one(problem, [&](const auto& schedules) { return most_messages(schedules) <= 2 * rounds; })) << to_string(problem);
      const double least = fewest_bytes(collective, rank_count);
      EXPECT_TRUE(collective == Collective::barrier || has_one(problem, [&](const auto& schedules) { return largest_share(schedules) < 1.001 * least; }))
          << to_string(problem);
    }
  }
}

topology::Topology full_mesh_of(uint32_t rank_count) {
  topology::LevelModel level;
  level.kind = topology::LevelKind::full_mesh;
  level.dims = {rank_count};
  level.bytes_per_s = {{.value = 1'000'000'000, .citation = {}}};
  level.protocols.push_back({.protocol = {.name = "only"}, .citation = {}, .efficiency_citation = {}});
  const auto fabric = topology::make_fabric({.name = "mesh", .title = "", .chip = "chip", .shapes = {}, .levels = {level}});
  EXPECT_TRUE(fabric) << fabric.error().message();
  return topology::Topology::of(*fabric);
}

TEST(CoverageTest, EveryCollectiveHasAFormForTheLinksOfEveryDirectMachine) {
  std::vector<std::pair<std::string, topology::Topology>> machines = {{"full mesh", full_mesh_of(5)}};
  for (const tests::GridShape& shape : {tests::torus_of({5}), tests::torus_of({3, 4}), tests::torus_of({2, 3, 2}), tests::mesh_of({5}), tests::mesh_of({3, 4})}) {
    machines.emplace_back(tests::to_string(shape), tests::topology_of(shape));
  }
  for (const auto& [name, machine] : machines) {
    for (const Collective collective : tests::kCollectives) {
      const Problem problem{.collective = collective, .rank_count = machine.rank_count(), .root = is_rooted(collective) ? 1u : 0u};
      const bool is_there = std::ranges::any_of(tests::registered_algorithms(), [&](const planner::Algorithm& algorithm) {
        return algorithm.applies(problem, machine) && tests::solves_on_links(algorithm, problem, machine);
      });
      EXPECT_TRUE(is_there) << to_string(problem) << " on " << name;
    }
  }
}

TEST(CoverageTest, EveryProblemWithVariableBlocksHasAnAlgorithm) {
  for (const Problem& problem : tests::all_problems()) {
    if (problem.blocks == Blocks::variable) {
      const std::set<std::string_view> names = names_for(problem);
      EXPECT_TRUE(names.contains("one_shot")) << to_string(problem);
      const bool has_bandwidth_form = problem.collective != Collective::gather && problem.collective != Collective::scatter;
      EXPECT_TRUE(!has_bandwidth_form || names.contains("ring") || names.contains("pairwise")) << to_string(problem);
    }
  }
}

TEST(CoverageTest, NoAlgorithmClaimsVariableBlocksOfACutVector) {
  for (const Collective collective : {Collective::all_reduce, Collective::reduce, Collective::broadcast, Collective::barrier}) {
    const Problem problem{.collective = collective, .rank_count = 4, .blocks = Blocks::variable};
    EXPECT_TRUE(names_for(problem).empty()) << to_string(problem);
  }
}

TEST(CoverageTest, NoAlgorithmClaimsPointToPoint) {
  for (const Collective collective : {Collective::send, Collective::receive}) {
    EXPECT_TRUE(names_for({.collective = collective, .rank_count = 2}).empty()) << name_of(collective);
  }
}

TEST(CoverageTest, NamesAreUniqueLowercaseWords) {
  std::set<std::string_view> names;
  for (const planner::Algorithm& algorithm : tests::registered_algorithms()) {
    EXPECT_TRUE(names.insert(algorithm.name).second) << algorithm.name << " is there twice";
    EXPECT_TRUE(!algorithm.name.empty() && std::all_of(algorithm.name.begin(), algorithm.name.end(), [](char letter) {
      return (letter >= 'a' && letter <= 'z') || letter == '_';
    })) << algorithm.name;
    EXPECT_FALSE(algorithm.idea.empty()) << algorithm.name;
  }
  EXPECT_GE(names.size(), 9u);
}

}  // namespace
}  // namespace tutti
