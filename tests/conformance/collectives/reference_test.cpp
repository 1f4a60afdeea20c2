// SPDX-License-Identifier: Apache-2.0
// The suite's own measure: that a part which nobody has performed is not taken for a good one, and that the reference's numbers are right.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "support/exercises.hpp"
#include "support/part.hpp"
#include "support/reference.hpp"

namespace tutti::tests {
namespace {

TEST(Reference, UnperformedExercisesAreRefused) {
  size_t refused = 0;
  for (Exercise exercise : every_combination(4, 1, test_seed())) {
    exercise.count = 97;
    if (exercise.operation == Operation::barrier) {
      continue;
    }
    size_t different = 0;
    for (int rank = 0; rank < exercise.rank_count; ++rank) {
      different += Part(exercise, rank).check().empty() ? 0 : 1;
    }
    EXPECT_GE(different, 1u) << to_string(exercise);
    ++refused;
  }
  EXPECT_GT(refused, 300u);
}

TEST(Reference, ReductionsByHand) {
  const Exercise sum{.datatype = tuttiUint8, .count = 1, .rank_count = 3};
  const uint64_t total = input_element(sum, 0, 5) + input_element(sum, 1, 5) + input_element(sum, 2, 5);
  EXPECT_EQ(reduced_element(sum, 5), total & 0xff);

  const Exercise mean{.datatype = tuttiInt32, .reduction = Reduction::avg, .count = 1, .rank_count = 2};
  const auto first = static_cast<int32_t>(input_element(mean, 0, 3));
  const auto second = static_cast<int32_t>(input_element(mean, 1, 3));
  const auto wrapped = static_cast<int32_t>(static_cast<uint32_t>(first) + static_cast<uint32_t>(second));
  EXPECT_EQ(static_cast<int32_t>(reduced_element(mean, 3)), wrapped / 2);

  const Exercise largest{.reduction = Reduction::max, .count = 1, .rank_count = 2};
  EXPECT_EQ(decode(tuttiFloat32, reduced_element(largest, 1)),
            std::max(decode(tuttiFloat32, input_element(largest, 0, 1)), decode(tuttiFloat32, input_element(largest, 1, 1))));
}

TEST(Reference, CodesOfTheNarrowTypes) {
  EXPECT_EQ(encode(tuttiFloat16, 1.0), 0x3c00u);
  EXPECT_EQ(encode(tuttiFloat16, -2.5), 0xc100u);
  EXPECT_EQ(encode(tuttiBfloat16, 1.0), 0x3f80u);
  EXPECT_EQ(encode(tuttiFloat8e4m3, 448), 0x7eu);
  EXPECT_EQ(encode(tuttiFloat8e4m3, std::ldexp(1.0, -9)), 0x01u);
  EXPECT_EQ(encode(tuttiFloat8e5m2, 57344), 0x7bu);
  EXPECT_EQ(encode(tuttiFloat32, 0.15625), 0x3e200000u);
  EXPECT_THROW(encode(tuttiFloat8e5m2, 9), std::logic_error);
}

}  // namespace
}  // namespace tutti::tests
