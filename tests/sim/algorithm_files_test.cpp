// SPDX-License-Identifier: Apache-2.0
// Algorithms from files, in simulation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/msccl_exercises.hpp"
#include "support/msccl_files.hpp"
#include "support/reference.hpp"
#include "support/sim_world.hpp"

namespace tutti::tests {
namespace {

SimWorldOptions small_frames(const std::string& files) {
  SimWorldOptions options{.rank_count = kFileRanks, .seed = 3, .algorithm_files = files};
  options.network.max_frame_bytes = 4096;
  options.network.window_bytes = 12'000;
  return options;
}

TEST(SimulatedAlgorithmFiles, SolveTheirCollectives) {
  const MscclFiles files(sample_file_texts());
  SimWorld world(small_frames(files.paths()));
  ASSERT_EQ(world.bring_up().message(), "");
  for (const Exercise& exercise : exercises_of_files()) {
    ASSERT_EQ(perform(exercise, world), "") << "TUTTI_TEST_SEED=" << test_seed();
  }
}

std::string chosen(SimWorld& world, uint64_t bytes, schedule::Collective collective = schedule::Collective::all_reduce, uint32_t root = 0) {
  const auto plan = world.communicator(1).planner()->plan(
      {.problem = {.collective = collective, .rank_count = kFileRanks, .root = root}, .element_count = bytes, .element_bytes = 1});
  return plan ? std::string((*plan)->algorithm) : plan.error().message();
}

TEST(SimulatedAlgorithmFiles, AreForTheirSizesAndRoots) {
  std::string ranged = msccl::samples::ring_all_reduce(kFileRanks);
  ranged.insert(ranged.find("inplace"), "minBytes=\"1000\" maxBytes=\"1500\" ");
  const MscclFiles files({ranged, msccl::samples::chain_broadcast(kFileRanks), msccl::samples::all_pairs_all_reduce(3)});
  SimWorldOptions options = small_frames(files.paths());
  options.algorithms = "allreduce:two_shot;broadcast:binomial";
  SimWorld world(options);
  ASSERT_EQ(world.bring_up().message(), "");
  // All but the last between the same two powers of two.
  EXPECT_EQ(chosen(world, 999), "two_shot");
  EXPECT_EQ(chosen(world, 1000), "msccl:sample");
  EXPECT_EQ(chosen(world, 1023), "msccl:sample");
  EXPECT_EQ(chosen(world, 1500), "msccl:sample");
  EXPECT_EQ(chosen(world, 1501), "two_shot");
  EXPECT_EQ(chosen(world, 4096, schedule::Collective::broadcast, 0), "msccl:sample(2)");
  EXPECT_EQ(chosen(world, 4096, schedule::Collective::broadcast, 1), "binomial");
}

}  // namespace
}  // namespace tutti::tests
