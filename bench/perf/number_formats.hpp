// SPDX-License-Identifier: Apache-2.0
// Element types as bits: what a benchmark needs to make and read numbers of types the language lacks. Branch-free, to be vectorised.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace tutti::perf {

// Binary floating point of a sign, `ExponentBits` and `MantissaBits`, narrower than float.
template <typename Bits_, int ExponentBits, int MantissaBits>
struct NarrowFloat {
  using Bits = Bits_;
  static constexpr int kSignificantBits = MantissaBits + 1;
  static constexpr int kBias = (1 << (ExponentBits - 1)) - 1;
  static constexpr int kLeastExponent = 1 - kBias;  // of a normal number

  // `value` must be 0 or a normal number of this format without further bits.
  static Bits encode_exact(float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    const uint32_t sign = bits >> 31 << (ExponentBits + MantissaBits);
    const uint32_t magnitude = bits & 0x7FFF'FFFF;
    const uint32_t rebiased = (magnitude >> (23 - MantissaBits)) - (static_cast<uint32_t>(127 - kBias) << MantissaBits);
    return static_cast<Bits>(magnitude == 0 ? sign : sign | rebiased);
  }

  // NaN and infinity become numbers above all others: never near an expected value.
  static double decode(Bits bits) {
    const uint32_t magnitude = bits & ((1u << (ExponentBits + MantissaBits)) - 1);
    const uint32_t exponent = magnitude >> MantissaBits;
    const uint32_t mantissa = magnitude & ((1u << MantissaBits) - 1);
    const double value = exponent == 0
                             ? std::ldexp(mantissa, kLeastExponent - MantissaBits)
                             : std::ldexp(mantissa + (1u << MantissaBits), static_cast<int>(exponent) - kBias - MantissaBits);
    return magnitude == bits ? value : -value;
  }
};

using Half = NarrowFloat<uint16_t, 5, 10>;
using BFloat16 = NarrowFloat<uint16_t, 8, 7>;
using Float8E4M3 = NarrowFloat<uint8_t, 4, 3>;
using Float8E5M2 = NarrowFloat<uint8_t, 5, 2>;

template <typename Native, typename Bits_>
struct NativeFloat {
  using Bits = Bits_;
  static constexpr int kSignificantBits = std::numeric_limits<Native>::digits;
  static constexpr int kLeastExponent = std::numeric_limits<Native>::min_exponent - 1;

  static Bits encode_exact(float value) { return std::bit_cast<Bits>(static_cast<Native>(value)); }
  static double decode(Bits bits) { return static_cast<double>(std::bit_cast<Native>(bits)); }
};

using Float = NativeFloat<float, uint32_t>;
using Double = NativeFloat<double, uint64_t>;

}  // namespace tutti::perf
