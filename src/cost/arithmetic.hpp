// SPDX-License-Identifier: Apache-2.0
// Integer arithmetic that sticks at UINT64_MAX instead of wrapping.
#pragma once

#include <cstdint>
#include <limits>

namespace tutti::cost {

inline constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();

constexpr uint64_t add(uint64_t left, uint64_t right) {
  uint64_t sum = 0;
  return __builtin_add_overflow(left, right, &sum) ? kNever : sum;
}

constexpr uint64_t multiply(uint64_t left, uint64_t right) {
  uint64_t product = 0;
  return __builtin_mul_overflow(left, right, &product) ? kNever : product;
}

// left * right / divisor, rounded up; a divisor of 0 is taken as 1.
constexpr uint64_t multiply_divide(uint64_t left, uint64_t right, uint64_t divisor) {
  const uint64_t safe_divisor = divisor == 0 ? 1 : divisor;
  uint64_t product = 0;
  if (!__builtin_mul_overflow(left, right, &product)) {
    return product / safe_divisor + (product % safe_divisor == 0 ? 0 : 1);
  }
  __extension__ using Wide = unsigned __int128;
  const Wide quotient = (Wide{left} * right + (safe_divisor - 1)) / safe_divisor;
  return quotient > kNever ? kNever : static_cast<uint64_t>(quotient);
}

// Nanoseconds for `bytes` at `bytes_per_s`, rounded up.
constexpr uint64_t duration_ns(uint64_t bytes, uint64_t bytes_per_s) { return multiply_divide(bytes, 1'000'000'000, bytes_per_s); }

}  // namespace tutti::cost
