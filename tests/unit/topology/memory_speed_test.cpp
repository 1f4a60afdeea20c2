// SPDX-License-Identifier: Apache-2.0
#include "topology/memory_speed.hpp"

#include <gtest/gtest.h>

namespace tutti::topology {
namespace {

constexpr uint64_t kCopy = MemorySpeed::kReferenceCopyBytes_per_s;
constexpr uint64_t kFetch = MemorySpeed::kReferenceFetchBytes_per_s;

TEST(MemorySpeed, MeasurementsThatDifferALittleAreRoundedAlike) {
  for (const double factor : {0.3, 0.5, 1.0, 2.0, 2.8}) {
    const auto near = [&](double percent) {
      const double scale = factor * (1 + percent / 100);
      return rounded({.copy_bytes_per_s = static_cast<uint64_t>(kCopy * scale), .fetch_bytes_per_s = static_cast<uint64_t>(kFetch * scale)});
    };
    const MemorySpeed middle = rounded(near(0));
    EXPECT_EQ(middle, near(0)) << "what is rounded stays as it is";
    const auto within = [](uint64_t figure, uint64_t other, double least) {
      return static_cast<double>(figure) >= least * static_cast<double>(other) && static_cast<double>(other) >= least * static_cast<double>(figure);
    };
    EXPECT_TRUE(within(near(3).copy_bytes_per_s, middle.copy_bytes_per_s, 0.7)) << "at most one step";
    EXPECT_TRUE(within(near(3).fetch_bytes_per_s, middle.fetch_bytes_per_s, 0.8)) << "at most one step";
  }
  EXPECT_EQ(rounded(MemorySpeed()), MemorySpeed());
  EXPECT_EQ(rounded({.copy_bytes_per_s = kCopy * 11 / 10, .fetch_bytes_per_s = kFetch * 21 / 20}), MemorySpeed());
}

TEST(MemorySpeed, WhatNoMachineDoesIsBounded) {
  const MemorySpeed least = rounded({.copy_bytes_per_s = 0, .fetch_bytes_per_s = 0});
  EXPECT_EQ(least.copy_bytes_per_s, kCopy / 4);
  EXPECT_EQ(least.fetch_bytes_per_s, kFetch / 16);
  const MemorySpeed most = rounded({.copy_bytes_per_s = UINT64_MAX, .fetch_bytes_per_s = UINT64_MAX});
  EXPECT_EQ(most.copy_bytes_per_s, kCopy * 4);
  EXPECT_EQ(most.fetch_bytes_per_s, kFetch * 2);
}

TEST(MemorySpeed, ScalesWhatCoresDo) {
  EXPECT_EQ(scaled_by_cores(14'000'000'000, MemorySpeed()), 14'000'000'000u);
  EXPECT_EQ(scaled_by_cores(14'000'000'000, {.copy_bytes_per_s = 2 * kCopy}), 28'000'000'000u);
  EXPECT_EQ(scaled_by_cores(UINT64_MAX, {.copy_bytes_per_s = 4 * kCopy}), UINT64_MAX);
}

TEST(MemorySpeed, OfThisMachineIsMeasuredOnce) {
  const MemorySpeed& first = memory_speed_of_this_machine();
  EXPECT_EQ(&first, &memory_speed_of_this_machine());
  EXPECT_EQ(rounded(first), first);
}

}  // namespace
}  // namespace tutti::topology
