// SPDX-License-Identifier: Apache-2.0
// Every algorithm that MSCCL's format has words for, there and back: what is read is what was written, and the verifier passes it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "msccl/export.hpp"
#include "msccl/import.hpp"
#include "planner/applicability.hpp"
#include "registered_algorithms.hpp"
#include "tests/support/schedule_support.hpp"

namespace tutti {
namespace {

using testing::HasSubstr;

// Empty if it went there and back, else why not.
std::string there_and_back(const planner::Algorithm& algorithm, const schedule::Problem& problem, const topology::Topology& topology) {
  const auto program = msccl::export_schedules(algorithm.name, problem, tests::build_all(algorithm, problem, topology));
  if (!program) {
    EXPECT_EQ(program.error().code(), tuttiUnsupported) << program.error().message();
    return program.error().message();
  }
  const std::string text = msccl::to_xml(*program);
  const auto read = msccl::parse(text, "sample.xml");
  if (!read) {
    return read.error().message();
  }
  EXPECT_EQ(msccl::to_xml(*read), text);
  const auto imported = msccl::import_program(*read);
  if (!imported) {
    return imported.error().message();
  }
  EXPECT_EQ(imported->problem, problem);
  return "";
}

TEST(MscclRoundTrip, WhateverTheFormatHasWordsFor) {
  std::set<std::string> done;
  std::set<std::string> refused;
  for (const uint32_t rank_count : {2u, 3u, 4u, 6u, 8u, 9u}) {
    const std::vector<topology::Topology> machines = planner::sample_topologies(rank_count);
    for (const planner::Algorithm& algorithm : tests::registered_algorithms()) {
      for (const schedule::Collective collective : tests::kCollectives) {
        for (const uint32_t root : schedule::is_rooted(collective) ? std::set{0u, rank_count - 1} : std::set{0u}) {
          const schedule::Problem problem{.collective = collective, .rank_count = rank_count, .root = root};
          const auto machine = std::ranges::find_if(machines, [&](const topology::Topology& one) { return algorithm.applies(problem, one); });
          if (machine == machines.end()) {
            continue;
          }
          const std::string failure = there_and_back(algorithm, problem, *machine);
          if (collective == schedule::Collective::barrier) {
            EXPECT_THAT(failure, HasSubstr("has no form in MSCCL's files"));
          } else if (failure.empty()) {
            done.emplace(algorithm.name);
          } else {
            EXPECT_THAT(failure, HasSubstr("for which MSCCL has no word")) << algorithm.name << ": " << to_string(problem);
            refused.emplace(algorithm.name);
          }
        }
      }
    }
  }
  for (const char* name : {"ring", "rings", "binomial", "double_binary_tree", "recursive_doubling", "recursive_halving", "bruck", "pairwise", "one_shot",
                           "two_shot", "torus", "mesh", "swing", "dimension_order", "rails"}) {
    EXPECT_TRUE(done.contains(name)) << name;
    EXPECT_FALSE(refused.contains(name)) << name;
  }
  EXPECT_TRUE(refused.contains("shared_memory"));
  EXPECT_TRUE(refused.contains("in_switch"));
}

}  // namespace
}  // namespace tutti
