// SPDX-License-Identifier: Apache-2.0
#include "base/zeroed_array.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <new>

namespace tutti {
namespace {

TEST(ZeroedArray, IsZeroWhateverItsSize) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{2048}, size_t{2049}, size_t{100'000}}) {
    ZeroedArray<uint64_t> array(size);
    EXPECT_EQ(array.size(), size);
    EXPECT_TRUE(std::all_of(array.begin(), array.end(), [](uint64_t value) { return value == 0; }));
    std::fill(array.begin(), array.end(), 7u);
    if (size != 0) {
      EXPECT_EQ(array[size - 1], 7u);
    }
  }
}

TEST(ZeroedArray, MemoryThatIsNotTouchedIsNotTaken) {
  ZeroedArray<uint64_t> array(size_t{1} << 31);  // 16 GiB
  array[size_t{1} << 30] = 1;
  EXPECT_EQ(array[0], 0u);
  EXPECT_EQ(array[size_t{1} << 30], 1u);
}

TEST(ZeroedArray, WhatDoesNotFitIsAnException) { EXPECT_THROW(ZeroedArray<uint64_t>(SIZE_MAX / 4), std::bad_alloc); }

}  // namespace
}  // namespace tutti
