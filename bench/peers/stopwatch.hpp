// SPDX-License-Identifier: Apache-2.0
// Time for benchmarks: the processor's time stamp where it counts evenly (x86-64), which takes 10 ns to read, else the system's clock.
#pragma once

#include <ctime>

#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace tutti::peers {

inline std::int64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

inline std::uint64_t ticks() {
#if defined(__x86_64__)
  return __rdtsc();
#else
  return static_cast<std::uint64_t>(monotonic_ns());
#endif
}

// Compares the two clocks for 20 ms.
inline double ns_per_tick() {
  const std::int64_t begin_ns = monotonic_ns();
  const std::uint64_t begin = ticks();
  std::int64_t end_ns = begin_ns;
  while (end_ns - begin_ns < 20'000'000) end_ns = monotonic_ns();
  return static_cast<double>(end_ns - begin_ns) / static_cast<double>(ticks() - begin);
}

}  // namespace tutti::peers
