// SPDX-License-Identifier: Apache-2.0
// Reductions one element at a time, written from the definitions of the types rather than from the kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "reduce/reduce.hpp"

namespace tutti::reduce::reference {

// A floating-point type of up to 16 bits, as the list of its values.
class NarrowFormat {
 public:
  enum class Specials : uint8_t { infinity_and_nan, nan_only };
  struct Shape {
    int exponent_bits;
    int mantissa_bits;
    Specials specials;
  };
  explicit NarrowFormat(Shape shape);

  uint32_t code_count() const { return 2 * sign_; }
  float value(uint32_t code) const;
  // The code nearest to `value`, an even one if two are as near; NaN without sign.
  uint32_t nearest_code(float value) const;
  bool is_nan(uint32_t code) const { return (code & (sign_ - 1)) > overflow_ || (code & (sign_ - 1)) == nan_; }

  static const NarrowFormat& of(tuttiDataType_t datatype);

 private:
  uint32_t sign_;      // the sign's bit
  uint32_t overflow_;  // the magnitude after the largest finite one: infinity, or NaN
  uint32_t nan_;
  std::vector<double> values_;  // of the finite magnitudes, and what would come next if `overflow_` were finite
};

std::vector<std::byte> reduce(const Operator& op, tuttiDataType_t datatype, std::span<const void* const> inputs, size_t count,
                              Final final);
std::vector<std::byte> scale(tuttiDataType_t datatype, const void* source, const void* scalar, size_t count);

// Elements of all kinds: any bits, modest numbers, and the edges of the type (zeros, subnormals, infinities, NaNs with payloads).
std::vector<std::byte> random_elements(tuttiDataType_t datatype, size_t count, std::mt19937_64& random);

}  // namespace tutti::reduce::reference
