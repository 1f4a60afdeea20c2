// SPDX-License-Identifier: Apache-2.0
// Algorithms from files, run for real.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "support/calls.hpp"
#include "support/msccl_exercises.hpp"
#include "support/msccl_files.hpp"
#include "support/thread_world.hpp"

namespace tutti::tests {
namespace {

class AlgorithmFiles : public testing::Test {
 protected:
  ~AlgorithmFiles() override { ::unsetenv("TUTTI_ALGO_FILE"); }
  static void name(const std::string& paths) { ::setenv("TUTTI_ALGO_FILE", paths.c_str(), 1); }
};

TEST_F(AlgorithmFiles, SolveTheirCollectives) {
  const MscclFiles files(sample_file_texts());
  name(files.paths());
  const std::vector<Exercise> exercises = exercises_of_files();
  ThreadWorld world({.rank_count = kFileRanks});
  world.run([&](int rank) -> std::string {
    for (const Exercise& exercise : exercises) {
      if (std::string failure = perform(exercise, rank, world.comm(rank)); !failure.empty()) {
        return failure;
      }
    }
    return {};
  });
  EXPECT_EQ(world.failures(), "") << "TUTTI_TEST_SEED=" << test_seed();
  char text[4096];
  ASSERT_EQ(tuttiCommExplain(world.comm(0), "allreduce", 1024, text, sizeof text, nullptr), tuttiSuccess);
  EXPECT_THAT(text, testing::ContainsRegex("msccl:sample .*forced"));
}

TEST_F(AlgorithmFiles, BadOnesAreErrorsThatNameTheStep) {
  std::string text = msccl::samples::ring_all_reduce(2);
  text.replace(text.find("rrcs"), 4, "rrs\" oops=\"1");
  const MscclFiles files({text});
  name(files.paths());
  const ThreadWorld world({.rank_count = 2});
  EXPECT_THAT(world.failures(), testing::HasSubstr("gpu 0 ends with contributions of gpus {0} only in chunk 1 of its output"));
}

// A program may go on with some of its ranks.
TEST_F(AlgorithmFiles, OfOtherRankCountsArePassedOverWhereCommunicatorsAreSplit) {
  const MscclFiles files({msccl::samples::ring_all_reduce(4)});
  name(files.paths());
  ThreadWorld world({.rank_count = 4});
  world.run([&](int rank) -> std::string {
    tuttiComm_t half = nullptr;
    if (tuttiCommSplit(world.comm(rank), rank % 2, rank, &half, nullptr) != tuttiSuccess) {
      return tuttiGetLastError(world.comm(rank));
    }
    const Exercise exercise{.count = 100, .rank_count = 2};
    std::string failure = perform(exercise, rank / 2, half);
    return tuttiCommDestroy(half) == tuttiSuccess ? failure : "cannot destroy a half";
  });
  EXPECT_EQ(world.failures(), "");
  const ThreadWorld smaller({.rank_count = 3});
  EXPECT_THAT(smaller.failures(), testing::HasSubstr("TUTTI_ALGO_FILE: no file for 3 ranks: "));
}

}  // namespace
}  // namespace tutti::tests
