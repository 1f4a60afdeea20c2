// SPDX-License-Identifier: Apache-2.0
// Time, death, partition and disagreement in simulation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/exercises.hpp"
#include "support/sim_world.hpp"

namespace tutti::tests {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr uint64_t kMillisecondNs = 1'000'000;

std::vector<Part> parts_of(const Exercise& exercise) {
  std::vector<Part> parts;
  for (int rank = 0; rank < exercise.rank_count; ++rank) {
    parts.emplace_back(exercise, rank);
  }
  return parts;
}

void enqueue_all(SimWorld& world, const std::vector<Part>& parts) {
  for (const Part& part : parts) {
    ASSERT_TRUE(world.enqueue(part).ok());
  }
}

// Two ranks reduce together no faster than the bytes that each must send allow, and not much slower.
TEST(Simulation, TimeOfAnAllReduceFollowsFromTheLink) {
  constexpr uint64_t kLatencyNs = 5'000;
  constexpr uint64_t kBandwidth = 1'000'000'000;
  for (const size_t count : {size_t{1}, size_t{1} << 18, size_t{1} << 20}) {
    SimWorldOptions options{.rank_count = 2};
    options.link = {.latency_ns = kLatencyNs, .bandwidth_bytes_per_s = kBandwidth, .source = "a test"};
    SimWorld world(options);
    ASSERT_TRUE(world.bring_up().ok());
    const std::vector<Part> parts = parts_of({.count = count, .rank_count = 2});
    const uint64_t start_ns = world.network().now_ns();
    enqueue_all(world, parts);
    ASSERT_TRUE(world.settle());
    const uint64_t elapsed_ns = world.network().now_ns() - start_ns;
    // 2 (n - 1) / n of the vector leaves each rank: all of it.
    const uint64_t bytes_ns = count * sizeof(float) * 1'000'000'000 / kBandwidth;
    EXPECT_GE(elapsed_ns, kLatencyNs + bytes_ns);
    // At most one more latency, a credit's way, and a slice that is not overlapped.
    EXPECT_LE(elapsed_ns, 4 * kLatencyNs + bytes_ns + bytes_ns / 5) << count;
  }
}

TEST(Simulation, CrashFailsAllOthersNamingTheRank) {
  for (uint64_t frames = 0; frames < 40; frames += 3) {
    SimWorldOptions options{.rank_count = 5, .seed = frames};
    options.network.max_frame_bytes = 4096;
    SimWorld world(options);
    ASSERT_TRUE(world.bring_up().ok());
    const std::vector<Part> parts = parts_of({.count = 100'000, .rank_count = 5, .seed = frames});
    enqueue_all(world, parts);
    world.network().crash_after_frames(3, frames);
    const uint64_t start_ns = world.network().now_ns();
    ASSERT_TRUE(world.run_until([&] {
      if (world.network().crashed(3)) {
        world.crash(3);
      }
      for (const uint32_t rank : {0u, 1u, 2u, 4u}) {
        if (world.failure(rank).ok()) {
          return false;
        }
      }
      return true;
    })) << frames;
    for (const uint32_t rank : {0u, 1u, 2u, 4u}) {
      EXPECT_EQ(world.failure(rank).code(), tuttiRemoteError) << world.failure(rank).message();
      EXPECT_THAT(world.failure(rank).message(), HasSubstr("rank 3"));
    }
    EXPECT_LE(world.network().now_ns() - start_ns, 50 * kMillisecondNs);
  }
}

TEST(Simulation, PartitionEndsInATimeoutNamingTheRanks) {
  constexpr uint64_t kTimeoutMs = 500;
  SimWorld world({.rank_count = 4, .timeout_ms = kTimeoutMs});
  ASSERT_TRUE(world.bring_up().ok());
  world.network().partition(std::vector<uint32_t>{2, 3});
  const std::vector<Part> parts = parts_of({.count = 1000, .rank_count = 4});
  const uint64_t start_ns = world.network().now_ns();
  enqueue_all(world, parts);
  ASSERT_TRUE(world.settle());
  const uint64_t elapsed_ns = world.network().now_ns() - start_ns;
  EXPECT_GE(elapsed_ns, kTimeoutMs * kMillisecondNs);
  EXPECT_LE(elapsed_ns, (kTimeoutMs + 10) * kMillisecondNs);
  for (uint32_t rank = 0; rank < 4; ++rank) {
    EXPECT_EQ(world.failure(rank).code(), tuttiTimeout) << world.failure(rank).message();
    EXPECT_THAT(world.failure(rank).message(), AllOf(HasSubstr("allreduce"), HasSubstr("waits for rank")));
  }
  // Each side names somebody of the other: whom exactly, depends on the algorithm.
  EXPECT_THAT(world.failure(0).message() + world.failure(1).message(), testing::ContainsRegex("waits for ranks? .*[23]"));
}

TEST(Simulation, HealedPartitionOnlyDelays) {
  SimWorld world({.rank_count = 4, .timeout_ms = 500});
  ASSERT_TRUE(world.bring_up().ok());
  world.network().partition(std::vector<uint32_t>{1});
  const std::vector<Part> parts = parts_of({.count = 1000, .rank_count = 4});
  enqueue_all(world, parts);
  EXPECT_FALSE(world.settle(400 * kMillisecondNs));
  world.network().heal();
  ASSERT_TRUE(world.settle());
  for (const Part& part : parts) {
    EXPECT_TRUE(world.failure(static_cast<uint32_t>(part.rank())).ok());
    EXPECT_EQ(part.check(), "");
  }
}

struct Disagreement {
  const char* name;
  Exercise usual;
  Exercise deviant;
  std::vector<const char*> words;
};

void PrintTo(const Disagreement& disagreement, std::ostream* out) { *out << disagreement.name; }

class SimulatedMismatchTest : public testing::TestWithParam<Disagreement> {};

TEST_P(SimulatedMismatchTest, IsAnErrorOnEveryRankThatNamesBothSides) {
  const int most_ranks = test_size() == Size::small ? 4 : 7;
  for (int rank_count = 2; rank_count <= most_ranks; ++rank_count) {
    for (int deviant = 0; deviant < rank_count; ++deviant) {
      SimWorld world({.rank_count = static_cast<uint32_t>(rank_count)});
      ASSERT_TRUE(world.bring_up().ok());
      std::vector<Part> parts;
      for (int rank = 0; rank < rank_count; ++rank) {
        Exercise exercise = rank == deviant ? GetParam().deviant : GetParam().usual;
        exercise.rank_count = rank_count;
        parts.emplace_back(exercise, rank);
      }
      enqueue_all(world, parts);
      // Two ranks that take themselves for the root wait for nobody: the next call tells.
      const std::vector<Part> next = parts_of({.count = 10, .rank_count = rank_count});
      enqueue_all(world, next);
      const bool all_failed = world.run_until(
          [&] {
            for (int rank = 0; rank < rank_count; ++rank) {
              if (world.failure(static_cast<uint32_t>(rank)).ok()) {
                return false;
              }
            }
            return true;
          },
          900 * kMillisecondNs);
      EXPECT_TRUE(all_failed) << rank_count << " ranks, rank " << deviant << " deviates";
      for (int rank = 0; rank < rank_count; ++rank) {
        const Status failure = world.failure(static_cast<uint32_t>(rank));
        SCOPED_TRACE(fmt::format("{} ranks, rank {} deviates, rank {} says {}", rank_count, deviant, rank, failure.message()));
        EXPECT_EQ(failure.code(), tuttiMismatch);
        EXPECT_THAT(failure.message(), HasSubstr(fmt::format("rank {} ", deviant)));
        for (const char* word : GetParam().words) {
          EXPECT_THAT(failure.message(), HasSubstr(word));
        }
      }
    }
  }
}

Exercise all_reduce(size_t count) { return {.count = count}; }

INSTANTIATE_TEST_SUITE_P(
    Disagreements, SimulatedMismatchTest,
    testing::Values(
        Disagreement{"count", all_reduce(1024), all_reduce(512), {"count 1024", "512"}},
        Disagreement{"count_of_nothing", all_reduce(1024), all_reduce(0), {"1024"}},
        Disagreement{"large_count", all_reduce(200'000), all_reduce(199'999), {"200000", "199999"}},
        Disagreement{"type", all_reduce(64), {.datatype = tuttiInt32, .count = 64}, {"float32", "int32"}},
        Disagreement{"operator", all_reduce(64), {.reduction = Reduction::max, .count = 64}, {"sum", "max"}},
        Disagreement{"collective", all_reduce(64), {.operation = Operation::all_gather, .count = 64}, {"allreduce", "allgather"}},
        Disagreement{"barrier", all_reduce(64), {.operation = Operation::barrier}, {"allreduce", "barrier"}},
        Disagreement{"root",
                     {.operation = Operation::broadcast, .count = 64, .root = 0},
                     {.operation = Operation::broadcast, .count = 64, .root = 1},
                     {"root 0", "1"}}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace tutti::tests
