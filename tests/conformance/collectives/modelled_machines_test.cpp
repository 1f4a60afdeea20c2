// SPDX-License-Identifier: Apache-2.0
// Ranks for real, laid over the chips of a machine model by TUTTI_TOPOLOGY.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "support/calls.hpp"
#include "support/exercises.hpp"
#include "support/thread_world.hpp"

namespace tutti::tests {
namespace {

using ::testing::HasSubstr;

// What a ring of neighbours can do.
bool is_solved(Operation operation) {
  switch (operation) {
    case Operation::all_reduce:
    case Operation::reduce:
    case Operation::broadcast:
    case Operation::all_gather:
    case Operation::reduce_scatter:
    case Operation::all_gather_v:
    case Operation::reduce_scatter_v:
      return true;
    default:
      return false;
  }
}

// Sums of so many ranks have more digits than these types.
bool is_too_narrow(tuttiDataType_t datatype) { return datatype == tuttiFloat8e4m3 || datatype == tuttiFloat8e5m2; }

class ModelledMachine : public testing::Test {
 protected:
  ~ModelledMachine() override { ::unsetenv("TUTTI_TOPOLOGY"); }
  // An installation finds models by name beside its library; tests name the file.
  static void lay(const std::string& model) { ::setenv("TUTTI_TOPOLOGY", (TUTTI_SOURCE_DIR "/topologies/" + model).c_str(), 1); }

  static void expect_collectives(int rank_count) { expect(rank_count, "", is_solved); }
  // By the algorithms that `algorithms` asks for.
  static void expect(int rank_count, const std::string& algorithms, bool (*is_wanted)(Operation)) {
    std::vector<Exercise> exercises;
    const int one_of = algorithms.empty() && test_size() != Size::small ? 8 : 32;
    std::set<Operation> seen;
    for (const Exercise& exercise : every_shape(rank_count, test_seed() + 5)) {
      if (is_wanted(exercise.operation) && !is_too_narrow(exercise.datatype) && (seen.insert(exercise.operation).second || exercise.seed % one_of == 0)) {
        exercises.push_back(exercise);
      }
    }
    ASSERT_FALSE(exercises.empty());
    exercises.back().count = 20'011;
    ThreadWorld world({.rank_count = rank_count, .algorithms = algorithms});
    world.run([&](int rank) -> std::string {
      for (const Exercise& exercise : exercises) {
        if (std::string failure = perform(exercise, rank, world.comm(rank)); !failure.empty()) {
          return failure;
        }
      }
      return {};
    });
    EXPECT_EQ(world.failures(), "") << "TUTTI_TEST_SEED=" << test_seed();
  }
};

// Each of so many ranks plans by itself, which sanitizers make slow: eight show there what sixteen do.
TEST_F(ModelledMachine, APieceOfATpuCubeRunsCollectives) {
  const bool is_small = test_size() == Size::small;
  lay(is_small ? "google-tpu-v5p.toml:2x2x2" : "google-tpu-v5p.toml:2x2x4");
  expect_collectives(is_small ? 8 : 16);
}

TEST_F(ModelledMachine, ATorusRunsCollectives) {
  const bool is_small = test_size() == Size::small;
  lay(is_small ? "aws-inf2.toml:8" : "aws-trn2.toml");
  expect_collectives(is_small ? 8 : 16);
}

TEST_F(ModelledMachine, SeveralRingsRunCollectives) {
  lay("amd-mi300x.toml");
  expect(5, "allreduce:rings;reduce:rings;broadcast:rings;allgather:rings;reducescatter:rings", is_solved);
}

TEST_F(ModelledMachine, TreesOverAllLinksRunCollectives) {
  lay("amd-mi250x.toml");
  expect(8, "allreduce:forest;reduce:forest;broadcast:forest;allgather:forest;reducescatter:forest", is_solved);
}

TEST_F(ModelledMachine, AMeshOfTheSmallestShapeWithAChipForEachRankRunsCollectives) {
  lay("tesla-dojo.toml");
  expect_collectives(6);
}

TEST_F(ModelledMachine, TreesThatShareTheLinksOfAMachineRunCollectives) {
  lay("google-tpu-v5e.toml:3x3");
  expect(9, "allreduce:packed_trees", [](Operation operation) { return operation == Operation::all_reduce; });
  lay("amd-mi250x.toml");
  expect(8, "broadcast:packed_trees;reduce:packed_trees", [](Operation operation) { return operation == Operation::broadcast || operation == Operation::reduce; });
}

// Switches that really do it are not here; the messages go by themselves.
TEST_F(ModelledMachine, WhatSwitchesWouldReduceAndCopyIsTheSame) {
  lay("nvidia-dgx-h100.toml:5x1");
  expect(5, "allreduce:in_switch;reduce:in_switch;broadcast:in_switch", [](Operation operation) {
    return operation == Operation::all_reduce || operation == Operation::reduce || operation == Operation::broadcast;
  });
  lay("nvidia-dgx-h100.toml:3x3");
  for (const char* const algorithm : {"allreduce:in_switch_rails", "allreduce:rail_shots", "allreduce:far_first"}) {
    expect(9, algorithm, [](Operation operation) { return operation == Operation::all_reduce; });
  }
  expect(9, "broadcast:relay_tree;reduce:relay_tree", [](Operation operation) { return operation == Operation::broadcast || operation == Operation::reduce; });
  lay("cerebras-swarmx.toml:4");
  expect(4, "allreduce:in_switch_tree;allgather:in_switch;reducescatter:in_switch", [](Operation operation) {
    return operation == Operation::all_reduce || operation == Operation::all_gather || operation == Operation::reduce_scatter;
  });
}

TEST_F(ModelledMachine, NodesRunOneAlgorithmInsideAndAnotherBetweenThem) {
  lay("nvidia-dgx-h100.toml:3x2");
  expect(6,
         "allreduce:ring/one_shot/3;reduce:binomial/ring;broadcast:ring/binomial/2;allgather:one_shot/ring;reducescatter:ring/one_shot;"
         "alltoall:pairwise/one_shot;gather:binomial/one_shot;scatter:one_shot/binomial;barrier:dissemination/dissemination",
         [](Operation operation) {
           return operation != Operation::all_gather_v && operation != Operation::reduce_scatter_v && operation != Operation::all_to_all_v &&
                  operation != Operation::gather_v && operation != Operation::scatter_v;
         });
}

TEST_F(ModelledMachine, ATorusRunsEachAlgorithmForItsAxes) {
  lay("aws-trn2.toml");
  expect(16, "allreduce:torus;reducescatter:torus;allgather:torus;broadcast:axis_trees;reduce:axis_trees;alltoall:dimension_order;gather:block_trees;scatter:block_trees",
         [](Operation operation) {
           const bool is_rooted = operation == Operation::gather || operation == Operation::scatter;
           return operation == Operation::all_to_all || is_rooted || (is_solved(operation) && !has_variable_blocks(operation));
         });
  if (test_size() == Size::small) {
    return;
  }
  for (const char* const algorithm : {"allreduce:swing", "allreduce:swing_blocks", "allreduce:swing_whole", "allreduce:axis_exchange"}) {
    expect(16, algorithm, [](Operation operation) { return operation == Operation::all_reduce; });
  }
}

TEST_F(ModelledMachine, CarriesMessagesBetweenLinkedChipsOnly) {
  lay("google-tpu-v5p.toml:2x2x1");
  ThreadWorld world({.rank_count = 4, .algorithms = "broadcast:one_shot"});
  ASSERT_EQ(world.failures(), "");
  world.run([&](int rank) -> std::string {
    int value = rank;
    const int opposite = 3 - rank;
    if (tuttiSend(&value, 1, tuttiInt, opposite, world.comm(rank), nullptr) != tuttiUnsupported) {
      return "a message to the opposite chip was not refused";
    }
    const std::string refusal = tuttiGetLastError(world.comm(rank));
    if (refusal.find("rank " + std::to_string(rank) + " and rank " + std::to_string(opposite) + " exchange no messages") == std::string::npos) {
      return refusal;
    }
    if (tuttiBroadcast(&value, &value, 1, tuttiInt, 0, world.comm(rank), nullptr) != tuttiUnsupported) {
      return "an algorithm that sends to the opposite chip was not refused";
    }
    const std::string forced = tuttiGetLastError(world.comm(rank));
    return forced.find("sends from rank 0 to rank 3, where the machine has no link") == std::string::npos ? forced : "";
  });
  EXPECT_EQ(world.failures(), "");
}

TEST_F(ModelledMachine, OfAnotherSizeIsRefused) {
  lay("google-tpu-v5p.toml:2x2x4");
  tuttiComm_t comm = nullptr;
  EXPECT_EQ(tuttiCommInitAll(&comm, 1, nullptr), tuttiInvalidArgument);
  EXPECT_THAT(tuttiGetLastError(nullptr), HasSubstr("google-tpu-v5p.toml:2x2x4 has 16 chips, there are 1 ranks"));
  lay("no-such-machine.toml");
  EXPECT_NE(tuttiCommInitAll(&comm, 1, nullptr), tuttiSuccess);
  EXPECT_THAT(tuttiGetLastError(nullptr), HasSubstr("TUTTI_TOPOLOGY: "));
}

}  // namespace
}  // namespace tutti::tests
