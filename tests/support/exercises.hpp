// SPDX-License-Identifier: Apache-2.0
// Lists of exercises: the full product where it is small, random picks of it, with their seed, elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "support/exercise.hpp"
#include "support/test_size.hpp"

namespace tutti::tests {

// TUTTI_TEST_SEED, or a fixed one.
uint64_t test_seed();

// Every operation x type x reduction that exists, `repeats` times, with count, root and in-place ranks drawn from `seed`.
std::vector<Exercise> every_combination(int rank_count, int repeats, uint64_t seed);
// Every operation x count of interest x root x in place nowhere, everywhere and mixed, with type and reduction drawn from `seed`.
std::vector<Exercise> every_shape(int rank_count, uint64_t seed);
// `how_many` drawn at random among all of these.
std::vector<Exercise> random_exercises(int rank_count, size_t how_many, uint64_t seed);
// Messages of several MiB, a few operations each.
std::vector<Exercise> large_exercises(int rank_count, uint64_t seed);

}  // namespace tutti::tests
