// SPDX-License-Identifier: Apache-2.0
// What a thread does between turns that found nothing to do: spin while an answer is likely within a microsecond, then let others run, then sleep.
#pragma once

#include <sched.h>
#include <time.h>

#include <cstdint>

namespace tutti::engine {

// Whether more ranks than cores share the host: then a spinning rank keeps the one it waits for from running.
enum class Crowding : uint8_t { spacious, crowded };

inline void pause_core() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

class IdleStrategy {
 public:
  explicit IdleStrategy(Crowding crowding) : spins_(crowding == Crowding::crowded ? kSpinsCrowded : kSpinsSpacious) {}

  // After each turn; `worked` as the turn returned it.
  void after_turn(size_t worked) {
    if (worked != 0) {
      idle_turns_ = 0;
      return;
    }
    ++idle_turns_;
    if (idle_turns_ <= spins_) {
      pause_core();
    } else if (idle_turns_ <= spins_ + kYields) {
      sched_yield();
    } else {
      const timespec nap{0, kNapNs};
      nanosleep(&nap, nullptr);
    }
  }

  bool has_idled_long() const { return idle_turns_ > spins_; }

 private:
  // A turn without work takes about 100 ns: some 200 us of spinning, where a thread hand-off costs 50; a crowded host yields almost at once.
  static constexpr uint32_t kSpinsSpacious = 2000;
  static constexpr uint32_t kSpinsCrowded = 2;
  static constexpr uint32_t kYields = 20'000;
  static constexpr long kNapNs = 50'000;

  uint32_t spins_;
  uint32_t idle_turns_ = 0;
};

}  // namespace tutti::engine
