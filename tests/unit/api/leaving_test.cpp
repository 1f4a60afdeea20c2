// SPDX-License-Identifier: Apache-2.0
// Ranks that one thread brought up together end one after the other, in that thread, without waiting for each other.
#include <gtest/gtest.h>

#include <array>

#include "tutti/tutti.h"

namespace {

class Leaving : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(tuttiCommInitAll(comms_.data(), static_cast<int>(comms_.size()), nullptr), tuttiSuccess); }

  void all_reduce() {
    ASSERT_EQ(tuttiGroupStart(), tuttiSuccess);
    for (size_t rank = 0; rank < comms_.size(); ++rank) {
      values_[rank] = static_cast<int32_t>(rank) + 1;
      ASSERT_EQ(tuttiAllReduce(&values_[rank], &values_[rank], 1, tuttiInt32, tuttiSum, comms_[rank], nullptr), tuttiSuccess);
    }
    ASSERT_EQ(tuttiGroupEnd(), tuttiSuccess);
  }

  std::array<tuttiComm_t, 3> comms_{};
  std::array<int32_t, 3> values_{};
};

TEST_F(Leaving, DestroyOneAfterTheOtherCompletesTheirWork) {
  all_reduce();
  for (tuttiComm_t comm : comms_) {
    EXPECT_EQ(tuttiCommDestroy(comm), tuttiSuccess);
  }
  EXPECT_EQ(values_, (std::array<int32_t, 3>{6, 6, 6}));
}

TEST_F(Leaving, FinalizeOneAfterTheOtherThenDestroy) {
  all_reduce();
  for (tuttiComm_t comm : comms_) {
    EXPECT_EQ(tuttiCommFinalize(comm), tuttiSuccess);
    EXPECT_EQ(tuttiBarrier(comm, nullptr), tuttiInvalidUsage);
  }
  for (tuttiComm_t comm : comms_) {
    EXPECT_EQ(tuttiCommDestroy(comm), tuttiSuccess);
  }
}

TEST_F(Leaving, DestroyAfterAPeerWasAborted) {
  EXPECT_EQ(tuttiCommDestroy(comms_[0]), tuttiSuccess);
  EXPECT_EQ(tuttiCommAbort(comms_[1]), tuttiSuccess);
  // By then the abort may have reached rank 2 or not.
  const tuttiResult_t result = tuttiCommDestroy(comms_[2]);
  EXPECT_TRUE(result == tuttiSuccess || result == tuttiAborted) << tuttiGetErrorString(result);
  EXPECT_EQ(tuttiCommDestroy(comms_[2]), tuttiInvalidArgument);
}

}  // namespace
