// SPDX-License-Identifier: Apache-2.0
// A lock for work of less than a microsecond that threads hardly ever want at once. Unlike a mutex it is given back with a plain store, and a
// thread that finds it taken waits as between turns that found nothing.
#pragma once

#include <atomic>

#include "engine/idle.hpp"

namespace tutti::engine {

class ShortLock {
 public:
  void lock() {
    // Acquire; pairs with the release in unlock(): what the last holder did is visible.
    if (taken_.exchange(true, std::memory_order_acquire)) [[unlikely]] {
      wait();
    }
  }
  void unlock() { taken_.store(false, std::memory_order_release); }

 private:
  void wait() {
    IdleStrategy idle(Crowding::crowded);  // the holder may want this core
    do {
      idle.after_turn(0);
      // Relaxed, so that waiting does not take the line away from the holder.
    } while (taken_.load(std::memory_order_relaxed) || taken_.exchange(true, std::memory_order_acquire));
  }

  std::atomic<bool> taken_{false};
};

}  // namespace tutti::engine
