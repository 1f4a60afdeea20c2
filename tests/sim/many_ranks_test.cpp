// SPDX-License-Identifier: Apache-2.0
// Communicators in which not every rank has a link to every other from the beginning.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "comm/neighbours.hpp"
#include "support/exercises.hpp"
#include "support/sim_world.hpp"

namespace tutti::tests {
namespace {

using testing::HasSubstr;

constexpr uint32_t kManyRanks = comm::kMostFullyLinked + 7;

std::vector<Part> parts_of_all(Exercise exercise) {
  std::vector<Part> parts;
  exercise.rank_count = kManyRanks;
  for (uint32_t rank = 0; rank < kManyRanks; ++rank) {
    parts.emplace_back(exercise, static_cast<int>(rank));
  }
  return parts;
}

size_t link_count(SimWorld& world, uint32_t rank) {
  size_t count = 0;
  for (uint32_t peer = 0; peer < kManyRanks; ++peer) {
    count += peer != rank && world.communicator(rank).executor()->has_link(peer);
  }
  return count;
}

TEST(ManyRanks, LinksComeWithTheFirstOperationThatNeedsThem) {
  SimWorld world({.rank_count = kManyRanks});
  ASSERT_TRUE(world.bring_up().ok());
  const size_t first_count = link_count(world, 5);
  EXPECT_EQ(first_count, comm::first_neighbours(5, kManyRanks).size());
  EXPECT_LT(first_count, kManyRanks / 2);
  EXPECT_EQ(perform({.operation = Operation::all_reduce, .count = 100, .rank_count = kManyRanks}, world), "");
  EXPECT_EQ(perform({.operation = Operation::all_to_all, .count = 3, .rank_count = kManyRanks}, world), "");
  EXPECT_EQ(perform({.operation = Operation::all_gather, .count = 50, .rank_count = kManyRanks}, world), "");
}

// Who has no link to the rank that dies hears of it from those who have.
TEST(ManyRanks, ADeathIsKnownToAllWithinASecond) {
  constexpr uint32_t kVictim = 17;
  for (const Operation operation : {Operation::all_reduce, Operation::all_to_all}) {
    for (uint64_t frames = 0; frames < 6; frames += 2) {
      SimWorldOptions options{.rank_count = kManyRanks, .seed = frames};
      options.network.max_frame_bytes = 4096;
      SimWorld world(options);
      ASSERT_TRUE(world.bring_up().ok());
      const std::vector<Part> parts = parts_of_all({.operation = operation, .count = operation == Operation::all_reduce ? 100'000u : 3'000u, .seed = frames});
      for (const Part& part : parts) {
        ASSERT_TRUE(world.enqueue(part).ok());
      }
      world.network().crash_after_frames(kVictim, frames);
      const uint64_t start_ns = world.network().now_ns();
      ASSERT_TRUE(world.run_until([&] {
        if (world.network().crashed(kVictim)) {
          world.crash(kVictim);
        }
        for (uint32_t rank = 0; rank < kManyRanks; ++rank) {
          if (rank != kVictim && world.failure(rank).ok()) {
            return false;
          }
        }
        return true;
      })) << frames;
      EXPECT_LE(world.network().now_ns() - start_ns, 1'000'000'000u);
      for (uint32_t rank = 0; rank < kManyRanks; ++rank) {
        if (rank != kVictim) {
          EXPECT_EQ(world.failure(rank).code(), tuttiRemoteError) << world.failure(rank).message();
          EXPECT_THAT(world.failure(rank).message(), HasSubstr("rank 17"));
        }
      }
    }
  }
}

TEST(ManyRanks, ACallOfAnotherKindIsAMismatchEverywhere) {
  SimWorld world({.rank_count = kManyRanks});
  ASSERT_TRUE(world.bring_up().ok());
  const std::vector<Part> usual = parts_of_all({.operation = Operation::all_to_all, .count = 10});
  const std::vector<Part> other = parts_of_all({.operation = Operation::broadcast, .count = 10, .root = 3});
  for (uint32_t rank = 0; rank < kManyRanks; ++rank) {
    ASSERT_TRUE(world.enqueue(rank == 20 ? other[rank] : usual[rank]).ok());
  }
  ASSERT_TRUE(world.settle());
  for (uint32_t rank = 0; rank < kManyRanks; ++rank) {
    EXPECT_EQ(world.failure(rank).code(), tuttiMismatch) << world.failure(rank).message();
    EXPECT_THAT(world.failure(rank).message(), HasSubstr("rank 20"));
  }
}

}  // namespace
}  // namespace tutti::tests
