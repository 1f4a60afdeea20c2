// SPDX-License-Identifier: Apache-2.0
// Every algorithm, forced on each collective it serves.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include "registry/registry.hpp"
#include "support/calls.hpp"
#include "support/exercises.hpp"
#include "support/thread_world.hpp"

namespace tutti::tests {
namespace {

using schedule::Blocks;
using schedule::Collective;
using schedule::InPlace;

struct Family {
  Collective collective;
  std::vector<Operation> operations;
};

const std::vector<Family>& families() {
  static const std::vector<Family> all = {{Collective::all_reduce, {Operation::all_reduce}},
                                          {Collective::reduce, {Operation::reduce}},
                                          {Collective::broadcast, {Operation::broadcast}},
                                          {Collective::all_gather, {Operation::all_gather, Operation::all_gather_v}},
                                          {Collective::reduce_scatter, {Operation::reduce_scatter, Operation::reduce_scatter_v}},
                                          {Collective::all_to_all, {Operation::all_to_all, Operation::all_to_all_v}},
                                          {Collective::gather, {Operation::gather, Operation::gather_v}},
                                          {Collective::scatter, {Operation::scatter, Operation::scatter_v}},
                                          {Collective::barrier, {Operation::barrier}}};
  return all;
}

// Between which ranks are: threads of one process, or the chips of a model, all joined by a switch.
enum class Laid : uint8_t { nowhere, on_switch };

struct Forced {
  const planner::Algorithm* algorithm;
  const Family* family;
  Laid laid;
};

bool serves(const planner::Algorithm& algorithm, Collective collective, Blocks blocks, int rank_count, Laid laid) {
  auto topology = topology::Topology::uniform(static_cast<uint32_t>(rank_count),
                                              {.latency_ns = 0, .source = "", .reaches_memory = laid == Laid::nowhere});
  for (uint32_t rank = 0; laid == Laid::nowhere && rank < topology.rank_count(); ++rank) {
    topology.set_host(rank, 0);
  }
  schedule::Problem problem{.collective = collective,
                            .rank_count = static_cast<uint32_t>(rank_count),
                            .root = 0,
                            .in_place = InPlace::no,
                            .blocks = blocks};
  const bool out_of_place = algorithm.applies(problem, topology);
  problem.in_place = InPlace::yes;
  return out_of_place && algorithm.applies(problem, topology);
}

std::vector<Forced> forced_algorithms() {
  std::vector<Forced> all;
  for (const auto family_of_algorithms : registry::algorithm_families()) {
    for (const planner::Algorithm& algorithm : family_of_algorithms()) {
      for (const Family& family : families()) {
        if (serves(algorithm, family.collective, Blocks::equal, 4, Laid::nowhere)) {
          all.push_back({&algorithm, &family, Laid::nowhere});
        } else if (serves(algorithm, family.collective, Blocks::equal, 4, Laid::on_switch)) {
          all.push_back({&algorithm, &family, Laid::on_switch});
        }
      }
    }
  }
  return all;
}

void PrintTo(const Forced& forced, std::ostream* out) {
  *out << schedule::name_of(forced.family->collective) << ':' << forced.algorithm->name;
}

class AlgorithmTest : public testing::TestWithParam<Forced> {
 protected:
  void SetUp() override {
    if (GetParam().laid == Laid::on_switch) {
      ::setenv("TUTTI_TOPOLOGY", TUTTI_SOURCE_DIR "/topologies/nvidia-dgx-h100.toml", 1);
    }
  }
  void TearDown() override { ::unsetenv("TUTTI_TOPOLOGY"); }
};

TEST_P(AlgorithmTest, SolvesItsCollective) {
  const Forced& forced = GetParam();
  const std::string override = fmt::format("{}:{}", schedule::name_of(forced.family->collective), forced.algorithm->name);
  size_t performed = 0;
  const std::vector<int> many = forced.laid == Laid::nowhere ? std::vector{2, 3, 4, 5, 7, 8} : std::vector{4, 5, 8};
  const std::vector<int> rank_counts = test_size() == Size::small ? std::vector{3, 4} : many;
  for (const int rank_count : rank_counts) {
    std::vector<Exercise> exercises;
    for (Exercise& exercise : every_shape(rank_count, test_seed() + 3)) {
      const bool wanted = std::ranges::find(forced.family->operations, exercise.operation) != forced.family->operations.end();
      const Blocks blocks = has_variable_blocks(exercise.operation) ? Blocks::variable : Blocks::equal;
      const bool kept = test_size() == Size::full || exercise.seed % 8 == 0;
      if (wanted && kept && serves(*forced.algorithm, forced.family->collective, blocks, rank_count, forced.laid)) {
        exercises.push_back(exercise);
      }
    }
    if (exercises.empty()) {
      continue;
    }
    exercises.back().count = test_size() == Size::small ? 20'011 : 200'003;  // several slices
    ThreadWorld world({.rank_count = rank_count, .algorithms = override});
    world.run([&](int rank) -> std::string {
      for (const Exercise& exercise : exercises) {
        if (std::string failure = perform(exercise, rank, world.comm(rank)); !failure.empty()) {
          return failure;
        }
      }
      return {};
    });
    ASSERT_EQ(world.failures(), "") << override << " TUTTI_TEST_SEED=" << test_seed();
    performed += exercises.size();
  }
  EXPECT_GT(performed, 0u);
}

INSTANTIATE_TEST_SUITE_P(Forced, AlgorithmTest, testing::ValuesIn(forced_algorithms()), [](const auto& info) {
  return fmt::format("{}_{}", schedule::name_of(info.param.family->collective), info.param.algorithm->name);
});

}  // namespace
}  // namespace tutti::tests
