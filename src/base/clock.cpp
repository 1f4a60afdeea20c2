// SPDX-License-Identifier: Apache-2.0
#include "base/clock.hpp"

#include <ctime>

namespace tutti {

namespace {
class MonotonicClock final : public Clock {
 public:
  uint64_t now_ns() const override {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
  }
};
}  // namespace

const Clock& monotonic_clock() {
  // Leaked on purpose: the engine's thread reads it until the process ends.
  static const auto* const clock = new MonotonicClock;
  return *clock;
}

}  // namespace tutti
