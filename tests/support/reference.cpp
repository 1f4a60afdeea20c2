// SPDX-License-Identifier: Apache-2.0
#include "support/reference.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <stdexcept>

#include <fmt/format.h>

namespace tutti::tests {

namespace {

struct FloatShape {
  int exponent_bits;
  int mantissa_bits;
  int largest_summand;  // magnitude whose sums over 9 ranks, doubled too, stay exact
};

FloatShape shape_of(tuttiDataType_t datatype) {
  switch (datatype) {
    case tuttiFloat16: return {5, 10, 100};
    case tuttiBfloat16: return {8, 7, 12};
    case tuttiFloat8e4m3: return {4, 3, 1};
    case tuttiFloat8e5m2: return {5, 2, 1};
    case tuttiFloat32: return {8, 23, 1000};
    default: return {11, 52, 1000};
  }
}

// Of float8e5m2, integers are exact up to 8 only, so that many ranks may contribute.
constexpr int kMostSmallSummands = 8;

bool is_signed(tuttiDataType_t datatype) { return datatype == tuttiInt8 || datatype == tuttiInt32 || datatype == tuttiInt64; }

uint64_t mask_of(tuttiDataType_t datatype) {
  const size_t bits = 8 * element_bytes(datatype);
  return bits == 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
}

int64_t sign_extended(tuttiDataType_t datatype, uint64_t bits) {
  const auto unused = static_cast<int>(64 - 8 * element_bytes(datatype));
  return static_cast<int64_t>(bits << unused) >> unused;
}

bool is_less(tuttiDataType_t datatype, uint64_t a, uint64_t b) {
  return is_signed(datatype) ? sign_extended(datatype, a) < sign_extended(datatype, b) : a < b;
}

uint64_t combine_integers(const Exercise& exercise, uint64_t a, uint64_t b) {
  switch (exercise.reduction) {
    case Reduction::prod: return a * b;
    case Reduction::max: return is_less(exercise.datatype, a, b) ? b : a;
    case Reduction::min: return is_less(exercise.datatype, b, a) ? b : a;
    case Reduction::band: return a & b;
    case Reduction::bor: return a | b;
    case Reduction::bxor:
    case Reduction::user_function: return a ^ b;
    default: return a + b;
  }
}

uint64_t reduced_integer(const Exercise& exercise, size_t index) {
  const uint64_t mask = mask_of(exercise.datatype);
  uint64_t total = 0;
  for (int rank = 0; rank < exercise.rank_count; ++rank) {
    uint64_t element = input_element(exercise, rank, index);
    if (exercise.reduction == Reduction::pre_multiplied_sum) {
      element = element * premultiplier(exercise.datatype, rank) & mask;
    }
    total = rank == 0 ? element : combine_integers(exercise, total, element) & mask;
  }
  if (exercise.reduction != Reduction::avg) {
    return total;
  }
  return (is_signed(exercise.datatype) ? static_cast<uint64_t>(sign_extended(exercise.datatype, total) / exercise.rank_count)
                                       : total / static_cast<uint64_t>(exercise.rank_count)) &
         mask;
}

double combine_floats(Reduction reduction, double a, double b) {
  switch (reduction) {
    case Reduction::prod: return a * b;
    case Reduction::max: return a < b ? b : a;
    case Reduction::min: return b < a ? b : a;
    default: return a + b;
  }
}

uint64_t reduced_float(const Exercise& exercise, size_t index) {
  double total = 0;
  for (int rank = 0; rank < exercise.rank_count; ++rank) {
    double element = decode(exercise.datatype, input_element(exercise, rank, index));
    if (exercise.reduction == Reduction::pre_multiplied_sum) {
      element *= decode(exercise.datatype, premultiplier(exercise.datatype, rank));
    }
    total = rank == 0 ? element : combine_floats(exercise.reduction, total, element);
  }
  return encode(exercise.datatype, exercise.reduction == Reduction::avg ? total / exercise.rank_count : total);
}

// In [-limit, limit].
double small_integer(uint64_t random, int limit) {
  return static_cast<double>(static_cast<int>(random % static_cast<uint64_t>(2 * limit + 1)) - limit);
}

// Base plus offsets that cancel in pairs of ranks: the mean is the base.
double averaged_number(const Exercise& exercise, int rank, size_t index) {
  const int limit = shape_of(exercise.datatype).largest_summand;
  const bool narrowest = exercise.datatype == tuttiFloat8e5m2 && exercise.rank_count > kMostSmallSummands;
  const uint64_t random = mix(exercise.seed, index);
  const double base = narrowest ? 0 : small_integer(random, limit == 1 ? 1 : limit / 2);
  const double offset = small_integer(random >> 32, limit == 1 ? 1 : limit / 2);
  if ((rank | 1) >= exercise.rank_count) {
    return base;  // has no partner
  }
  return rank % 2 == 0 ? base + offset : base - offset;
}

double exact_number(const Exercise& exercise, int rank, size_t index) {
  const uint64_t random = mix(mix(exercise.seed, index), static_cast<uint64_t>(rank));
  if (exercise.reduction == Reduction::avg) {
    return averaged_number(exercise, rank, index);
  }
  if (exercise.reduction == Reduction::prod) {
    const double magnitude = rank % 4 == 0 ? std::ldexp(1.0, static_cast<int>(random % 3) - 1) : 1.0;
    return (random >> 8 & 1) != 0 ? magnitude : -magnitude;
  }
  if (exercise.datatype == tuttiFloat8e5m2 && rank >= kMostSmallSummands) {
    return 0;
  }
  return small_integer(random, shape_of(exercise.datatype).largest_summand);
}

// A whole significand, scaled by up to sixteen from rank to rank, so that sums round.
double rounded_number(const Exercise& exercise, int rank, size_t index) {
  const FloatShape shape = shape_of(exercise.datatype);
  const uint64_t random = mix(mix(exercise.seed, index), static_cast<uint64_t>(rank));
  const auto significand = static_cast<double>(random >> 11 & ((uint64_t{2} << shape.mantissa_bits) - 1));
  const double magnitude = std::ldexp(significand, static_cast<int>(random % 5) - shape.mantissa_bits);
  return (random >> 8 & 1) != 0 ? magnitude : -magnitude;
}

}  // namespace

// The finaliser of SplitMix64, http://prng.di.unimi.it/splitmix64.c.
uint64_t mix(uint64_t a, uint64_t b) {
  uint64_t z = a * 0x9e3779b97f4a7c15 + b + 0x632be59bd9b4e019;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

uint64_t input_element(const Exercise& exercise, int rank, size_t index) {
  index %= kPeriod;
  const bool arithmetic = is_reducing(exercise.operation) && is_floating(exercise.datatype) &&
                          exercise.reduction != Reduction::user_function;
  if (!arithmetic) {
    return mix(mix(exercise.seed, static_cast<uint64_t>(rank)), index) & mask_of(exercise.datatype);
  }
  return encode(exercise.datatype, exercise.values == Values::exact ? exact_number(exercise, rank, index)
                                                                    : rounded_number(exercise, rank, index));
}

uint64_t reduced_element(const Exercise& exercise, size_t index) {
  return is_floating(exercise.datatype) && exercise.reduction != Reduction::user_function ? reduced_float(exercise, index)
                                                                                          : reduced_integer(exercise, index);
}

uint64_t premultiplier(tuttiDataType_t datatype, int rank) {
  if (!is_floating(datatype)) {
    return static_cast<uint64_t>(3 + rank);
  }
  return encode(datatype, datatype == tuttiFloat8e5m2 ? 2 : 1 + rank % 2);
}

double decode(tuttiDataType_t datatype, uint64_t bits) {
  if (datatype == tuttiFloat64) {
    return std::bit_cast<double>(bits);
  }
  const FloatShape shape = shape_of(datatype);
  const int bias = (1 << (shape.exponent_bits - 1)) - 1;
  const auto mantissa = static_cast<double>(bits & ((uint64_t{1} << shape.mantissa_bits) - 1));
  const auto exponent = static_cast<int>(bits >> shape.mantissa_bits & ((uint64_t{1} << shape.exponent_bits) - 1));
  const bool negative = (bits >> (shape.mantissa_bits + shape.exponent_bits) & 1) != 0;
  const double whole = exponent == 0 ? mantissa : mantissa + std::ldexp(1.0, shape.mantissa_bits);
  const double magnitude = std::ldexp(whole, std::max(exponent, 1) - bias - shape.mantissa_bits);
  return negative ? -magnitude : magnitude;
}

uint64_t encode(tuttiDataType_t datatype, double value) {
  if (datatype == tuttiFloat64) {
    return std::bit_cast<uint64_t>(value);
  }
  const FloatShape shape = shape_of(datatype);
  const int bias = (1 << (shape.exponent_bits - 1)) - 1;
  uint64_t bits = 0;
  if (value != 0) {
    const int exponent = std::max(std::ilogb(value), 1 - bias);
    const double whole = std::ldexp(std::fabs(value), shape.mantissa_bits - exponent);
    bits = static_cast<uint64_t>(whole);
    const bool normal = bits >> shape.mantissa_bits != 0;
    bits = normal ? bits - (uint64_t{1} << shape.mantissa_bits) + (static_cast<uint64_t>(exponent + bias) << shape.mantissa_bits) : bits;
  }
  bits |= static_cast<uint64_t>(std::signbit(value)) << (shape.mantissa_bits + shape.exponent_bits);
  if (decode(datatype, bits) != value) {
    throw std::logic_error(fmt::format("{} is not representable in datatype {}", value, static_cast<int>(datatype)));
  }
  return bits;
}

double epsilon_of(tuttiDataType_t datatype) { return std::ldexp(1.0, -shape_of(datatype).mantissa_bits); }

void user_function(const void* in, void* inout, size_t count, tuttiDataType_t datatype, void* context) {
  const auto* source = static_cast<const unsigned char*>(in);
  auto* target = static_cast<unsigned char*>(inout);
  for (size_t index = 0; index < count * element_bytes(datatype); ++index) {
    target[index] = static_cast<unsigned char>(target[index] ^ source[index]);
  }
  if (context != nullptr) {
    static_cast<std::atomic<uint64_t>*>(context)->fetch_add(count, std::memory_order_relaxed);
  }
}

}  // namespace tutti::tests
