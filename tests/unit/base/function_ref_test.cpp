// SPDX-License-Identifier: Apache-2.0
#include "base/function_ref.hpp"

#include <gtest/gtest.h>

namespace tutti {
namespace {

int twice(FunctionRef<int(int)> function, int value) { return function(function(value)); }

TEST(FunctionRef, CallsWhatItRefersTo) {
  int calls = 0;
  EXPECT_EQ(twice([&](int value) { return ++calls, value + 3; }, 1), 7);
  EXPECT_EQ(calls, 2);
}

TEST(FunctionRef, ReachesStateThroughCopiesOfItself) {
  auto counter = [count = 0]() mutable { return ++count; };
  const FunctionRef<int()> one(counter);
  const FunctionRef<int()> other = one;
  EXPECT_EQ(one(), 1);
  EXPECT_EQ(other(), 2);
  EXPECT_EQ(counter(), 3);
}

}  // namespace
}  // namespace tutti
