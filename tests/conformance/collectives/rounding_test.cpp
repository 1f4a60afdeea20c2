// SPDX-License-Identifier: Apache-2.0
// Sums that round: every rank gets the same bits, near enough to the true sum.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "support/calls.hpp"
#include "support/exercises.hpp"
#include "support/reference.hpp"
#include "support/thread_world.hpp"

namespace tutti::tests {
namespace {

std::vector<std::byte> bytes_of(std::span<const std::byte> bytes) { return {bytes.begin(), bytes.end()}; }

// The first element of `sum` further from the true sum than (n + 1) roundings of partial sums, each at most the sum of the magnitudes, explain.
std::string check_nearness(const Exercise& exercise, const std::vector<std::byte>& sum) {
  const size_t unit = element_bytes(exercise.datatype);
  for (size_t index = 0; index < exercise.count; ++index) {
    uint64_t bits = 0;
    std::memcpy(&bits, sum.data() + index * unit, unit);
    long double total = 0;
    long double magnitude = 0;
    for (int rank = 0; rank < exercise.rank_count; ++rank) {
      const long double element = decode(exercise.datatype, input_element(exercise, rank, index));
      total += element;
      magnitude += std::fabs(element);
    }
    const long double error = std::fabs(decode(exercise.datatype, bits) - total);
    if (!(error <= (exercise.rank_count + 1) * magnitude * epsilon_of(exercise.datatype) / 2)) {
      return fmt::format("element {} is off by {}; {}", index, static_cast<double>(error), to_string(exercise));
    }
  }
  return {};
}

std::vector<Exercise> rounding_exercises(int rank_count) {
  std::vector<Exercise> exercises;
  for (const tuttiDataType_t datatype : {tuttiFloat16, tuttiBfloat16, tuttiFloat32, tuttiFloat64, tuttiFloat8e5m2}) {
    for (const size_t count : {1, 5, 97, 1009, 4099, 30'011}) {
      exercises.push_back({.datatype = datatype,
                           .count = count,
                           .rank_count = rank_count,
                           .in_place_ranks = mix(count, 1) & ((1u << rank_count) - 1),
                           .seed = test_seed() + count,
                           .values = Values::rounded});
    }
  }
  return exercises;
}

void expect_same_bits(const ThreadWorldOptions& options) {
  ThreadWorld world(options);
  ASSERT_EQ(world.failures(), "");
  for (const Exercise& exercise : rounding_exercises(options.rank_count)) {
    std::vector<std::vector<std::byte>> outputs(static_cast<size_t>(options.rank_count));
    world.run([&](int rank) -> std::string {
      const Part part(exercise, rank);
      tuttiResult_t result = issue(part, world.comm(rank), nullptr);
      if (result == tuttiSuccess) {
        result = tuttiCommSynchronize(world.comm(rank));
      }
      outputs[static_cast<size_t>(rank)] = bytes_of(part.output());
      return describe_result(result, exercise, rank, world.comm(rank));
    });
    ASSERT_EQ(world.failures(), "");
    ASSERT_EQ(outputs[0].size(), exercise.count * element_bytes(exercise.datatype));
    for (const auto& output : outputs) {
      ASSERT_EQ(output, outputs[0]) << options.algorithms << ": ranks differ; " << to_string(exercise);
    }
    ASSERT_EQ(check_nearness(exercise, outputs[0]), "") << options.algorithms;
  }
}

class RoundingTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (test_size() == Size::small && GetParam() != 3) {
      GTEST_SKIP() << "TUTTI_TEST_SIZE=small";
    }
  }
};

TEST_P(RoundingTest, AllRanksGetTheSameBits) { expect_same_bits({.rank_count = GetParam()}); }

TEST_P(RoundingTest, AllRanksGetTheSameBitsByEachAlgorithm) {
  for (const char* algorithms : {"allreduce:ring", "allreduce:recursive_doubling", "allreduce:one_shot", "allreduce:two_shot",
                                 "allreduce:double_binary_tree", "allreduce:flat_tree"}) {
    expect_same_bits({.rank_count = GetParam(), .algorithms = algorithms});
  }
}

INSTANTIATE_TEST_SUITE_P(Ranks, RoundingTest, testing::Values(2, 3, 5, 8), testing::PrintToStringParamName());

}  // namespace
}  // namespace tutti::tests
