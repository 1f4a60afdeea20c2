// SPDX-License-Identifier: Apache-2.0
#include "engine/queue.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace tutti::engine {
namespace {

TEST(Queue, GivesBackInOrder) {
  Queue<int> queue(4);
  EXPECT_TRUE(queue.empty());
  for (int value = 0; value < 3; ++value) {
    ASSERT_TRUE(queue.try_push(value));
  }
  EXPECT_FALSE(queue.empty());
  for (int expected = 0; expected < 3; ++expected) {
    int value = -1;
    ASSERT_TRUE(queue.try_pop(&value));
    EXPECT_EQ(value, expected);
  }
  EXPECT_TRUE(queue.empty());
}

TEST(Queue, RefusesWhenFullAndWhenEmpty) {
  Queue<int> queue(2);
  int value = 7;
  EXPECT_FALSE(queue.try_pop(&value));
  EXPECT_EQ(value, 7);
  EXPECT_TRUE(queue.try_push(1));
  EXPECT_TRUE(queue.try_push(2));
  EXPECT_FALSE(queue.try_push(3));
  ASSERT_TRUE(queue.try_pop(&value));
  EXPECT_EQ(value, 1);
  EXPECT_TRUE(queue.try_push(3));
  EXPECT_FALSE(queue.try_push(4));
}

TEST(Queue, OfOnePlaceWorks) {
  Queue<int> queue(1);
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(queue.try_push(round));
    ASSERT_FALSE(queue.try_push(round));
    int value = -1;
    ASSERT_TRUE(queue.try_pop(&value));
    ASSERT_EQ(value, round);
  }
}

TEST(Queue, WrapsAroundAtEveryFillLevel) {
  for (uint32_t level = 1; level <= 8; ++level) {
    Queue<uint32_t> queue(8);
    uint32_t pushed = 0;
    uint32_t popped = 0;
    for (; pushed < level; ++pushed) {
      ASSERT_TRUE(queue.try_push(pushed));
    }
    for (int round = 0; round < 100; ++round) {
      uint32_t value = 0;
      ASSERT_TRUE(queue.try_pop(&value));
      ASSERT_EQ(value, popped++);
      ASSERT_TRUE(queue.try_push(pushed++));
    }
  }
}

// What the producer wrote before pushing is visible to the consumer: the payloads are plain memory, which a thread sanitizer watches.
TEST(Queue, HandsMemoryFromThreadToThread) {
  constexpr uint64_t kCount = 20'000;
  Queue<uint64_t*> queue(16);
  std::vector<uint64_t> payloads(kCount, 0);
  std::thread producer([&] {
    for (uint64_t index = 0; index < kCount; ++index) {
      payloads[index] = index + 1;
      while (!queue.try_push(&payloads[index])) {
        std::this_thread::yield();
      }
    }
  });
  uint64_t wrong = 0;
  for (uint64_t index = 0; index < kCount; ++index) {
    uint64_t* payload = nullptr;
    while (!queue.try_pop(&payload)) {
      std::this_thread::yield();
    }
    wrong += *payload != index + 1;
    *payload = 0;
  }
  producer.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace tutti::engine
