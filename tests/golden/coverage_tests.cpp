// SPDX-License-Identifier: Apache-2.0
// Every problem has an algorithm for short messages and one for long ones; which, is promised here.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "golden/registered_algorithms.hpp"
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
