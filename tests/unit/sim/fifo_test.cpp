// SPDX-License-Identifier: Apache-2.0
#include "sim/fifo.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <deque>

#include "base/hash.hpp"

namespace tutti::sim {
namespace {

TEST(Fifo, DoesWhatADequeDoes) {
  Fifo<int> fifo;
  std::deque<int> expected;
  for (uint64_t step = 0; step < 20'000; ++step) {
    const uint64_t draw = mix64(step) % 100;
    const bool grows = step / 2'000 % 2 == 0;
    if (draw < (grows ? 60u : 35u)) {
      fifo.push_back(static_cast<int>(step));
      expected.push_back(static_cast<int>(step));
    } else if (draw == 99) {
      fifo.clear();
      expected.clear();
    } else if (!expected.empty() && draw % 8 == 0) {
      fifo.pop_back();
      expected.pop_back();
    } else if (!expected.empty()) {
      fifo.pop_front();
      expected.pop_front();
    }
    ASSERT_EQ(fifo.size(), expected.size());
    ASSERT_EQ(fifo.empty(), expected.empty());
    if (!expected.empty()) {
      ASSERT_EQ(fifo.front(), expected.front());
      ASSERT_EQ(fifo.back(), expected.back());
      ASSERT_EQ(fifo[expected.size() / 2], expected[expected.size() / 2]);
    }
  }
  ASSERT_TRUE(std::equal(fifo.begin(), fifo.end(), expected.begin(), expected.end()));
}

}  // namespace
}  // namespace tutti::sim
