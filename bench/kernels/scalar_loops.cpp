// SPDX-License-Identifier: Apache-2.0
#include "scalar_loops.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace tutti::bench {

namespace {

template <class T>
void sum_plain(const void* a, const void* b, void* target, size_t count) {
  const auto* left = static_cast<const T*>(a);
  const auto* right = static_cast<const T*>(b);
  auto* result = static_cast<T*>(target);
  for (size_t i = 0; i < count; ++i) result[i] = static_cast<T>(left[i] + right[i]);
}

struct Bfloat16 {
  using Code = uint16_t;
  static float decode(uint16_t code) { return std::bit_cast<float>(static_cast<uint32_t>(code) << 16); }
  static uint16_t encode(float value) {
    const auto bits = std::bit_cast<uint32_t>(value);
    if (std::isnan(value)) return 0x7FC0;
    return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
  }
};

template <class CodeType, int kExponentBits, int kMantissaBits, bool kHasInfinity>
struct Narrow {
  using Code = CodeType;
  static constexpr int kBias = (1 << (kExponentBits - 1)) - 1;
  static constexpr int kShift = 23 - kMantissaBits;
  static constexpr uint32_t kSign = 1u << (kExponentBits + kMantissaBits);
  static constexpr uint32_t kInfinity = ((1u << kExponentBits) - 1) << kMantissaBits;
  static constexpr uint32_t kOverflow = kHasInfinity ? kInfinity : kSign - 1;

  static std::vector<float> make_table() {
    std::vector<float> table(2 * kSign);
    for (uint32_t code = 0; code < 2 * kSign; ++code) {
      const uint32_t magnitude = code & (kSign - 1);
      const auto exponent = static_cast<int>(magnitude >> kMantissaBits);
      const auto mantissa = static_cast<float>(magnitude & ((1u << kMantissaBits) - 1));
      float value = exponent == 0
                        ? std::ldexp(mantissa, 1 - kBias - kMantissaBits)
                        : std::ldexp(mantissa + (1 << kMantissaBits), exponent - kBias - kMantissaBits);
      if (magnitude == kOverflow) value = std::numeric_limits<float>::infinity();
      if (magnitude > kOverflow || (!kHasInfinity && magnitude == kOverflow)) {
        value = std::numeric_limits<float>::quiet_NaN();
      }
      table[code] = (code & kSign) != 0 ? -value : value;
    }
    return table;
  }
  static float decode(Code code) {
    static const std::vector<float> table = make_table();
    return table[code];
  }
  static Code encode(float value) {
    const auto bits = std::bit_cast<uint32_t>(value);
    const uint32_t magnitude = bits & 0x7FFFFFFF;
    const uint32_t sign = (bits >> 31) * kSign;
    if (magnitude > 0x7F800000) return static_cast<Code>(kHasInfinity ? kInfinity | (1u << (kMantissaBits - 1)) : kSign - 1);
    uint32_t code = 0;
    if (magnitude < (static_cast<uint32_t>(128 - kBias) << 23)) {
      code = static_cast<uint32_t>(std::nearbyint(std::ldexp(std::bit_cast<float>(magnitude), kBias - 1 + kMantissaBits)));
    } else {
      const uint32_t rounded = magnitude + ((1u << (kShift - 1)) - 1) + ((magnitude >> kShift) & 1);
      code = (rounded - (static_cast<uint32_t>(127 - kBias) << 23)) >> kShift;
      if (code > kOverflow) code = kOverflow;
    }
    return static_cast<Code>(code | sign);
  }
};

template <class Type>
void sum_narrow(const void* a, const void* b, void* target, size_t count) {
  const auto* left = static_cast<const typename Type::Code*>(a);
  const auto* right = static_cast<const typename Type::Code*>(b);
  auto* result = static_cast<typename Type::Code*>(target);
  for (size_t i = 0; i < count; ++i) result[i] = Type::encode(Type::decode(left[i]) + Type::decode(right[i]));
}

}  // namespace

void scalar_sum(tuttiDataType_t datatype, const void* a, const void* b, void* target, size_t count) {
  using Loop = void (*)(const void*, const void*, void*, size_t);
  static constexpr std::array<Loop, tuttiNumTypes> kLoops{
      sum_plain<uint8_t>,
      sum_plain<uint8_t>,
      sum_plain<uint32_t>,
      sum_plain<uint32_t>,
      sum_plain<uint64_t>,
      sum_plain<uint64_t>,
      sum_narrow<Narrow<uint16_t, 5, 10, true>>,
      sum_plain<float>,
      sum_plain<double>,
      sum_narrow<Bfloat16>,
      sum_narrow<Narrow<uint8_t, 4, 3, false>>,
      sum_narrow<Narrow<uint8_t, 5, 2, true>>,
  };
  kLoops[static_cast<size_t>(datatype)](a, b, target, count);
}

}  // namespace tutti::bench
