// SPDX-License-Identifier: Apache-2.0
// The floating-point settings of a thread, held at the standard's while kernels run.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tutti::reduce {

// A program built with -ffast-math flushes subnormals to zero in its own threads and in those that they start; one may also
// round otherwise, or trap on overflow. As kernels run on the engine's thread or on whichever thread waits, results would
// depend on who did the work. In scope: round to nearest even, subnormals kept, nothing traps. Reading the register costs
// about a nanosecond; it is written only if it differs, and put back at the end.
class FloatEnvironment {
 public:
  FloatEnvironment() : saved_(read()) {
    if (standard(saved_) != saved_) write(standard(saved_));
  }
  ~FloatEnvironment() {
    if (standard(saved_) != saved_) write(saved_);
  }
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 private:
#if defined(__x86_64__)
  // MXCSR: bits 15 flush to zero, 13-14 rounding, 7-12 masked exceptions, 6 denormals are zero, 0-5 flags.
  using Register = uint32_t;
  static Register read() { return _mm_getcsr(); }
  static void write(Register value) { _mm_setcsr(value); }
  static Register standard(Register value) { return (value & ~0xE040u) | 0x1F80u; }
#elif defined(__aarch64__)
  // FPCR: bits 25 default NaN, 24 flush to zero, 22-23 rounding, 8-12 and 15 trapped exceptions.
  using Register = uint64_t;
  static Register read() {
    Register value = 0;
    __asm__ volatile("mrs %0, fpcr" : "=r"(value));
    return value;
  }
  static void write(Register value) { __asm__ volatile("msr fpcr, %0" : : "r"(value)); }
  static Register standard(Register value) { return value & ~uint64_t{0x3C09F00}; }
#else
  using Register = uint32_t;
  static Register read() { return 0; }
  static void write(Register) {}
  static Register standard(Register value) { return value; }
#endif

  Register saved_;
};

}  // namespace tutti::reduce
