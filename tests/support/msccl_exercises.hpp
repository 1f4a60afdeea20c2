// SPDX-License-Identifier: Apache-2.0
// What files in MSCCL's format are tried with.
#pragma once

#include <algorithm>
#include <vector>

#include "support/exercises.hpp"
#include "unit/msccl/sample_files.hpp"

namespace tutti::tests {

inline constexpr int kFileRanks = 4;

// One for each of several collectives, for kFileRanks ranks.
inline std::vector<std::string> sample_file_texts() {
  using namespace msccl;
  return {samples::ring_all_reduce(kFileRanks, 2), samples::ring_all_gather(kFileRanks, 3, true),
          samples::direct_reduce_scatter(kFileRanks, true), samples::two_step_all_to_all(), samples::chain_broadcast(kFileRanks)};
}

// Calls that the files are for: of any length, in place nowhere, everywhere and mixed.
inline std::vector<Exercise> exercises_of_files() {
  std::vector<Exercise> exercises;
  for (const Exercise& exercise : every_shape(kFileRanks, test_seed() + 5)) {
    const bool is_solved = exercise.operation == Operation::all_reduce || exercise.operation == Operation::all_gather ||
                           exercise.operation == Operation::reduce_scatter || exercise.operation == Operation::all_to_all ||
                           (exercise.operation == Operation::broadcast && exercise.root == 0);
    if (is_solved && (test_size() == Size::full || exercise.seed % 8 == 0)) {
      exercises.push_back(exercise);
    }
  }
  return exercises;
}

}  // namespace tutti::tests
