// SPDX-License-Identifier: Apache-2.0
// What is done with lanes: operators, which combine two vectors, and finishes, which turn the combined vector into the result.
// Compiled once for each instruction set, hence the guard that Highway toggles.

#if defined(TUTTI_REDUCE_SIMD_OPERATORS_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef TUTTI_REDUCE_SIMD_OPERATORS_HPP_
#undef TUTTI_REDUCE_SIMD_OPERATORS_HPP_
#else
#define TUTTI_REDUCE_SIMD_OPERATORS_HPP_
#endif

#include "reduce/kernel.hpp"
#include "reduce/simd_codecs.hpp"

HWY_BEFORE_NAMESPACE();
namespace tutti::reduce {
namespace HWY_NAMESPACE {

// ---- Operators ---------------------------------------------------------------------------------------------------------

template <class T>
HWY_INLINE Vector<T> multiply(Vector<T> a, Vector<T> b) {
  const Tag<T> tag;
  if constexpr (hwy::IsFloat<T>()) {
    return hn::Mul(a, b);
  } else {
#if HWY_TARGET == HWY_SCALAR
    return hn::Set(tag, static_cast<T>(uint64_t{hn::GetLane(a)} * uint64_t{hn::GetLane(b)}));
#else
    if constexpr (sizeof(T) == 1) {  // of 16-bit lanes: the low bytes' products, and the high bytes'
      const Tag<uint16_t> wide;
      const auto a16 = hn::BitCast(wide, a);
      const auto b16 = hn::BitCast(wide, b);
      const auto low = hn::And(hn::Mul(a16, b16), hn::Set(wide, uint16_t{0xFF}));
      const auto high = hn::ShiftLeft<8>(hn::Mul(hn::ShiftRight<8>(a16), hn::ShiftRight<8>(b16)));
      return hn::BitCast(tag, hn::Or(low, high));
    } else if constexpr (sizeof(T) == 8) {  // from products of 32-bit halves; that of both high halves is a multiple of 2^64
      const Tag<uint32_t> half;
      const auto a32 = hn::BitCast(half, a);
      const auto b32 = hn::BitCast(half, b);
      const auto a_high = hn::BitCast(half, hn::ShiftRight<32>(a));
      const auto b_high = hn::BitCast(half, hn::ShiftRight<32>(b));
      const auto crossed = hn::Add(hn::MulEven(a_high, b32), hn::MulEven(a32, b_high));
      return hn::Add(hn::MulEven(a32, b32), hn::ShiftLeft<32>(crossed));
    } else {
      return hn::Mul(a, b);
    }
#endif
  }
}

template <class T>
struct Sum {
  static HWY_INLINE Vector<T> combine(Vector<T> a, Vector<T> b) { return hn::Add(a, b); }
};

template <class T>
struct Product {
  static HWY_INLINE Vector<T> combine(Vector<T> a, Vector<T> b) { return multiply<T>(a, b); }
};

// Instruction sets differ in what the larger of 0 and -0, or of a number and NaN, is; so all of them ask the same questions:
// a NaN wins, and between two zeros the sign bits decide.
template <class T>
struct Maximum {
  static HWY_INLINE Vector<T> combine(Vector<T> a, Vector<T> b) {
    if constexpr (hwy::IsFloat<T>()) {
      const auto larger = hn::IfThenElse(hn::Or(hn::Lt(a, b), hn::IsNaN(b)), b, a);
      return hn::IfThenElse(hn::Eq(a, b), hn::And(a, b), larger);
    } else {
      return hn::Max(a, b);
    }
  }
};

template <class T>
struct Minimum {
  static HWY_INLINE Vector<T> combine(Vector<T> a, Vector<T> b) {
    if constexpr (hwy::IsFloat<T>()) {
      const auto smaller = hn::IfThenElse(hn::Or(hn::Lt(b, a), hn::IsNaN(b)), b, a);
      return hn::IfThenElse(hn::Eq(a, b), hn::Or(a, b), smaller);
    } else {
      return hn::Min(a, b);
    }
  }
};

template <class T>
struct BitAnd {
  static HWY_INLINE Vector<T> combine(Vector<T> a, Vector<T> b) { return hn::And(a, b); }
};

template <class T>
struct BitOr {
  static HWY_INLINE Vector<T> combine(Vector<T> a, Vector<T> b) { return hn::Or(a, b); }
};

template <class T>
struct BitXor {
  static HWY_INLINE Vector<T> combine(Vector<T> a, Vector<T> b) { return hn::Xor(a, b); }
};

// ---- Finishes ----------------------------------------------------------------------------------------------------------

// Every NaN becomes the quiet one without sign or payload. Which of two NaNs an addition hands on depends on the order in
// which the compiler put the operands, and the sign of a new one on the processor.
template <class T>
HWY_INLINE Vector<T> canonical(Vector<T> value) {
  if constexpr (hwy::IsFloat<T>()) {
    using Bits = hwy::MakeUnsigned<T>;
    constexpr Bits kCanonicalNan = sizeof(T) == 4 ? Bits{0x7FC00000} : static_cast<Bits>(0x7FF8000000000000);
    return hn::IfThenElse(hn::IsNaN(value), hn::BitCast(Tag<T>(), hn::Set(Tag<Bits>(), kCanonicalNan)), value);
  } else {
    return value;
  }
}

template <class Codec>
struct Plain {
  using T = typename Codec::Lane;
  explicit Plain(const Job&) {}
  HWY_INLINE Vector<T> finish(Vector<T> value) const { return canonical<T>(value); }
};

// Exact, and truncated towards zero. In the narrower types a floating-point quotient is correctly rounded, and too far from
// the next integer to round to it: the compiler makes vectors of that.
template <class T>
HWY_INLINE T divide(T dividend, uint32_t divisor) {
  if constexpr (sizeof(T) == 1) {
    return static_cast<T>(static_cast<float>(dividend) / static_cast<float>(divisor));
  } else if constexpr (sizeof(T) == 4) {
    return static_cast<T>(static_cast<double>(dividend) / static_cast<double>(divisor));
  } else {
    return static_cast<T>(dividend / static_cast<T>(divisor));
  }
}

template <class Codec>
struct DivideByRankCount {
  using T = typename Codec::Lane;
  explicit DivideByRankCount(const Job& job) : divisor(job.rank_count) {}

  HWY_INLINE Vector<T> finish(Vector<T> value) const {
    const Tag<T> tag;
    if constexpr (hwy::IsFloat<T>()) {
      return canonical<T>(hn::Div(value, hn::Set(tag, static_cast<T>(divisor))));
    } else {
      HWY_ALIGN T lanes[hn::MaxLanes(tag)];
      hn::Store(value, tag, lanes);
      for (T& lane : lanes) lane = divide(lane, divisor);
      return hn::Load(tag, lanes);
    }
  }

  uint32_t divisor;
};

template <class Codec>
struct MultiplyByFactor {
  using T = typename Codec::Lane;

  explicit MultiplyByFactor(const Job& job) {
    alignas(8) uint8_t element[8] = {};  // the first of a word
    std::memcpy(element, job.factor, Codec::kElementBytes);
    typename Codec::Word word;
    std::memcpy(&word, element, sizeof(word));
    factor = hn::GetLane(Codec::decode(hn::Set(Tag<typename Codec::Word>(), word)).v[0]);
  }
  HWY_INLINE Vector<T> finish(Vector<T> value) const {
    return canonical<T>(multiply<T>(value, hn::Set(Tag<T>(), factor)));
  }

  T factor;
};

}  // namespace HWY_NAMESPACE
}  // namespace tutti::reduce
HWY_AFTER_NAMESPACE();
#endif
