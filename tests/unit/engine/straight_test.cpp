// SPDX-License-Identifier: Apache-2.0
#include "engine/straight.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schedule/builder.hpp"

namespace tutti::engine {
namespace {

using schedule::Buffer;
using schedule::Builder;
using testing::ElementsAre;
using testing::IsEmpty;
using Kind = StraightStep::Kind;

constexpr schedule::Span kInput{Buffer::input, 0};
constexpr schedule::Span kOutput{Buffer::output, 0};

// The kinds of the steps in which rank 0's schedule runs, each with 8 bytes.
std::vector<Kind> kinds_of(Builder builder) {
  const schedule::Schedule schedule = std::move(builder).build();
  const std::vector<StepPlace> places(schedule.steps.size(), StepPlace{.bytes = 8});
  std::vector<Kind> kinds;
  for (const StraightStep& step : straightened(schedule, places)) {
    kinds.push_back(step.kind);
  }
  return kinds;
}

TEST(Straightened, SendsFirstAndReceivesLast) {
  Builder builder({.rank = 0});
  builder.receive(builder.add_lane(), 1, {}, {Buffer::output, 1});
  builder.copy(builder.add_lane(), {}, {.source = kInput, .target = kOutput});
  builder.send(builder.add_lane(), 1, {}, kInput);
  EXPECT_THAT(kinds_of(std::move(builder)), ElementsAre(Kind::send, Kind::copy, Kind::receive, Kind::release));
}

TEST(Straightened, WritesOverNothingThatIsStillBeingSent) {
  Builder builder({.rank = 0});
  const auto sent = builder.send(builder.add_lane(), 1, {}, kOutput);
  builder.receive(builder.add_lane(), 1, {}, kOutput, {.waits = {{sent, schedule::WaitMode::streaming}}});
  EXPECT_THAT(kinds_of(std::move(builder)), ElementsAre(Kind::send, Kind::release, Kind::receive));
}

TEST(Straightened, SendsACopyOnceItIsMade) {
  Builder builder({.rank = 0});
  const schedule::Span scratch{Buffer::scratch, builder.add_scratch(1)};
  const auto copied = builder.copy(builder.add_lane(), {}, {.source = kInput, .target = scratch});
  builder.send(builder.add_lane(), 1, {}, scratch, {.waits = {{copied, schedule::WaitMode::complete}}});
  EXPECT_THAT(kinds_of(std::move(builder)), ElementsAre(Kind::copy, Kind::send, Kind::release));
}

// Two ranks that each wait for the other before they send would wait for good.
TEST(Straightened, LeavesToLanesWhatIsSentAfterSomethingHasCome) {
  Builder builder({.rank = 0});
  const auto received = builder.receive(builder.add_lane(), 1, {}, kOutput);
  builder.send(builder.add_lane(), 2, {}, kOutput, {.waits = {{received, schedule::WaitMode::complete}}});
  EXPECT_THAT(kinds_of(std::move(builder)), IsEmpty());
}

TEST(Straightened, LeavesToLanesMoreThanOneMessageEachWay) {
  Builder sends({.rank = 0});
  sends.send(sends.add_lane(), 1, {}, kInput);
  sends.send(sends.add_lane(), 2, {}, kInput);
  EXPECT_THAT(kinds_of(std::move(sends)), IsEmpty());
  Builder receives({.rank = 0});
  receives.receive(receives.add_lane(), 1, {}, kOutput);
  receives.receive(receives.add_lane(), 2, {}, {Buffer::output, 1});
  EXPECT_THAT(kinds_of(std::move(receives)), IsEmpty());
}

}  // namespace
}  // namespace tutti::engine
