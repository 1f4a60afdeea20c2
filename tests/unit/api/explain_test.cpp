// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "tutti/tutti.h"

namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Explain : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(tuttiCommInitAll(comms_.data(), static_cast<int>(comms_.size()), nullptr), tuttiSuccess); }
  void TearDown() override {
    for (tuttiComm_t comm : comms_) {
      EXPECT_EQ(tuttiCommDestroy(comm), tuttiSuccess);
    }
  }
  std::array<tuttiComm_t, 3> comms_{};
};

TEST_F(Explain, TellsTheSameOnEveryRankWithoutTheOthers) {
  size_t length = 0;
  ASSERT_EQ(tuttiCommExplain(comms_[0], "allreduce", 1 << 20, nullptr, 0, &length), tuttiSuccess);
  ASSERT_GT(length, 0u);
  std::vector<char> text(length + 1, 'x');
  ASSERT_EQ(tuttiCommExplain(comms_[0], "allreduce", 1 << 20, text.data(), text.size(), &length), tuttiSuccess);
  EXPECT_EQ(std::strlen(text.data()), length);
  EXPECT_THAT(text.data(), StartsWith("allreduce, 3 ranks, 1 MiB:\n"));
  EXPECT_THAT(text.data(), HasSubstr("  chosen  "));
  EXPECT_THAT(text.data(), HasSubstr("  by size, in the same terms:\n"));
  std::vector<char> other(text.size());
  ASSERT_EQ(tuttiCommExplain(comms_[2], "allreduce", 1 << 20, other.data(), other.size(), nullptr), tuttiSuccess);
  EXPECT_STREQ(other.data(), text.data());
}

TEST_F(Explain, CutsOffWhatDoesNotFit) {
  std::array<char, 10> text;
  text.fill('x');
  size_t length = 0;
  ASSERT_EQ(tuttiCommExplain(comms_[1], "broadcast", 64, text.data(), text.size() - 1, &length), tuttiSuccess);
  EXPECT_STREQ(text.data(), "broadcas");
  EXPECT_EQ(text.back(), 'x');
  EXPECT_GT(length, text.size());
}

TEST_F(Explain, RefusesWhatMakesNoSense) {
  std::array<char, 8> text{};
  EXPECT_EQ(tuttiCommExplain(nullptr, "allreduce", 1, text.data(), text.size(), nullptr), tuttiInvalidArgument);
  EXPECT_EQ(tuttiCommExplain(comms_[0], nullptr, 1, text.data(), text.size(), nullptr), tuttiInvalidArgument);
  EXPECT_EQ(tuttiCommExplain(comms_[0], "allreduce", 1, nullptr, 8, nullptr), tuttiInvalidArgument);
  EXPECT_THAT(tuttiGetLastError(comms_[0]), HasSubstr("text is NULL, capacity is 8"));
  EXPECT_EQ(tuttiCommExplain(comms_[0], "send", 1, text.data(), text.size(), nullptr), tuttiInvalidArgument);
  EXPECT_THAT(tuttiGetLastError(comms_[0]), HasSubstr("unknown collective \"send\"; known are allreduce, reduce"));
}

}  // namespace
