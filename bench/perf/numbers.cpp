// SPDX-License-Identifier: Apache-2.0
#include "numbers.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstring>
#include <type_traits>

#include "number_formats.hpp"

namespace tutti::perf {
namespace {

constexpr size_t kPiece = 1024;

using Hashes = std::array<uint32_t, kPiece>;

uint32_t mix(uint32_t x) {  // the finaliser "lowbias32" of https://github.com/skeeto/hash-prospector
  x ^= x >> 16;
  x *= 0x7FEB'352Du;
  x ^= x >> 15;
  x *= 0x846C'A68Bu;
  return x ^ (x >> 16);
}

// One multiplication an element: the key has been mixed well.
void hash(const Source& source, size_t count, Hashes& hashes) {
  const auto high = static_cast<uint32_t>(source.first >> 32);
  const uint32_t key = mix(source.seed * 0x9E37'79B9u + mix(static_cast<uint32_t>(source.rank) + mix(high)));
  const auto low = static_cast<uint32_t>(source.first);
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t x = (low + i) ^ key;
    x ^= x >> 16;
    x *= 0x7FEB'352Du;
    hashes[i] = x ^ (x >> 15);
  }
}

// Calls action(source, count, offset) for pieces none of which crosses a multiple of 2^32, where the hash changes its key.
template <typename Action>
void for_each_piece(Source source, size_t count, const Action& action) {
  for (size_t done = 0; done < count;) {
    const size_t to_boundary = (size_t{1} << 32) - (source.first & 0xFFFF'FFFF);
    const size_t piece = std::min({kPiece, count - done, to_boundary});
    action(source, piece, done);
    done += piece;
    source.first += piece;
  }
}

// `Derived` gives input(source, count, Bits*) and count_wrong_piece(source, count, const Bits*), both of one piece.
template <typename Derived, typename Bits>
class NumbersOf : public Numbers {
 public:
  void write_input(const Source& source, size_t count, void* target) const override {
    auto* const elements = static_cast<Bits*>(target);
    for_each_piece(source, count,
                   [&](const Source& piece, size_t size, size_t at) { self().input(piece, size, elements + at); });
  }

  size_t count_wrong_input(const Source& source, size_t count, const void* actual) const override {
    const auto* const elements = static_cast<const Bits*>(actual);
    size_t wrong = 0;
    std::array<Bits, kPiece> expected;
    for_each_piece(source, count, [&](const Source& piece, size_t size, size_t at) {
      self().input(piece, size, expected.data());
      wrong += count_different(expected.data(), elements + at, size);
    });
    return wrong;
  }

  size_t count_wrong_reduction(const Source& source, size_t count, const void* actual) const override {
    const auto* const elements = static_cast<const Bits*>(actual);
    size_t wrong = 0;
    for_each_piece(source, count, [&](const Source& piece, size_t size, size_t at) {
      wrong += self().count_wrong_piece(piece, size, elements + at);
    });
    return wrong;
  }

 protected:
  static size_t count_different(const Bits* expected, const Bits* actual, size_t count) {
    if (std::memcmp(expected, actual, count * sizeof(Bits)) == 0) return 0;
    size_t different = 0;
    for (size_t i = 0; i < count; ++i) different += expected[i] != actual[i] ? 1 : 0;
    return different;
  }

 private:
  const Derived& self() const { return static_cast<const Derived&>(*this); }
};

// ---- Integers, and arbitrary bits of any type ------------------------------------------------------------------------

template <std::unsigned_integral Bits, bool Signed>
class IntegerNumbers final : public NumbersOf<IntegerNumbers<Bits, Signed>, Bits> {
 public:
  explicit IntegerNumbers(const NumbersSpec& spec) : spec_(spec) {}

  void input(const Source& source, size_t count, Bits* target) const {
    Hashes hashes;
    hash(source, count, hashes);
    for (size_t i = 0; i < count; ++i) {
      if constexpr (sizeof(Bits) == 8) {
        target[i] = hashes[i] * 0x9E37'79B9'7F4A'7C15ull;
      } else {
        target[i] = static_cast<Bits>(hashes[i] >> (32 - 8 * sizeof(Bits)));
      }
    }
  }

  size_t count_wrong_piece(Source source, size_t count, const Bits* actual) const {
    std::array<Bits, kPiece> expected;
    std::array<Bits, kPiece> next;
    for (int rank = 0; rank < spec_.rank_count; ++rank) {
      source.rank = rank;
      Bits* const values = rank == 0 ? expected.data() : next.data();
      input(source, count, values);
      if (spec_.op.kind == OperatorKind::premultiplied_sum) multiply(values, count, premultiplier_of(rank));
      if (rank > 0) combine(next.data(), count, expected.data());
    }
    if (spec_.op.kind == OperatorKind::builtin && spec_.op.code == tuttiAvg) divide(expected.data(), count);
    return this->count_different(expected.data(), actual, count);
  }

 private:
  // Wide enough that no product overflows a signed type, which narrow unsigned ones are promoted to.
  using Wide = std::conditional_t<sizeof(Bits) == 8, uint64_t, uint32_t>;
  using Value = std::conditional_t<Signed, std::make_signed_t<Bits>, Bits>;

  static void multiply(Bits* values, size_t count, int factor) {
    for (size_t i = 0; i < count; ++i) values[i] = static_cast<Bits>(Wide{values[i]} * static_cast<Wide>(factor));
  }

  void divide(Bits* values, size_t count) const {
    using Quotient = std::conditional_t<Signed, int64_t, uint64_t>;
    const auto divisor = static_cast<Quotient>(spec_.rank_count);
    for (size_t i = 0; i < count; ++i) {
      values[i] = static_cast<Bits>(static_cast<Quotient>(static_cast<Value>(values[i])) / divisor);
    }
  }

  template <typename Function>
  static void each(const Bits* in, size_t count, Bits* inout, Function function) {
    for (size_t i = 0; i < count; ++i) inout[i] = function(in[i], inout[i]);
  }

  void combine(const Bits* in, size_t count, Bits* inout) const {
    const auto least = [](Bits a, Bits b) { return static_cast<Value>(a) < static_cast<Value>(b) ? a : b; };
    const auto greatest = [](Bits a, Bits b) { return static_cast<Value>(a) < static_cast<Value>(b) ? b : a; };
    switch (spec_.op.code) {
      case tuttiProd: return each(in, count, inout, [](Bits a, Bits b) { return static_cast<Bits>(Wide{a} * Wide{b}); });
      case tuttiMax: return each(in, count, inout, greatest);
      case tuttiMin: return each(in, count, inout, least);
      case tuttiBand: return each(in, count, inout, [](Bits a, Bits b) { return static_cast<Bits>(a & b); });
      case tuttiBor: return each(in, count, inout, [](Bits a, Bits b) { return static_cast<Bits>(a | b); });
      case tuttiBxor: return each(in, count, inout, [](Bits a, Bits b) { return static_cast<Bits>(a ^ b); });
      default: return each(in, count, inout, [](Bits a, Bits b) { return static_cast<Bits>(Wide{a} + Wide{b}); });
    }
  }

  NumbersSpec spec_;
};

// ---- Floating point --------------------------------------------------------------------------------------------------

// Exact in each of the types, and so are their sums or products as make_ranges has sized them.
using Values = std::array<float, kPiece>;

template <typename Format>
class FloatNumbers final : public NumbersOf<FloatNumbers<Format>, typename Format::Bits> {
 public:
  using Bits = typename Format::Bits;

  explicit FloatNumbers(const NumbersSpec& spec)
      : spec_(spec), products_(is(tuttiProd)), contributors_(spec.rank_count), magnitude_bits_(kMostMagnitudeBits) {
    if (products_) {
      contributors_ = std::min(spec.rank_count, kMostFactors);
    } else if (is(tuttiMin) || is(tuttiMax)) {
      magnitude_bits_ = std::min(kMostMagnitudeBits, kSumBits);
    } else {
      const int premultiplier_bits = spec.op.kind == OperatorKind::premultiplied_sum ? 1 : 0;
      contributors_ = std::min(spec.rank_count, 1 << (kSumBits - premultiplier_bits));
      const int rank_bits = std::bit_width(static_cast<unsigned>(contributors_ - 1));
      magnitude_bits_ = std::min(kMostMagnitudeBits, kSumBits - premultiplier_bits - rank_bits);
    }
  }

  void input(const Source& source, size_t count, Bits* target) const {
    Values values;
    generate(source, count, values);
    for (size_t i = 0; i < count; ++i) target[i] = Format::encode_exact(values[i]);
  }

  size_t count_wrong_piece(Source source, size_t count, const Bits* actual) const {
    Values expected;
    Values next;
    for (int rank = 0; rank < spec_.rank_count; ++rank) {
      source.rank = rank;
      Values& values = rank == 0 ? expected : next;
      generate(source, count, values);
      if (spec_.op.kind == OperatorKind::premultiplied_sum) {
        const auto factor = static_cast<float>(premultiplier_of(rank));
        for (size_t i = 0; i < count; ++i) values[i] *= factor;
      }
      if (rank > 0) combine(next, count, expected);
    }
    return is(tuttiAvg) ? count_far(expected, count, actual) : count_unequal(expected, count, actual);
  }

 private:
  static constexpr int kMostFactors = 6;         // 2^-6 is the least normal number of f8e4m3
  static constexpr int kMostMagnitudeBits = 15;  // enough variety
  // Integers up to 2^kSumBits are exact, in the type and in the float they are made from.
  static constexpr int kSumBits = std::min(Format::kSignificantBits, 24);

  bool is(tuttiRedOp_t op) const { return spec_.op.kind == OperatorKind::builtin && spec_.op.code == op; }

  void generate(const Source& source, size_t count, Values& values) const {
    Hashes hashes;
    hash(source, count, hashes);
    if (products_) {
      for (size_t i = 0; i < count; ++i) values[i] = factor_of(hashes[i]);
    } else {
      const int shift = 31 - magnitude_bits_;
      const float offset = static_cast<float>(1 << magnitude_bits_);
      for (size_t i = 0; i < count; ++i) values[i] = static_cast<float>(static_cast<int32_t>(hashes[i] >> shift)) - offset;
    }
    if (contributors_ < spec_.rank_count) make_neutral(source, count, values);
  }

  static float factor_of(uint32_t hash) {
    const uint32_t exponent = 127 + ((hash >> 16) & 1) - ((hash >> 17) & 1);
    return std::bit_cast<float>((hash & 0x8000'0000u) | exponent << 23);
  }

  // Of each element, all but contributors_ ranks.
  void make_neutral(const Source& source, size_t count, Values& values) const {
    const auto rank_count = static_cast<size_t>(spec_.rank_count);
    size_t turn = (source.first + static_cast<size_t>(source.rank)) % rank_count;
    for (size_t i = 0; i < count; ++i) {
      if (turn >= static_cast<size_t>(contributors_)) values[i] = products_ ? std::copysign(1.0f, values[i]) : 0.0f;
      turn = turn + 1 == rank_count ? 0 : turn + 1;
    }
  }

  void combine(const Values& in, size_t count, Values& inout) const {
    if (products_) {
      for (size_t i = 0; i < count; ++i) inout[i] *= in[i];
    } else if (is(tuttiMin)) {
      for (size_t i = 0; i < count; ++i) inout[i] = std::min(inout[i], in[i]);
    } else if (is(tuttiMax)) {
      for (size_t i = 0; i < count; ++i) inout[i] = std::max(inout[i], in[i]);
    } else {
      for (size_t i = 0; i < count; ++i) inout[i] += in[i];
    }
  }

  size_t count_unequal(const Values& expected, size_t count, const Bits* actual) const {
    std::array<Bits, kPiece> encoded;
    for (size_t i = 0; i < count; ++i) encoded[i] = Format::encode_exact(expected[i]);
    return this->count_different(encoded.data(), actual, count);
  }

  size_t count_far(const Values& sums, size_t count, const Bits* actual) const {
    const double unit = std::ldexp(1.0, 1 - Format::kSignificantBits);
    const double least_normal = std::ldexp(1.0, Format::kLeastExponent);
    size_t far = 0;
    for (size_t i = 0; i < count; ++i) {
      const double quotient = static_cast<double>(sums[i]) / spec_.rank_count;
      const double distance = std::abs(Format::decode(actual[i]) - quotient);
      far += distance <= unit * std::max(std::abs(quotient), least_normal) ? 0 : 1;  // NaN is far
    }
    return far;
  }

  NumbersSpec spec_;
  bool products_;
  int contributors_;    // ranks whose input is not neutral, for each element
  int magnitude_bits_;  // inputs are integers in [-2^b, 2^b)
};

template <bool Signed = false>
std::unique_ptr<Numbers> make_integers(const NumbersSpec& spec) {
  switch (spec.datatype.size) {
    case 1: return std::make_unique<IntegerNumbers<uint8_t, Signed>>(spec);
    case 2: return std::make_unique<IntegerNumbers<uint16_t, Signed>>(spec);
    case 4: return std::make_unique<IntegerNumbers<uint32_t, Signed>>(spec);
    default: return std::make_unique<IntegerNumbers<uint64_t, Signed>>(spec);
  }
}

bool is_signed_integer(tuttiDataType_t type) { return type == tuttiInt8 || type == tuttiInt32 || type == tuttiInt64; }

// Calls action with a value of the type's format.
template <typename Action>
auto with_float_format(tuttiDataType_t type, const Action& action) {
  switch (type) {
    case tuttiFloat16: return action(Half{});
    case tuttiBfloat16: return action(BFloat16{});
    case tuttiFloat8e4m3: return action(Float8E4M3{});
    case tuttiFloat8e5m2: return action(Float8E5M2{});
    case tuttiFloat64: return action(Double{});
    default: return action(Float{});
  }
}

}  // namespace

std::unique_ptr<Numbers> make_numbers(const NumbersSpec& spec) {
  if (spec.op.kind == OperatorKind::none) return make_integers(spec);
  if (is_signed_integer(spec.datatype.code)) return make_integers<true>(spec);
  if (!spec.datatype.floating) return make_integers(spec);
  return with_float_format(spec.datatype.code, [&]<typename Format>(Format) -> std::unique_ptr<Numbers> {
    return std::make_unique<FloatNumbers<Format>>(spec);
  });
}

uint64_t premultiplier_element(int rank, const DataType& datatype) {
  const int factor = premultiplier_of(rank);
  if (!datatype.floating) return static_cast<uint64_t>(factor);  // little-endian: the low bytes are the element
  return with_float_format(datatype.code, [&]<typename Format>(Format) {
    return static_cast<uint64_t>(Format::encode_exact(static_cast<float>(factor)));
  });
}

}  // namespace tutti::perf
