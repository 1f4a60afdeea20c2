// SPDX-License-Identifier: Apache-2.0
#include "reference.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <type_traits>

#include "base/types.hpp"

namespace tutti::reduce::reference {

NarrowFormat::NarrowFormat(Shape shape) : sign_(1u << (shape.exponent_bits + shape.mantissa_bits)) {
  const int bias = (1 << (shape.exponent_bits - 1)) - 1;
  const uint32_t exponent_mask = (1u << shape.exponent_bits) - 1;
  const uint32_t mantissa_mask = (1u << shape.mantissa_bits) - 1;
  if (shape.specials == Specials::infinity_and_nan) {
    overflow_ = exponent_mask << shape.mantissa_bits;
    nan_ = overflow_ | (1u << (shape.mantissa_bits - 1));
  } else {
    overflow_ = nan_ = sign_ - 1;
  }
  for (uint32_t code = 0; code <= overflow_; ++code) {
    const uint32_t exponent = code >> shape.mantissa_bits;
    const double fraction = std::ldexp(static_cast<double>(code & mantissa_mask), -shape.mantissa_bits);
    values_.push_back(exponent == 0 ? std::ldexp(fraction, 1 - bias)
                                    : std::ldexp(1.0 + fraction, static_cast<int>(exponent) - bias));
  }
}

float NarrowFormat::value(uint32_t code) const {
  if (is_nan(code)) return std::numeric_limits<float>::quiet_NaN();
  const uint32_t magnitude = code & (sign_ - 1);
  const auto value =
      magnitude == overflow_ ? std::numeric_limits<float>::infinity() : static_cast<float>(values_[magnitude]);
  return (code & sign_) != 0 ? -value : value;
}

uint32_t NarrowFormat::nearest_code(float value) const {
  if (std::isnan(value)) return nan_;
  const double magnitude = std::fabs(static_cast<double>(value));
  const auto above = std::lower_bound(values_.begin(), values_.end(), magnitude);
  auto code = static_cast<uint32_t>(above - values_.begin());
  if (above == values_.end()) {
    code = overflow_;
  } else if (code > 0) {
    const double to_above = *above - magnitude;
    const double to_below = magnitude - values_[code - 1];
    if (to_below < to_above || (to_below == to_above && (code & 1) != 0)) --code;
  }
  if (code == nan_) return nan_;
  return code | (std::signbit(value) ? sign_ : 0);
}

const NarrowFormat& NarrowFormat::of(tuttiDataType_t datatype) {
  using enum Specials;
  static const NarrowFormat float16({.exponent_bits = 5, .mantissa_bits = 10, .specials = infinity_and_nan});
  static const NarrowFormat bfloat16({.exponent_bits = 8, .mantissa_bits = 7, .specials = infinity_and_nan});
  static const NarrowFormat float8e4m3({.exponent_bits = 4, .mantissa_bits = 3, .specials = nan_only});
  static const NarrowFormat float8e5m2({.exponent_bits = 5, .mantissa_bits = 2, .specials = infinity_and_nan});
  switch (datatype) {
    case tuttiFloat16: return float16;
    case tuttiBfloat16: return bfloat16;
    case tuttiFloat8e4m3: return float8e4m3;
    case tuttiFloat8e5m2: return float8e5m2;
    default: throw std::invalid_argument("not a narrow floating-point type");
  }
}

namespace {

template <class T>
struct Plain {
  using Lane = T;
  using Element = T;
  Lane decode(Element element) const { return element; }
  Element encode(Lane lane) const {
    if constexpr (std::is_floating_point_v<T>) {
      if (std::isnan(lane)) return std::numeric_limits<T>::quiet_NaN();
    }
    return lane;
  }
};

template <class Code>
struct Narrow {
  using Lane = float;
  using Element = Code;
  const NarrowFormat& format;
  Lane decode(Element element) const { return format.value(element); }
  Element encode(Lane lane) const { return static_cast<Element>(format.nearest_code(lane)); }
};

template <class Use>
auto with_type(tuttiDataType_t datatype, Use use) {
  switch (datatype) {
    case tuttiInt8: return use(Plain<int8_t>{});
    case tuttiUint8: return use(Plain<uint8_t>{});
    case tuttiInt32: return use(Plain<int32_t>{});
    case tuttiUint32: return use(Plain<uint32_t>{});
    case tuttiInt64: return use(Plain<int64_t>{});
    case tuttiUint64: return use(Plain<uint64_t>{});
    case tuttiFloat32: return use(Plain<float>{});
    case tuttiFloat64: return use(Plain<double>{});
    case tuttiFloat16:
    case tuttiBfloat16: return use(Narrow<uint16_t>{NarrowFormat::of(datatype)});
    default: return use(Narrow<uint8_t>{NarrowFormat::of(datatype)});
  }
}

template <class T>
T apply_to_integers(tuttiRedOp_t op, T a, T b) {
  const auto wide_a = static_cast<uint64_t>(a);
  const auto wide_b = static_cast<uint64_t>(b);
  switch (op) {
    case tuttiSum:
    case tuttiAvg: return static_cast<T>(wide_a + wide_b);
    case tuttiProd: return static_cast<T>(wide_a * wide_b);
    case tuttiMax: return a > b ? a : b;
    case tuttiMin: return a < b ? a : b;
    case tuttiBand: return static_cast<T>(wide_a & wide_b);
    case tuttiBor: return static_cast<T>(wide_a | wide_b);
    case tuttiBxor: return static_cast<T>(wide_a ^ wide_b);
    default: throw std::invalid_argument("not an operator");
  }
}

template <class T>
T apply_to_floats(tuttiRedOp_t op, T a, T b) {
  switch (op) {
    case tuttiSum:
    case tuttiAvg: return a + b;
    case tuttiProd: return a * b;
    case tuttiMax:
      if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<T>::quiet_NaN();
      if (a == b) return std::signbit(a) ? b : a;
      return a > b ? a : b;
    case tuttiMin:
      if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<T>::quiet_NaN();
      if (a == b) return std::signbit(a) ? a : b;
      return a < b ? a : b;
    default: throw std::invalid_argument("not an operator of floating-point numbers");
  }
}

template <class T>
T apply(tuttiRedOp_t op, T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return apply_to_floats(op, a, b);
  } else {
    return apply_to_integers(op, a, b);
  }
}

template <class T>
T divide(T sum, uint32_t rank_count) {
  if constexpr (std::is_floating_point_v<T>) {
    return sum / static_cast<T>(rank_count);
  } else if constexpr (std::is_signed_v<T>) {
    return static_cast<T>(int64_t{sum} / int64_t{rank_count});
  } else {
    return static_cast<T>(uint64_t{sum} / uint64_t{rank_count});
  }
}

template <class Element>
Element element_at(const void* base, size_t index) {
  Element element;
  std::memcpy(&element, static_cast<const std::byte*>(base) + index * sizeof(Element), sizeof(Element));
  return element;
}

template <class Element>
std::vector<std::byte> bytes_of(const std::vector<Element>& elements) {
  std::vector<std::byte> bytes(elements.size() * sizeof(Element));
  if (!bytes.empty()) std::memcpy(bytes.data(), elements.data(), bytes.size());
  return bytes;
}

}  // namespace

std::vector<std::byte> reduce(const Operator& op, tuttiDataType_t datatype, std::span<const void* const> inputs, size_t count,
                              Final final) {
  return with_type(datatype, [&](const auto& type) {
    using Element = typename std::decay_t<decltype(type)>::Element;
    std::vector<Element> result(count);
    for (size_t i = 0; i < count; ++i) {
      auto lane = type.decode(element_at<Element>(inputs[0], i));
      for (const void* input : inputs.subspan(1)) lane = apply(op.op, lane, type.decode(element_at<Element>(input, i)));
      if (op.op == tuttiAvg && final == Final::yes) lane = divide(lane, op.rank_count);
      result[i] = type.encode(lane);
    }
    return bytes_of(result);
  });
}

std::vector<std::byte> scale(tuttiDataType_t datatype, const void* source, const void* scalar, size_t count) {
  return with_type(datatype, [&](const auto& type) {
    using Element = typename std::decay_t<decltype(type)>::Element;
    std::vector<Element> result(count);
    const auto factor = type.decode(element_at<Element>(scalar, 0));
    for (size_t i = 0; i < count; ++i) {
      result[i] = type.encode(apply(tuttiProd, type.decode(element_at<Element>(source, i)), factor));
    }
    return bytes_of(result);
  });
}

namespace {

// Edges of a floating-point type, as bits; narrower types than float32 take the high bits of its edges.
template <class Element>
uint64_t edge(uint64_t choice) {
  static constexpr std::array<uint64_t, 12> kEdges64{
      0x0000000000000000, 0x8000000000000000, 0x7FF0000000000000, 0xFFF0000000000000, 0x7FF4000000000001, 0xFFFC123456789ABC,
      0x0000000000000001, 0x800FFFFFFFFFFFFF, 0x7FEFFFFFFFFFFFFF, 0xFFEFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF, 0x8000000000000001};
  static constexpr std::array<uint32_t, 12> kEdges32{0x00000000, 0x80000000, 0x7F800000, 0xFF800000, 0x7FA00001, 0xFFC12345,
                                                     0x00000001, 0x807FFFFF, 0x7F7FFFFF, 0xFF7FFFFF, 0xFFFFFFFF, 0x80000001};
  if constexpr (sizeof(Element) == 8) {
    return kEdges64[choice % kEdges64.size()];
  } else {
    return kEdges32[choice % kEdges32.size()] >> (32 - 8 * sizeof(Element));
  }
}

}  // namespace

std::vector<std::byte> random_elements(tuttiDataType_t datatype, size_t count, std::mt19937_64& random) {
  std::uniform_real_distribution<double> modest(-4.0, 4.0);
  return with_type(datatype, [&](const auto& type) {
    using Type = std::decay_t<decltype(type)>;
    using Element = typename Type::Element;
    std::vector<Element> elements(count);
    for (Element& element : elements) {
      const uint64_t kind = random() % 8;
      uint64_t bits = random();
      if (kind == 0) bits = edge<Element>(bits);
      std::memcpy(&element, &bits, sizeof(element));
      if (kind >= 3) element = type.encode(static_cast<typename Type::Lane>(modest(random)));
    }
    return bytes_of(elements);
  });
}

}  // namespace tutti::reduce::reference
