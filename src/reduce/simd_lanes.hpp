// SPDX-License-Identifier: Apache-2.0
// Vectors of words, moved to and from memory of any alignment, whole or in part.
// Compiled once for each instruction set, hence the guard that Highway toggles.

#if defined(TUTTI_REDUCE_SIMD_LANES_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef TUTTI_REDUCE_SIMD_LANES_HPP_
#undef TUTTI_REDUCE_SIMD_LANES_HPP_
#else
#define TUTTI_REDUCE_SIMD_LANES_HPP_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "reduce/targets.hpp"

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tutti::reduce {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
using Tag = hn::ScalableTag<T>;
template <class T>
using Vector = hn::Vec<Tag<T>>;

// Bytes of a whole vector; on the scalar target, which has vectors of one lane, of one word.
template <class Word>
inline constexpr size_t kVectorBytes = hn::MaxLanes(Tag<Word>()) * sizeof(Word);

template <class Word>
HWY_INLINE Vector<Word> load_words(const uint8_t* source) {
#if HWY_TARGET == HWY_SCALAR
  Word word;
  std::memcpy(&word, source, sizeof(word));
  return hn::Set(Tag<Word>(), word);
#else
  return hn::BitCast(Tag<Word>(), hn::LoadU(Tag<uint8_t>(), source));
#endif
}

template <class Word>
HWY_INLINE void store_words(Vector<Word> words, uint8_t* target) {
#if HWY_TARGET == HWY_SCALAR
  const Word word = hn::GetLane(words);
  std::memcpy(target, &word, sizeof(word));
#else
  hn::StoreU(hn::BitCast(Tag<uint8_t>(), words), Tag<uint8_t>(), target);
#endif
}

// Past the caches, to a multiple of kVectorBytes.
template <class Word>
HWY_INLINE void stream_words(Vector<Word> words, uint8_t* target) {
#if HWY_TARGET == HWY_SCALAR
  store_words<Word>(words, target);
#else
  const Tag<Word> tag;
  hn::Stream(words, tag, reinterpret_cast<Word*>(target));
#endif
}

// Without a call, which costs more than these few bytes.
HWY_INLINE void copy_short(const uint8_t* source, uint8_t* target, size_t bytes) {
  for (; bytes >= 8; bytes -= 8, source += 8, target += 8) std::memcpy(target, source, 8);
  if ((bytes & 4) != 0) std::memcpy(target, source, 4);
  source += bytes & 4;
  target += bytes & 4;
  if ((bytes & 2) != 0) std::memcpy(target, source, 2);
  source += bytes & 2;
  target += bytes & 2;
  if ((bytes & 1) != 0) *target = *source;
}

// Whether loads and stores under a mask of bytes exist and touch no byte outside the mask.
#define TUTTI_REDUCE_MASKED_BYTES (HWY_TARGET == HWY_AVX3)

// The first `bytes` bytes of a vector, fewer than kVectorBytes; the rest is 0.
template <class Word>
HWY_INLINE Vector<Word> load_words(const uint8_t* source, size_t bytes) {
#if TUTTI_REDUCE_MASKED_BYTES
  const Tag<uint8_t> tag;
  return hn::BitCast(Tag<Word>(), hn::MaskedLoad(hn::FirstN(tag, bytes), tag, source));
#else
  alignas(64) uint8_t buffer[kVectorBytes<Word>] = {};
  copy_short(source, buffer, bytes);
  return load_words<Word>(buffer);
#endif
}

template <class Word>
HWY_INLINE void store_words(Vector<Word> words, uint8_t* target, size_t bytes) {
#if TUTTI_REDUCE_MASKED_BYTES
  const Tag<uint8_t> tag;
  hn::BlendedStore(hn::BitCast(tag, words), hn::FirstN(tag, bytes), tag, target);
#else
  alignas(64) uint8_t buffer[kVectorBytes<Word>];
  store_words<Word>(words, buffer);
  copy_short(buffer, target, bytes);
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace tutti::reduce
HWY_AFTER_NAMESPACE();
#endif
