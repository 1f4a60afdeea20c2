// SPDX-License-Identifier: Apache-2.0
// A bounded queue between one producer and one consumer at a time, without locks.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/zeroed_array.hpp"

namespace tutti::engine {

template <typename T>
class Queue {
 public:
  // `capacity` is a power of two.
  explicit Queue(uint32_t capacity) : slots_(capacity), mask_(capacity - 1) {}

  bool try_push(const T& value) {
    const uint64_t tail = tail_.load(std::memory_order_relaxed);  // only the producer writes it
    // Acquire; pairs with the release in try_pop: the slot's old value has been read.
    if (tail - head_.load(std::memory_order_acquire) > mask_) {
      return false;
    }
    slots_[tail & mask_] = value;
    // Release; pairs with the acquire in try_pop: publishes the slot.
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  bool try_pop(T* value) {
    const uint64_t head = head_.load(std::memory_order_relaxed);  // only the consumer writes it
    if (tail_.load(std::memory_order_acquire) == head) {
      return false;
    }
    *value = slots_[head & mask_];
    head_.store(head + 1, std::memory_order_release);
    return true;
  }

  // Either side may ask; exact for the consumer.
  bool empty() const { return tail_.load(std::memory_order_acquire) == head_.load(std::memory_order_acquire); }

 private:
  ZeroedArray<T> slots_;
  const uint64_t mask_;
  // On lines of their own: producer and consumer run on different cores.
  alignas(64) std::atomic<uint64_t> head_{0};
  alignas(64) std::atomic<uint64_t> tail_{0};
};

}  // namespace tutti::engine
