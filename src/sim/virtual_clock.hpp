// SPDX-License-Identifier: Apache-2.0
// A clock that stands still until it is moved by hand.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.hpp"

namespace tutti::sim {

class VirtualClock final : public Clock {
 public:
  uint64_t now_ns() const override { return now_ns_.load(std::memory_order_relaxed); }

  // Moves to `at_ns`; a time that has passed already changes nothing. Called by one thread at a time.
  void advance_to(uint64_t at_ns) {
    if (at_ns > now_ns()) {
      now_ns_.store(at_ns, std::memory_order_relaxed);
    }
  }
  void advance_by(uint64_t duration_ns) { advance_to(now_ns() + duration_ns); }

 private:
  // Written by the thread that drives the simulation, read by any. Relaxed: it publishes nothing but itself.
  std::atomic<uint64_t> now_ns_{0};
};

}  // namespace tutti::sim
