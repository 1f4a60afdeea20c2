// SPDX-License-Identifier: Apache-2.0
// The text of small schedules, so that a change of an algorithm shows in review. With TUTTI_UPDATE_GOLDEN=1 in the
// environment the files are written instead of compared.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "golden/registered_algorithms.hpp"
#include "planner/applicability.hpp"
#include "support/grids.hpp"

namespace tutti {
namespace {

using namespace schedule;

// Few enough to read: a pair, and a rank count that is neither even nor a power of two; the root is not rank 0 where
// there is one.
std::vector<Problem> problems_of_file(Collective collective) {
  std::vector<Problem> problems;
  for (const uint32_t rank_count : {2u, 5u}) {
    for (const Problem& problem : tests::problems_of(collective, rank_count)) {
      const bool is_shown_root = problem.root == (is_rooted(collective) ? 1u : 0u);
      const bool only_pairs_in_place = problem.in_place == InPlace::no || rank_count == 2;
      if (is_shown_root && only_pairs_in_place && problem.blocks == Blocks::equal) {
        problems.push_back(problem);
      }
    }
  }
  return problems;
}

// Of what goes along the axes of a torus or mesh: a ring, a line, and two axes of each, of which one rank speaks for all.
std::string text_on_grids(const planner::Algorithm& algorithm, Collective collective) {
  std::string text;
  for (const uint32_t rank_count : {2u, 3u, 4u, 9u}) {
    const Problem problem{.collective = collective, .rank_count = rank_count, .root = is_rooted(collective) ? 1u : 0u};
    for (const tests::GridShape& shape : tests::small_grids(rank_count)) {
      const topology::Topology topology = tests::topology_of(shape);
      if (tests::applies(algorithm, problem) || !algorithm.applies(problem, topology)) {
        continue;
      }
      text += "== " + to_string(problem) + ", " + tests::to_string(shape) + "\n";
      for (uint32_t rank = 0; rank < (rank_count < 4 ? rank_count : 1); ++rank) {
        text += to_string(algorithm.build(problem, topology, rank));
      }
    }
  }
  return text;
}

// Of what needs links that are not alike, on two packages of two chips.
std::string text_on_pairs(const planner::Algorithm& algorithm, Collective collective) {
  const Problem problem{.collective = collective, .rank_count = 4, .root = is_rooted(collective) ? 1u : 0u};
  const topology::Topology topology = tests::topology_of_pairs(2);
  return algorithm.applies(problem, topology) ? "== " + to_string(problem) + ", two packages of two\n" + to_string(algorithm.build(problem, topology, 0)) : "";
}

// Of what wants switches that reduce and copy: eight chips around one, or around two of them. One rank speaks for all.
std::string text_on_switches(const planner::Algorithm& algorithm, Collective collective) {
  std::string text;
  if (!algorithm.name.starts_with("in_switch")) {
    return text;
  }
  const Problem problem{.collective = collective, .rank_count = 8, .root = is_rooted(collective) ? 1u : 0u};
  for (const topology::Topology& topology : planner::sample_topologies(problem.rank_count)) {
    const bool are_switched = topology.fabric() != nullptr && topology.fabric()->levels().front().reduction_per_mille != 0;
    if (are_switched && algorithm.applies(problem, topology)) {
      text += "== " + to_string(problem) + ", " + std::to_string(topology.fabric()->levels().front().unit_count) + " around a switch\n" +
              to_string(algorithm.build(problem, topology, 0));
    }
  }
  return text;
}

std::string text_of(const planner::Algorithm& algorithm, Collective collective) {
  std::string text = text_on_grids(algorithm, collective) + text_on_switches(algorithm, collective);
  if (text.empty() && algorithm.outline == nullptr && !tests::applies(algorithm, {.collective = collective, .rank_count = 4})) {
    text = text_on_pairs(algorithm, collective);
  }
  for (const Problem& problem : problems_of_file(collective)) {
    if (!tests::applies(algorithm, problem)) {
      continue;
    }
    text += "== " + to_string(problem) + "\n";
    for (const Schedule& schedule : tests::build_all(algorithm, problem)) {
      text += to_string(schedule);
    }
  }
  return text;
}

std::filesystem::path folder() { return std::filesystem::path(TUTTI_SOURCE_DIR) / "tests" / "golden"; }

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

bool updating() {
  const char* update = std::getenv("TUTTI_UPDATE_GOLDEN");
  return update != nullptr && std::string_view(update) == "1";
}

TEST(GoldenTest, SchedulesReadAsRecorded) {
  std::set<std::string> expected_files;
  for (const planner::Algorithm& algorithm : tests::registered_algorithms()) {
    for (const Collective collective : tests::kCollectives) {
      const std::string text = text_of(algorithm, collective);
      if (text.empty()) {
        continue;
      }
      const std::string file = std::string(algorithm.name) + "_" + std::string(name_of(collective)) + ".txt";
      expected_files.insert(file);
      if (updating()) {
        std::ofstream(folder() / file) << text;
      }
      EXPECT_EQ(content_of(folder() / file), text) << file << "; to record the new text, run with TUTTI_UPDATE_GOLDEN=1";
    }
  }
  EXPECT_GE(expected_files.size(), 20u);
  for (const auto& entry : std::filesystem::directory_iterator(folder())) {
    const std::string file = entry.path().filename();
    const bool is_golden = entry.path().extension() == ".txt" && file != "CMakeLists.txt";
    EXPECT_TRUE(!is_golden || expected_files.contains(file)) << file << " belongs to no algorithm";
  }
}

}  // namespace
}  // namespace tutti
