// SPDX-License-Identifier: Apache-2.0
// Every collective in simulation: the same exercises and reference as over real transports, on the real communicator and engine.
#include <gtest/gtest.h>

#include <algorithm>

#include <fmt/format.h>

#include "support/exercises.hpp"
#include "support/reference.hpp"
#include "support/sim_world.hpp"

namespace tutti::tests {
namespace {

// Small frames and windows, so that messages of some KiB are cut and flow control works.
SimWorldOptions options_of(uint32_t rank_count, uint64_t seed) {
  SimWorldOptions options{.rank_count = rank_count, .seed = seed};
  options.network.max_frame_bytes = 4096;
  options.network.window_bytes = 12'000;
  return options;
}

void perform_all(const std::vector<Exercise>& exercises, SimWorld& world) {
  ASSERT_FALSE(exercises.empty());
  ASSERT_TRUE(world.bring_up().ok()) << world.bring_up().message();
  for (const Exercise& exercise : exercises) {
    ASSERT_EQ(perform(exercise, world), "") << "TUTTI_TEST_SEED=" << test_seed();
  }
}

class SimulatedCollectivesTest : public testing::TestWithParam<uint32_t> {};

TEST_P(SimulatedCollectivesTest, EveryTypeAndOperator) {
  SimWorld world(options_of(GetParam(), 1));
  perform_all(test_size() == Size::small ? random_exercises(static_cast<int>(GetParam()), 60, test_seed() + 1)
                                         : every_combination(static_cast<int>(GetParam()), 1, test_seed()),
              world);
}

TEST_P(SimulatedCollectivesTest, EveryCountAndRootInPlaceAndNot) {
  SimWorld world(options_of(GetParam(), 2));
  perform_all(test_size() == Size::small ? random_exercises(static_cast<int>(GetParam()), 60, test_seed())
                                         : every_shape(static_cast<int>(GetParam()), test_seed()),
              world);
}

INSTANTIATE_TEST_SUITE_P(Ranks, SimulatedCollectivesTest, testing::Range<uint32_t>(1, 10));

TEST(SimulatedCollectives, AllReduceOfManyRanks) {
  const int rank_count = test_size() == Size::small ? 17 : 64;
  SimWorld world(options_of(static_cast<uint32_t>(rank_count), 3));
  std::vector<Exercise> exercises;
  for (const size_t count : {1, 61, 1009, 20'000}) {
    exercises.push_back({.count = count, .rank_count = rank_count, .in_place_ranks = mix(1, count), .seed = count});
  }
  perform_all(exercises, world);
}

// An override is what runs, not merely accepted.
TEST(SimulatedCollectives, ForcedAlgorithmsAreUsed) {
  for (const char* name : {"ring", "recursive_doubling", "one_shot", "two_shot", "double_binary_tree", "flat_tree"}) {
    SimWorldOptions options = options_of(5, 11);
    options.algorithms = fmt::format("allreduce:{}", name);
    SimWorld world(options);
    perform_all({{.count = 1009, .rank_count = 5}}, world);
    for (const uint64_t count : {1u, 1'000'000u}) {
      const auto plan = world.communicator(2).planner()->plan(
          {.problem = {.collective = schedule::Collective::all_reduce, .rank_count = 5}, .element_count = count, .element_bytes = 4});
      ASSERT_TRUE(plan.has_value()) << plan.error().message();
      EXPECT_EQ((*plan)->algorithm, name);
    }
  }
}

struct Trace {
  uint64_t trace_hash = 0;
  uint64_t frame_count = 0;
  uint64_t end_ns = 0;
  bool operator==(const Trace&) const = default;
};

// Random collectives on a network with jitter.
Trace run_with(uint64_t network_seed) {
  SimWorldOptions options = options_of(5, 9);
  options.network.faults = {.seed = network_seed, .maximum_jitter_ns = 5'000};
  SimWorld world(options);
  perform_all(random_exercises(5, 20, 77), world);
  return {world.network().trace_hash(), world.network().delivered_frame_count(), world.network().now_ns()};
}

TEST(Simulation, SameSeedGivesTheSameRun) {
  const Trace first = run_with(4);
  EXPECT_GT(first.frame_count, 100u);
  EXPECT_EQ(first, run_with(4));
  EXPECT_NE(first.trace_hash, run_with(5).trace_hash);
}

// Ranks enqueue at random times; several calls are under way at once, on links that are late at random.
std::string fuzz(uint64_t seed) {
  const auto rank_count = static_cast<uint32_t>(1 + mix(seed, 1) % 9);
  SimWorldOptions options = options_of(rank_count, seed);
  options.network.max_frame_bytes = size_t{64} << mix(seed, 2) % 8;
  options.network.window_bytes = mix(seed, 3) % 3 * 10'000;
  options.network.faults = {
      .seed = seed, .maximum_jitter_ns = mix(seed, 4) % 20'000, .delayed_per_million = 20'000, .delay_ns = 3'000'000};
  SimWorld world(options);
  if (const Status up = world.bring_up(); !up.ok()) {
    return up.message();
  }
  const std::vector<Exercise> exercises = random_exercises(static_cast<int>(rank_count), 12, seed);
  std::vector<std::vector<Part>> parts(rank_count);
  std::vector<size_t> enqueued(rank_count, 0);
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    for (const Exercise& exercise : exercises) {
      parts[rank].emplace_back(exercise, static_cast<int>(rank));
    }
  }
  for (uint64_t draw = 0; std::ranges::any_of(enqueued, [&](size_t count) { return count < exercises.size(); }); ++draw) {
    const auto rank = static_cast<uint32_t>(mix(seed + 5, draw) % rank_count);
    if (enqueued[rank] < exercises.size()) {
      if (const Status status = world.enqueue(parts[rank][enqueued[rank]++]); !status.ok()) {
        return status.message();
      }
    }
    world.run_until([] { return false; }, mix(seed + 6, draw) % 30'000);
  }
  if (!world.settle()) {
    return "hangs";
  }
  for (const std::vector<Part>& own : parts) {
    for (const Part& part : own) {
      const Status status = world.failure(static_cast<uint32_t>(part.rank()));
      if (std::string failure = status.ok() ? part.check() : status.message(); !failure.empty()) {
        return failure;
      }
    }
  }
  return {};
}

TEST(Simulation, RandomCollectivesWithRandomDelays) {
  const uint64_t first = test_seed();
  for (uint64_t seed = first; seed < first + (test_size() == Size::small ? 30 : 400); ++seed) {
    ASSERT_EQ(fuzz(seed), "") << "TUTTI_TEST_SEED=" << seed;
  }
}

}  // namespace
}  // namespace tutti::tests
