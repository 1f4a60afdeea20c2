// SPDX-License-Identifier: Apache-2.0
// A hash table that only grows, with open addressing: read by many threads without a lock, as on the path of every collective call.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/hash.hpp"

namespace tutti {

// Growing publishes a new array and keeps the old ones, which a reader may still be in; together they are no larger than the newest.
template <typename T>
class InsertOnlyTable {
 public:
  InsertOnlyTable() {
    arrays_.push_back(std::make_unique<Array>(kFirstCapacity));
    // Nobody reads yet; whoever hands the table to other threads publishes this.
    current_.store(arrays_.back().get(), std::memory_order_relaxed);
  }

  // Null when there is none. `key` is not 0. Wait-free.
  const T* find(uint64_t key) const {
    const Array& array = *current_.load(std::memory_order_acquire);
    for (size_t index = mix64(key);; ++index) {
      const Slot& slot = array.slots[index & array.mask];
      const uint64_t found = slot.key.load(std::memory_order_acquire);
      if (found == key) {
        return slot.value.load(std::memory_order_relaxed);  // ordered by the acquire of the key
      }
      if (found == 0) {
        return nullptr;
      }
    }
  }
  // `key` is not 0 and not in the table; `value` outlives it. One caller at a time.
  void insert(uint64_t key, const T* value) {
    if ((size_ + 1) * 2 > arrays_.back()->mask + 1) {
      grow();
    }
    arrays_.back()->insert(key, value);
    ++size_;
  }
  // The inserter's.
  size_t size() const { return size_; }

 private:
  static constexpr size_t kFirstCapacity = 64;

  struct Slot {
    // 0: free. Written once by the inserter, with release: it publishes `value`; pairs with the acquire in find().
    std::atomic<uint64_t> key = 0;
    std::atomic<const T*> value = nullptr;
  };
  struct Array {
    explicit Array(size_t capacity) : mask(capacity - 1), slots(std::make_unique<Slot[]>(capacity)) {}

    void insert(uint64_t key, const T* value) {
      size_t index = mix64(key);
      while (slots[index & mask].key.load(std::memory_order_relaxed) != 0) {  // only the inserter writes keys
        ++index;
      }
      Slot& slot = slots[index & mask];
      slot.value.store(value, std::memory_order_relaxed);
      slot.key.store(key, std::memory_order_release);
    }

    size_t mask;  // the capacity is a power of two, at most half of it used, so that a probe always ends
    std::unique_ptr<Slot[]> slots;
  };

  void grow() {
    const Array& old = *arrays_.back();
    auto larger = std::make_unique<Array>((old.mask + 1) * 2);
    for (size_t index = 0; index <= old.mask; ++index) {
      const Slot& slot = old.slots[index];
      if (const uint64_t key = slot.key.load(std::memory_order_relaxed); key != 0) {
        larger->insert(key, slot.value.load(std::memory_order_relaxed));
      }
    }
    arrays_.push_back(std::move(larger));
    current_.store(arrays_.back().get(), std::memory_order_release);
  }

  std::vector<std::unique_ptr<Array>> arrays_;  // the inserter's; the last is the current one
  size_t size_ = 0;                             // the inserter's
  // The current array. Written by the inserter, with release: it publishes the slots; pairs with the acquire in find().
  std::atomic<const Array*> current_;
};

}  // namespace tutti
