// SPDX-License-Identifier: Apache-2.0
#include "api/handles.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <thread>

namespace tutti::api {
namespace {

struct Object {
  explicit Object(int number) : value(number) {}
  ~Object() { value = -1; }
  int value;
};

using Table = HandleTable<Object>;

TEST(HandleTable, FindsWhatWasInserted) {
  Table table;
  void* const first = table.insert(std::make_shared<Object>(1));
  void* const second = table.insert(std::make_shared<Object>(2));
  ASSERT_NE(first, nullptr);
  ASSERT_NE(second, nullptr);
  EXPECT_NE(first, second);
  EXPECT_EQ(table.pin(first)->value, 1);
  EXPECT_EQ((*table.pin(second)).value, 2);
  EXPECT_EQ(table.pin(first).shared()->value, 1);
}

TEST(HandleTable, AStaleHandleIsRecognisedThoughItsSlotIsUsedAgain) {
  Table table;
  std::set<void*> stale;
  for (int round = 0; round < 1'000; ++round) {
    void* const handle = table.insert(std::make_shared<Object>(round));
    EXPECT_FALSE(stale.contains(handle)) << "a handle came back in round " << round;
    const auto removed = table.remove(handle);
    ASSERT_NE(removed, nullptr);
    EXPECT_EQ(removed->value, round);
    stale.insert(handle);
  }
  void* const alive = table.insert(std::make_shared<Object>(7));
  for (void* const handle : stale) {
    EXPECT_FALSE(table.pin(handle));
    EXPECT_EQ(table.remove(handle), nullptr);
  }
  EXPECT_TRUE(table.pin(alive));
}

TEST(HandleTable, GarbageIsRecognised) {
  Table table;
  void* const alive = table.insert(std::make_shared<Object>(1));
  constexpr uint32_t kSeed = 5;
  std::mt19937_64 random(kSeed);
  const auto expect_unknown = [&](uintptr_t word) {
    void* const handle = reinterpret_cast<void*>(word);
    if (handle != alive) {
      ASSERT_FALSE(table.pin(handle)) << "seed " << kSeed << ", handle " << handle;
      ASSERT_EQ(table.remove(handle), nullptr);
    }
  };
  expect_unknown(0);
  expect_unknown(1);
  expect_unknown(UINTPTR_MAX);
  for (int round = 0; round < 50'000; ++round) {
    expect_unknown(random() >> (random() % 64));
  }
  EXPECT_EQ(table.pin(alive)->value, 1);
}

TEST(HandleTable, RemovingTwiceGivesTheObjectOnce) {
  Table table;
  void* const handle = table.insert(std::make_shared<Object>(1));
  EXPECT_NE(table.remove(handle), nullptr);
  EXPECT_EQ(table.remove(handle), nullptr);
  EXPECT_FALSE(table.pin(handle));
}

TEST(HandleTable, KeepsNoReferenceToWhatWasRemoved) {
  Table table;
  const auto object = std::make_shared<Object>(1);
  void* const handle = table.insert(object);
  (void)table.remove(handle);
  EXPECT_EQ(object.use_count(), 1);
}

TEST(HandleTable, IsBounded) {
  Table table;
  const auto object = std::make_shared<Object>(1);
  std::vector<void*> handles;
  for (void* handle = table.insert(object); handle != nullptr; handle = table.insert(object)) {
    handles.push_back(handle);
    ASSERT_LT(handles.size(), 1u << 20);
  }
  EXPECT_GE(handles.size(), 1'000u);
  ASSERT_NE(table.remove(handles.front()), nullptr);
  EXPECT_NE(table.insert(object), nullptr);
  EXPECT_EQ(table.insert(object), nullptr);
}

TEST(HandleTable, APinMovesItsHold) {
  Table table;
  void* const handle = table.insert(std::make_shared<Object>(3));
  Table::Pin empty;
  EXPECT_FALSE(empty);
  Table::Pin pin = table.pin(handle);
  Table::Pin moved = std::move(pin);
  EXPECT_FALSE(pin);  // NOLINT: what a moved-from pin is, is tested
  ASSERT_TRUE(moved);
  empty = std::move(moved);
  EXPECT_EQ(empty->value, 3);
}

TEST(HandleTable, RemovingWaitsForEachOfManyPins) {
  Table table;
  void* const handle = table.insert(std::make_shared<Object>(3));
  std::vector<Table::Pin> pins;
  for (size_t index = 0; index < 2 * HazardPointers::kPerThread + 1; ++index) {
    pins.push_back(table.pin(handle));
    ASSERT_TRUE(pins.back());
  }
  std::atomic<bool> removed{false};
  std::thread remover([&] {
    EXPECT_NE(table.remove(handle), nullptr);
    removed.store(true);
  });
  while (table.pin(handle)) {  // until it is being removed
    std::this_thread::yield();
  }
  while (!pins.empty()) {
    for (int turn = 0; turn < 10; ++turn) {
      std::this_thread::yield();
      ASSERT_FALSE(removed.load()) << pins.size() << " pins are left";
    }
    EXPECT_EQ(pins.back()->value, 3);
    pins.pop_back();
  }
  remover.join();
}

TEST(HandleTable, ThreadsThatComeAndGoPinToo) {
  Table table;
  void* const handle = table.insert(std::make_shared<Object>(3));
  for (int round = 0; round < 100; ++round) {
    std::thread([&] { EXPECT_EQ(table.pin(handle)->value, 3); }).join();
  }
  EXPECT_NE(table.remove(handle), nullptr);
  std::thread([&] { EXPECT_FALSE(table.pin(handle)); }).join();
}

// Threads pin, use, remove and insert at the same handles; an object is never used after it was given back. Its value is plain memory, which a
// thread sanitizer watches.
TEST(HandleTable, PinsAndRemovalsOfManyThreadsKeepObjectsAlive) {
  constexpr int kHandles = 8;
  constexpr int kRounds = 3'000;
  Table table;
  std::array<std::atomic<void*>, kHandles> handles{};
  for (auto& handle : handles) {
    handle.store(table.insert(std::make_shared<Object>(1)));
  }
  std::atomic<int> wrong{0};
  std::atomic<int> used{0};
  const auto use = [&] {
    for (int round = 0; round < kRounds; ++round) {
      if (const auto pin = table.pin(handles[static_cast<size_t>(round % kHandles)].load())) {
        wrong += pin->value != 1;
        ++used;
      }
    }
  };
  const auto replace = [&] {
    for (int round = 0; round < kRounds; ++round) {
      auto& handle = handles[static_cast<size_t>(round % kHandles)];
      if (auto removed = table.remove(handle.load())) {
        wrong += removed->value != 1;
        removed->value = 0;  // nobody may be looking
        removed.reset();
        handle.store(table.insert(std::make_shared<Object>(1)));
      }
    }
  };
  std::thread threads[] = {std::thread(use), std::thread(use), std::thread(replace), std::thread(replace)};
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_GT(used.load(), 0);
}

}  // namespace
}  // namespace tutti::api
