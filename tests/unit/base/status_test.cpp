// SPDX-License-Identifier: Apache-2.0
#include "base/status.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "base/clock.hpp"
#include "base/types.hpp"

namespace tutti {
namespace {

using ::testing::HasSubstr;

TEST(Status, SuccessHoldsNothing) {
  const Status success;
  EXPECT_TRUE(success.ok());
  EXPECT_EQ(success.code(), tuttiSuccess);
  EXPECT_EQ(success.message(), "");
  EXPECT_TRUE(Status(tuttiSuccess, "ignored").ok());
}

TEST(Status, FailuresFormatTheirMessage) {
  const Status status = invalid_argument("tuttiSend: peer is {}", 7);
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(status.code(), tuttiInvalidArgument);
  EXPECT_EQ(status.message(), "tuttiSend: peer is 7");
}

TEST(Status, CopiesOutliveWhatTheyWereMadeOf) {
  Status kept;
  {
    const Status original = invalid_argument("{}", "a message that is longer than what a string holds in itself");
    const Status copy = original;
    kept = copy;
    EXPECT_EQ(copy.message(), original.message());
  }
  EXPECT_EQ(kept.code(), tuttiInvalidArgument);
  Status& same = kept;
  kept = same;
  EXPECT_EQ(kept.message(), "a message that is longer than what a string holds in itself");
  const Status moved = std::move(kept);
  EXPECT_EQ(moved.code(), tuttiInvalidArgument);
  kept = Status();
  EXPECT_TRUE(kept.ok());
  EXPECT_FALSE(moved.ok());
}

TEST(Status, SystemErrorsNameOperationAndErrno) {
  const Status known = system_error(ECONNREFUSED, "connect to 10.0.0.1:7000");
  EXPECT_EQ(known.code(), tuttiSystemError);
  EXPECT_EQ(known.message(), "connect to 10.0.0.1:7000: Connection refused (ECONNREFUSED)");
  EXPECT_THAT(system_error(12345, "open").message(), HasSubstr("12345"));
}

Status passes_on(Status status) {
  TUTTI_RETURN_IF_ERROR(status);
  return internal_error("went on");
}
Result<int> passes_on_as_result(Status status) {
  TUTTI_UNEXPECTED_IF_ERROR(status);
  return 5;
}

TEST(Status, TheMacrosReturnFailuresOnly) {
  EXPECT_EQ(passes_on(timeout_error("late")).code(), tuttiTimeout);
  EXPECT_EQ(passes_on({}).message(), "went on");
  EXPECT_EQ(passes_on_as_result(timeout_error("late")).error().message(), "late");
  EXPECT_EQ(passes_on_as_result({}).value(), 5);
}

TEST(Types, EveryEnumeratorHasANameAndASize) {
  for (int i = 0; i < tuttiNumTypes; ++i) {
    EXPECT_GT(size_of(static_cast<tuttiDataType_t>(i)), 0u);
    EXPECT_NE(name_of(static_cast<tuttiDataType_t>(i)), "invalid");
  }
  EXPECT_EQ(size_of(static_cast<tuttiDataType_t>(tuttiNumTypes)), 0u);
  EXPECT_EQ(name_of(tuttiMin), "min");
  EXPECT_EQ(name_of(tuttiMax), "max");
  EXPECT_EQ(name_of(tuttiMismatch), "tuttiMismatch");
}

class FixedClock final : public Clock {
 public:
  uint64_t now_ns() const override { return now; }
  uint64_t now = 0;
};

TEST(Deadline, PassesWhenItsTimeHasComeAndNeverOverflows) {
  FixedClock clock;
  clock.now = 100;
  const Deadline deadline = Deadline::after_ns(clock, 50);
  EXPECT_FALSE(deadline.passed(clock));
  clock.now = 150;
  EXPECT_TRUE(deadline.passed(clock));
  EXPECT_FALSE(Deadline::after_timeout_ms(clock, 0).passed(clock));
  EXPECT_FALSE(Deadline::after_ns(clock, UINT64_MAX).passed(clock));
}

}  // namespace
}  // namespace tutti
