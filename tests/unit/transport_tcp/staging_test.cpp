// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/staging.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <random>

namespace tutti::transports::tcp {
namespace {

TEST(Staging, AFrameIsReadyOnceItIsComplete) {
  Staging staging(kDataWindowUnits);
  EXPECT_TRUE(staging.empty());
  EXPECT_FALSE(staging.ready());
  std::byte* const payload = staging.append({.call = 1, .message_bytes = 2}, 3);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(payload) % kCreditUnitBytes, 0u);
  std::memcpy(payload, "abc", 3);
  EXPECT_FALSE(staging.empty());
  EXPECT_FALSE(staging.ready());
  staging.commit();
  ASSERT_TRUE(staging.ready());
  EXPECT_EQ(staging.front().header, (transport::FrameHeader{.call = 1, .message_bytes = 2}));
  ASSERT_EQ(staging.front().payload.size(), 3u);
  EXPECT_EQ(std::memcmp(staging.front().payload.data(), "abc", 3), 0);
  staging.append({}, 0);
  EXPECT_TRUE(staging.ready()) << "the first frame is complete, though the second is not";
  staging.pop_front();
  EXPECT_FALSE(staging.ready());
  EXPECT_FALSE(staging.empty());
}

// Fills the window with frames of every size and takes them out again, in every mixture.
TEST(Staging, HoldsAWindowOfFramesInOrder) {
  constexpr uint32_t kSeed = 20240229;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  std::mt19937 random(kSeed);
  for (const uint32_t window : {kControlWindowUnits, kDataWindowUnits}) {
    Staging staging(window);
    struct Expected {
      uint64_t sequence;
      uint32_t size;
      std::byte fill;
    };
    std::deque<Expected> model;
    uint32_t used_units = 0;
    uint64_t appended = 0;
    uint64_t popped = 0;
    for (int step = 0; step < 20'000; ++step) {
      const uint32_t largest = random() % 4 == 0 ? kMaxFrameBytes : 2000;
      const uint32_t size = random() % (largest + 1);
      if (random() % 2 == 0 && used_units + credit_units(size) <= window) {
        const auto fill = static_cast<std::byte>(appended);
        std::byte* const payload = staging.append({.call = appended, .message_bytes = 0}, size);
        if (size > 0) {
          payload[0] = payload[size - 1] = fill;
        }
        staging.commit();
        model.push_back({appended++, size, fill});
        used_units += credit_units(size);
      } else if (!model.empty()) {
        const transport::Frame frame = staging.front();
        ASSERT_EQ(frame.header.call, model.front().sequence);
        ASSERT_EQ(frame.payload.size(), model.front().size);
        if (!frame.payload.empty()) {
          ASSERT_EQ(frame.payload.front(), model.front().fill);
          ASSERT_EQ(frame.payload.back(), model.front().fill);
        }
        staging.pop_front();
        used_units -= credit_units(model.front().size);
        model.pop_front();
        ++popped;
      }
    }
    EXPECT_GT(popped, 5000u);
  }
}

}  // namespace
}  // namespace tutti::transports::tcp
