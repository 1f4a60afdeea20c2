// SPDX-License-Identifier: Apache-2.0
// How elements of each type are taken out of a vector of words for reckoning, and put back.
// Compiled once for each instruction set, hence the guard that Highway toggles.
//
// A codec has: Lane, what is reckoned with; Word, what memory is moved as; kVectors, how many vectors of Lane one vector of
// Word becomes; decode and encode. Narrow elements lie 2 or 4 in a 32-bit word and are taken out by shifts, the k-th of each
// word into the k-th vector: no shuffle crosses lanes, and encode undoes the order.

#if defined(TUTTI_REDUCE_SIMD_CODECS_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef TUTTI_REDUCE_SIMD_CODECS_HPP_
#undef TUTTI_REDUCE_SIMD_CODECS_HPP_
#else
#define TUTTI_REDUCE_SIMD_CODECS_HPP_
#endif

#include "reduce/simd_lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace tutti::reduce {
namespace HWY_NAMESPACE {

template <class Lane, size_t kVectors>
struct Block {
  Vector<Lane> v[kVectors];
};

// Elements that are reckoned with as they are.
template <class T, class WordType>
struct PlainCodec {
  using Lane = T;
  using Word = WordType;
  static constexpr size_t kElementBytes = sizeof(T);
  static constexpr size_t kVectors = 1;

  static HWY_INLINE Block<T, 1> decode(Vector<Word> words) { return {{hn::BitCast(Tag<T>(), words)}}; }
  static HWY_INLINE Vector<Word> encode(const Block<T, 1>& block) { return hn::BitCast(Tag<Word>(), block.v[0]); }
};

struct Bfloat16Codec {
  using Lane = float;
  using Word = uint32_t;
  static constexpr size_t kElementBytes = 2;
  static constexpr size_t kVectors = 2;

  static HWY_INLINE Block<float, 2> decode(Vector<uint32_t> words) {
    const Tag<float> floats;
    return {{hn::BitCast(floats, hn::ShiftLeft<16>(words)), hn::BitCast(floats, hn::And(words, high_halves()))}};
  }
  static HWY_INLINE Vector<uint32_t> encode(const Block<float, 2>& block) {
    return hn::Or(hn::ShiftRight<16>(rounded(block.v[0])), hn::And(rounded(block.v[1]), high_halves()));
  }

 private:
  static HWY_INLINE Vector<uint32_t> high_halves() { return hn::Set(Tag<uint32_t>(), 0xFFFF0000u); }

  // To nearest even. A carry out of the mantissa raises the exponent, up to infinity, as it should. The one NaN that comes
  // here is kCanonicalNan, which has no low bits and stays.
  static HWY_INLINE Vector<uint32_t> rounded(Vector<float> value) {
    const Tag<uint32_t> tag;
    const auto bits = hn::BitCast(tag, value);
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(tag, 1u));
    return hn::Add(bits, hn::Add(odd, hn::Set(tag, 0x7FFFu)));
  }
};

struct Float16Layout {
  static constexpr int kMantissaBits = 10;
  static constexpr int kBits = 16;
  static constexpr uint32_t kBias = 15;
  static constexpr uint32_t kFirstSpecial = 0x7C00;  // least magnitude that is infinity or NaN
  static constexpr uint32_t kOverflow = 0x7C00;      // infinity
  static constexpr uint32_t kNan = 0x7E00;
};

struct Float8e5m2Layout {
  static constexpr int kMantissaBits = 2;
  static constexpr int kBits = 8;
  static constexpr uint32_t kBias = 15;
  static constexpr uint32_t kFirstSpecial = 0x7C;
  static constexpr uint32_t kOverflow = 0x7C;
  static constexpr uint32_t kNan = 0x7E;
};

// Has no infinity: what rounds beyond 448 is NaN.
struct Float8e4m3Layout {
  static constexpr int kMantissaBits = 3;
  static constexpr int kBits = 8;
  static constexpr uint32_t kBias = 7;
  static constexpr uint32_t kFirstSpecial = 0x7F;
  static constexpr uint32_t kOverflow = 0x7F;
  static constexpr uint32_t kNan = 0x7F;
};

// One element at the low end of each word, to and from float32.
template <class Layout>
struct NarrowFloat {
  static constexpr int kShift = 23 - Layout::kMantissaBits;  // mantissas differ by this many bits
  static constexpr uint32_t kSignMask = 1u << (Layout::kBits - 1);
  static constexpr uint32_t kLeastNormal = (127 - Layout::kBias + 1) << 23;  // as a float32

  // Bits of `words` above the element do not matter.
  static HWY_INLINE Vector<float> widen(Vector<uint32_t> words) {
    const Tag<uint32_t> tag;
    const Tag<float> floats;
    const auto magnitude = hn::And(words, hn::Set(tag, kSignMask - 1));
    const auto sign = hn::ShiftLeft<32 - Layout::kBits>(hn::And(words, hn::Set(tag, kSignMask)));
    const auto mantissa = hn::ShiftLeft<kShift>(magnitude);
    const auto normal = hn::Add(mantissa, hn::Set(tag, kLeastNormal - (1u << 23)));
    // A subnormal counts in units of the least normal's mantissa: set it on top of the least normal, and take that off again.
    const auto least_normal = hn::Set(tag, kLeastNormal);
    const auto subnormal = hn::Sub(hn::BitCast(floats, hn::Add(mantissa, least_normal)), hn::BitCast(floats, least_normal));
    const auto special = hn::Or(mantissa, hn::Set(tag, 0x7F800000u));

    auto result = hn::IfThenElse(less(magnitude, 1u << Layout::kMantissaBits), hn::BitCast(tag, subnormal), normal);
    result = hn::IfThenElse(less(magnitude, Layout::kFirstSpecial), result, special);
    return hn::BitCast(floats, hn::Or(result, sign));
  }

  // Rounded once, to nearest even. The one NaN that comes here is kCanonicalNan. Bits above the element are 0.
  static HWY_INLINE Vector<uint32_t> narrow(Vector<float> value) {
    const Tag<uint32_t> tag;
    const Tag<float> floats;
    const auto bits = hn::BitCast(tag, value);
    const auto magnitude = hn::And(bits, hn::Set(tag, 0x7FFFFFFFu));
    const auto sign = hn::And(hn::ShiftRight<32 - Layout::kBits>(bits), hn::Set(tag, kSignMask));

    const auto odd = hn::And(hn::ShiftRight<kShift>(magnitude), hn::Set(tag, 1u));
    const auto rebased = hn::Sub(magnitude, hn::Set(tag, kLeastNormal - (1u << 23) - ((1u << (kShift - 1)) - 1)));
    const auto normal = hn::ShiftRight<kShift>(hn::Add(rebased, odd));
    // Adding the float32 whose last bit weighs as much as the least subnormal lets the adder round.
    const auto ruler = hn::Set(tag, kLeastNormal + (static_cast<uint32_t>(kShift) << 23));
    const auto sum = hn::Add(hn::BitCast(floats, magnitude), hn::BitCast(floats, ruler));
    const auto subnormal = hn::Sub(hn::BitCast(tag, sum), ruler);

    auto result = hn::Min(normal, hn::Set(tag, Layout::kOverflow));
    result = hn::IfThenElse(less(magnitude, kLeastNormal), subnormal, result);
    if constexpr (Layout::kNan == Layout::kOverflow) {  // NaN has no sign here either
      return hn::IfThenElse(less(result, Layout::kNan), hn::Or(result, sign), result);
    } else {
      result = hn::IfThenElse(less(magnitude, 0x7F800001u), result, hn::Set(tag, Layout::kNan));
      return hn::Or(result, sign);
    }
  }

 private:
  // `magnitude` has no sign bit, so that the comparison of signed integers, which every instruction set has, serves.
  static HWY_INLINE auto less(Vector<uint32_t> magnitude, uint32_t limit) {
    const Tag<int32_t> tag;
    return hn::RebindMask(Tag<uint32_t>(),
                          hn::Lt(hn::BitCast(tag, magnitude), hn::Set(tag, static_cast<int32_t>(limit))));
  }
};

template <class Layout>
struct PackedCodec {
  using Lane = float;
  using Word = uint32_t;
  static constexpr size_t kElementBytes = Layout::kBits / 8;
  static constexpr size_t kVectors = 32 / Layout::kBits;

  static HWY_INLINE Block<float, kVectors> decode(Vector<uint32_t> words) {
    Block<float, kVectors> block;
    block.v[0] = NarrowFloat<Layout>::widen(words);
    block.v[1] = NarrowFloat<Layout>::widen(hn::ShiftRight<Layout::kBits>(words));
    if constexpr (kVectors == 4) {
      block.v[2] = NarrowFloat<Layout>::widen(hn::ShiftRight<16>(words));
      block.v[3] = NarrowFloat<Layout>::widen(hn::ShiftRight<24>(words));
    }
    return block;
  }
  static HWY_INLINE Vector<uint32_t> encode(const Block<float, kVectors>& block) {
    auto words = hn::Or(NarrowFloat<Layout>::narrow(block.v[0]),
                        hn::ShiftLeft<Layout::kBits>(NarrowFloat<Layout>::narrow(block.v[1])));
    if constexpr (kVectors == 4) {
      words = hn::Or(words, hn::ShiftLeft<16>(NarrowFloat<Layout>::narrow(block.v[2])));
      words = hn::Or(words, hn::ShiftLeft<24>(NarrowFloat<Layout>::narrow(block.v[3])));
    }
    return words;
  }
};

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
// The processor's own conversions: to nearest even whatever the rounding mode, and the same bits as PackedCodec<Float16Layout>.
struct Float16Codec {
  using Lane = float;
  using Word = uint32_t;
  static constexpr size_t kElementBytes = 2;
  static constexpr size_t kVectors = 2;
  using Halves = hn::Rebind<uint16_t, Tag<float>>;
  using Float16s = hn::Rebind<hwy::float16_t, Tag<float>>;

  static HWY_INLINE Block<float, 2> decode(Vector<uint32_t> words) {
    const Tag<float> floats;
    const auto both = hn::BitCast(Tag<uint16_t>(), words);
    return {{hn::PromoteTo(floats, hn::BitCast(Float16s(), hn::LowerHalf(Halves(), both))),
             hn::PromoteTo(floats, hn::BitCast(Float16s(), hn::UpperHalf(Halves(), both)))}};
  }
  static HWY_INLINE Vector<uint32_t> encode(const Block<float, 2>& block) {
    const auto lower = hn::BitCast(Halves(), hn::DemoteTo(Float16s(), block.v[0]));
    const auto upper = hn::BitCast(Halves(), hn::DemoteTo(Float16s(), block.v[1]));
    return hn::BitCast(Tag<uint32_t>(), hn::Combine(Tag<uint16_t>(), upper, lower));
  }
};

// By way of float16, which holds every value of float8: e5m2 is its high byte, and e4m3 in the low bits of its exponent and the
// high bits of its mantissa is the value times 2^-8. The way back would round twice, so it is NarrowFloat's. Even bytes come
// first, then odd ones; of each the lower half of the vector, then the upper.
template <class Layout>
struct Float8Codec {
  using Lane = float;
  using Word = uint32_t;
  static constexpr size_t kElementBytes = 1;
  static constexpr size_t kVectors = 4;

  static HWY_INLINE Block<float, 4> decode(Vector<uint32_t> words) {
    const Tag<uint16_t> tag;
    const auto pairs = hn::BitCast(tag, words);
    const auto even = Float16Codec::decode(float16_of(hn::ShiftLeft<8>(pairs)));
    const auto odd = Float16Codec::decode(float16_of(hn::And(pairs, hn::Set(tag, uint16_t{0xFF00}))));
    return {{rebase(even.v[0]), rebase(even.v[1]), rebase(odd.v[0]), rebase(odd.v[1])}};
  }
  static HWY_INLINE Vector<uint32_t> encode(const Block<float, 4>& block) {
    const Tag<uint16_t> tag;
    const auto even = hn::Combine(tag, narrow(block.v[1]), narrow(block.v[0]));
    const auto odd = hn::Combine(tag, narrow(block.v[3]), narrow(block.v[2]));
    return hn::BitCast(Tag<uint32_t>(), hn::Or(even, hn::ShiftLeft<8>(odd)));
  }

 private:
  static constexpr int kExtraMantissaBits = Layout::kMantissaBits - Float8e5m2Layout::kMantissaBits;

  // Of an element in the high byte; 2^-8 times its value if it is e4m3.
  static HWY_INLINE Vector<uint32_t> float16_of(Vector<uint16_t> high_bytes) {
    const Tag<uint16_t> tag;
    if constexpr (kExtraMantissaBits == 0) {
      return hn::BitCast(Tag<uint32_t>(), high_bytes);
    } else {
      const auto nan = hn::Set(tag, uint16_t{0x3F80});  // where e4m3's own comes to lie
      const auto magnitude = hn::And(hn::ShiftRight<1>(high_bytes), nan);
      const auto repaired = hn::IfThenElse(hn::Eq(magnitude, nan), hn::Set(tag, uint16_t{0x7E00}), magnitude);
      const auto sign = hn::And(high_bytes, hn::Set(tag, uint16_t{0x8000}));
      return hn::BitCast(Tag<uint32_t>(), hn::Or(repaired, sign));
    }
  }
  static HWY_INLINE Vector<float> rebase(Vector<float> value) {
    if constexpr (kExtraMantissaBits == 0) {
      return value;
    } else {
      return hn::Mul(value, hn::Set(Tag<float>(), 256.0f));
    }
  }
  static HWY_INLINE auto narrow(Vector<float> value) {
    const auto codes = hn::BitCast(Tag<int32_t>(), NarrowFloat<Layout>::narrow(value));
    return hn::DemoteTo(hn::Rebind<uint16_t, Tag<int32_t>>(), codes);
  }
};
#else
using Float16Codec = PackedCodec<Float16Layout>;
template <class Layout>
using Float8Codec = PackedCodec<Layout>;
#endif

}  // namespace HWY_NAMESPACE
}  // namespace tutti::reduce
HWY_AFTER_NAMESPACE();
#endif
