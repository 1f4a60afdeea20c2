// SPDX-License-Identifier: Apache-2.0
#include "support/exercises.hpp"

#include <cstdlib>
#include <string_view>

#include "support/reference.hpp"

namespace tutti::tests {

namespace {

// Draws from a seed, one after the other.
class Dice {
 public:
  explicit Dice(uint64_t seed) : seed_(seed) {}
  uint64_t next() { return mix(seed_, ++draws_); }
  size_t below(size_t limit) { return static_cast<size_t>(next() % limit); }
  template <typename T>
  T pick(const std::vector<T>& values) {
    return values[below(values.size())];
  }

 private:
  uint64_t seed_;
  uint64_t draws_ = 0;
};

// Nothing, one, primes, fewer than ranks, and what eight does not divide.
const std::vector<size_t> kCounts = {0, 1, 2, 3, 7, 13, 97, 256, 1009, 4099};

uint64_t draw_in_place(Dice& dice, Operation operation, int rank_count) {
  if (!has_in_place_form(operation)) {
    return 0;
  }
  const uint64_t all = (uint64_t{1} << rank_count) - 1;
  switch (dice.below(3)) {
    case 0: return 0;
    case 1: return all;
    default: return dice.next() & all;
  }
}

Operation operation_of(int index) { return static_cast<Operation>(index); }

Exercise draw(Dice& dice, int rank_count) {
  Exercise exercise{.operation = operation_of(static_cast<int>(dice.below(kOperationCount))),
                    .datatype = dice.pick(all_datatypes()),
                    .count = dice.pick(kCounts),
                    .root = 0,
                    .rank_count = rank_count,
                    .seed = dice.next() >> 1};
  exercise.reduction = dice.pick(reductions_of(exercise.datatype));
  exercise.root = is_rooted(exercise.operation) ? static_cast<int>(dice.below(static_cast<size_t>(rank_count))) : 0;
  exercise.in_place_ranks = draw_in_place(dice, exercise.operation, rank_count);
  return exercise;
}

}  // namespace

uint64_t test_seed() {
  const char* const value = std::getenv("TUTTI_TEST_SEED");
  return value != nullptr ? std::strtoull(value, nullptr, 0) : 20'011;
}

std::vector<Exercise> every_combination(int rank_count, int repeats, uint64_t seed) {
  Dice dice(seed);
  std::vector<Exercise> exercises;
  for (int repeat = 0; repeat < repeats; ++repeat) {
    for (int index = 0; index < kOperationCount; ++index) {
      for (const tuttiDataType_t datatype : all_datatypes()) {
        const bool reducing = is_reducing(operation_of(index));
        for (const Reduction reduction : reducing ? reductions_of(datatype) : std::vector{Reduction::sum}) {
          Exercise exercise = draw(dice, rank_count);
          exercise.operation = operation_of(index);
          exercise.datatype = datatype;
          exercise.reduction = reduction;
          exercise.root = is_rooted(exercise.operation) ? static_cast<int>(dice.below(static_cast<size_t>(rank_count))) : 0;
          exercise.in_place_ranks = draw_in_place(dice, exercise.operation, rank_count);
          exercises.push_back(exercise);
        }
      }
    }
  }
  return exercises;
}

std::vector<Exercise> every_shape(int rank_count, uint64_t seed) {
  Dice dice(seed);
  std::vector<Exercise> exercises;
  const uint64_t all = (uint64_t{1} << rank_count) - 1;
  for (int index = 0; index < kOperationCount; ++index) {
    const Operation operation = operation_of(index);
    const std::vector<uint64_t> kinds = has_in_place_form(operation) ? std::vector<uint64_t>{0, all, dice.next() & all} : std::vector<uint64_t>{0};
    for (int root = 0; root < (is_rooted(operation) ? rank_count : 1); ++root) {
      for (const uint64_t in_place_ranks : kinds) {
        for (const size_t count : kCounts) {
          Exercise exercise = draw(dice, rank_count);
          exercise.operation = operation;
          exercise.root = root;
          exercise.count = count;
          exercise.in_place_ranks = in_place_ranks;
          exercises.push_back(exercise);
        }
      }
    }
  }
  return exercises;
}

std::vector<Exercise> random_exercises(int rank_count, size_t how_many, uint64_t seed) {
  Dice dice(seed);
  std::vector<Exercise> exercises;
  while (exercises.size() < how_many) {
    exercises.push_back(draw(dice, rank_count));
  }
  return exercises;
}

std::vector<Exercise> large_exercises(int rank_count, uint64_t seed) {
  Dice dice(seed);
  std::vector<Exercise> exercises;
  const size_t total_bytes = test_size() == Size::small ? 300'000 : rank_count <= 4 ? 5'000'000 : 2'000'000;
  for (int index = 0; index < kOperationCount; ++index) {
    if (operation_of(index) == Operation::barrier) {
      continue;
    }
    Exercise exercise = draw(dice, rank_count);
    exercise.operation = operation_of(index);
    exercise.root = is_rooted(exercise.operation) ? static_cast<int>(dice.below(static_cast<size_t>(rank_count))) : 0;
    exercise.in_place_ranks = draw_in_place(dice, exercise.operation, rank_count);
    const bool whole = exercise.operation == Operation::all_reduce || exercise.operation == Operation::reduce ||
                       exercise.operation == Operation::broadcast || exercise.operation == Operation::send_receive;
    exercise.count = total_bytes / element_bytes(exercise.datatype) / (whole ? 1 : static_cast<size_t>(rank_count)) + 3;
    exercises.push_back(exercise);
  }
  return exercises;
}

}  // namespace tutti::tests
