// SPDX-License-Identifier: Apache-2.0
// Time is injected: the real clock in production, a virtual one in simulation and in tests.
#pragma once

#include <cstdint>

namespace tutti {

class Clock {
 public:
  virtual ~Clock() = default;
  // Nanoseconds since an arbitrary origin; never runs backwards. Thread-safe.
  virtual uint64_t now_ns() const = 0;
};

// CLOCK_MONOTONIC. Lives as long as the process.
const Clock& monotonic_clock();

// A point in time after which a wait has lasted too long; `none` never passes.
class Deadline {
 public:
  static Deadline none() { return Deadline(UINT64_MAX); }
  static Deadline after_ns(const Clock& clock, uint64_t duration_ns) {
    const uint64_t now_ns = clock.now_ns();
    return Deadline(duration_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + duration_ns);
  }
  // A timeout setting in milliseconds, of which 0 means none.
  static Deadline after_timeout_ms(const Clock& clock, uint64_t timeout_ms) {
    return timeout_ms == 0 ? none() : after_ns(clock, timeout_ms * 1'000'000);
  }
  bool passed(const Clock& clock) const { return at_ns_ != UINT64_MAX && clock.now_ns() >= at_ns_; }
  uint64_t at_ns() const { return at_ns_; }

 private:
  explicit Deadline(uint64_t at_ns) : at_ns_(at_ns) {}
  uint64_t at_ns_;
};

}  // namespace tutti
