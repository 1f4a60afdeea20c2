// SPDX-License-Identifier: Apache-2.0
// Every collective x type x operator x in and out of place x counts x roots x 1-9 ranks, as threads over real transports.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "support/calls.hpp"
#include "support/exercises.hpp"
#include "support/thread_world.hpp"

namespace tutti::tests {
namespace {

struct Parameters {
  const char* transports;
  int rank_count;
};

void PrintTo(const Parameters& parameters, std::ostream* out) {
  *out << parameters.rank_count << " ranks over " << parameters.transports;
}

class CollectivesTest : public testing::TestWithParam<Parameters> {
 protected:
  CollectivesTest() : world_({.rank_count = GetParam().rank_count, .transports = GetParam().transports}) {}

  void perform_all(const std::vector<Exercise>& exercises) {
    ASSERT_FALSE(exercises.empty());
    world_.run([&](int rank) -> std::string {
      for (const Exercise& exercise : exercises) {
        if (std::string failure = perform(exercise, rank, world_.comm(rank)); !failure.empty()) {
          return failure;
        }
      }
      return {};
    });
    EXPECT_EQ(world_.failures(), "") << "TUTTI_TEST_SEED=" << test_seed();
  }

  ThreadWorld world_;
};

TEST_P(CollectivesTest, EveryTypeAndOperator) {
  const std::vector<Exercise> all = every_combination(GetParam().rank_count, GetParam().rank_count > 4 ? 1 : 3, test_seed());
  if (test_size() == Size::full) {
    return perform_all(all);
  }
  // A ninth each: all rank counts together see every combination.
  std::vector<Exercise> some;
  for (auto index = static_cast<size_t>(GetParam().rank_count - 1); index < all.size(); index += 9) {
    some.push_back(all[index]);
  }
  perform_all(some);
}

TEST_P(CollectivesTest, EveryCountAndRootInPlaceAndNot) {
  std::vector<Exercise> exercises = every_shape(GetParam().rank_count, test_seed() + 1);
  if (test_size() == Size::small) {
    exercises = random_exercises(GetParam().rank_count, 30, test_seed() + 1);
  }
  perform_all(exercises);
}

TEST_P(CollectivesTest, MessagesOfManySlices) {
  if (test_size() == Size::small && GetParam().rank_count > 4) {
    GTEST_SKIP() << "TUTTI_TEST_SIZE=small";
  }
  perform_all(large_exercises(GetParam().rank_count, test_seed() + 2));
}

std::vector<Parameters> parameters() {
  std::vector<Parameters> all;
  for (const char* transports : {"shm", "tcp"}) {
    for (int rank_count = 1; rank_count <= 9; ++rank_count) {
      all.push_back({transports, rank_count});
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Threads, CollectivesTest, testing::ValuesIn(parameters()), [](const auto& info) {
  return fmt::format("{}_{}", info.param.transports, info.param.rank_count);
});

}  // namespace
}  // namespace tutti::tests
