// SPDX-License-Identifier: Apache-2.0
// The one loop that all kernels share.
// Compiled once for each instruction set, hence the guard that Highway toggles.

#if defined(TUTTI_REDUCE_SIMD_KERNEL_HPP_) == defined(HWY_TARGET_TOGGLE)
#ifdef TUTTI_REDUCE_SIMD_KERNEL_HPP_
#undef TUTTI_REDUCE_SIMD_KERNEL_HPP_
#else
#define TUTTI_REDUCE_SIMD_KERNEL_HPP_
#endif

#include "hwy/cache_control.h"

#include "reduce/simd_operators.hpp"

HWY_BEFORE_NAMESPACE();
namespace tutti::reduce {
namespace HWY_NAMESPACE {

// Decoding and rounding narrow elements fills the processor's window of instructions before it holds the loads that keep memory busy: such kernels
// ask for their inputs so far ahead.
inline constexpr size_t kPrefetchBytes = 768;

// How memory is reached: whole vectors, or the piece of one that is left at the end. Results do not depend on which, since
// all take the same path in registers.
template <class Word>
struct WholeVectors {
  static constexpr bool kPrefetches = true;
  HWY_INLINE Vector<Word> load(const uint8_t* source) const { return load_words<Word>(source); }
  HWY_INLINE void store(Vector<Word> words, uint8_t* target) const { store_words<Word>(words, target); }
};

template <class Word>
struct StreamedVectors {
  static constexpr bool kPrefetches = true;
  HWY_INLINE Vector<Word> load(const uint8_t* source) const { return load_words<Word>(source); }
  HWY_INLINE void store(Vector<Word> words, uint8_t* target) const { stream_words<Word>(words, target); }
};

template <class Word>
struct PartOfVector {
  size_t bytes;
  static constexpr bool kPrefetches = false;
  HWY_INLINE Vector<Word> load(const uint8_t* source) const { return load_words<Word>(source, bytes); }
  HWY_INLINE void store(Vector<Word> words, uint8_t* target) const { store_words<Word>(words, target, bytes); }
};

template <class Codec, template <class> class Combine, template <class> class Finish>
struct Pass {
  using Lane = typename Codec::Lane;
  using Word = typename Codec::Word;
  using Lanes = Block<Lane, Codec::kVectors>;
  static constexpr size_t kBlockBytes = kVectorBytes<Word>;
  // Blocks in flight: four vectors of lanes hide the latency of an operator and the cost of walking the inputs.
  static constexpr size_t kUnroll = 4 / Codec::kVectors;

  // Less than a vector, what short messages are, takes the way with the fewest instructions.
  static void run(const Job& job) {
    const size_t bytes = job.count * Codec::kElementBytes;
    if (bytes >= kBlockBytes) {
      run_vectors(job);
    } else if (bytes != 0) {
      reduce_blocks<1>(job, Finish<Codec>(job), PartOfVector<Word>{bytes}, 0);
    }
  }

 private:
  static HWY_NOINLINE void run_vectors(const Job& shared_job) {
    const Job job = shared_job;  // a local whose address stays here is not reloaded after each store
    const Finish<Codec> finish(job);
    const size_t bytes = job.count * Codec::kElementBytes;
    size_t offset = job.stores == Stores::streaming ? stream(job, finish) : 0;
    for (; bytes - offset >= kUnroll * kBlockBytes; offset += kUnroll * kBlockBytes) {
      reduce_blocks<kUnroll>(job, finish, WholeVectors<Word>(), offset);
    }
    if constexpr (kUnroll > 1) {
      for (; bytes - offset >= kBlockBytes; offset += kBlockBytes) {
        reduce_blocks<1>(job, finish, WholeVectors<Word>(), offset);
      }
    }
    if (offset < bytes) reduce_blocks<1>(job, finish, PartOfVector<Word>{bytes - offset}, offset);
  }

  // All but the last few bytes; the first few, up to where lines of the targets begin, go through the caches. Returns how many bytes that was.
  static HWY_NOINLINE size_t stream(const Job& job, const Finish<Codec>& finish) {
    const size_t bytes = job.count * Codec::kElementBytes;
    size_t offset = (0 - reinterpret_cast<uintptr_t>(job.targets[0])) % kStreamedBytes;
    if (bytes < offset + kUnroll * kBlockBytes) return 0;
    Job start = job;
    start.count = offset / Codec::kElementBytes;
    start.stores = Stores::cached;
    run(start);
    for (; bytes - offset >= kUnroll * kBlockBytes; offset += kUnroll * kBlockBytes) {
      reduce_blocks<kUnroll>(job, finish, StreamedVectors<Word>(), offset);
    }
    return offset;
  }

  // All inputs of these blocks are read before a target is written, which may be one of them.
  template <size_t kBlocks, class Access>
  static HWY_INLINE void reduce_blocks(const Job& job, const Finish<Codec>& finish, const Access& access, size_t offset) {
    Lanes sums[kBlocks];
    const uint8_t* input = static_cast<const uint8_t*>(job.inputs[0]) + offset;
    prefetch<kBlocks, Access>(input);
    HWY_UNROLL(4)
    for (size_t b = 0; b < kBlocks; ++b) sums[b] = Codec::decode(access.load(input + b * kBlockBytes));
    for (size_t k = 1; k < job.input_count; ++k) {
      input = static_cast<const uint8_t*>(job.inputs[k]) + offset;
      prefetch<kBlocks, Access>(input);
      HWY_UNROLL(4)
      for (size_t b = 0; b < kBlocks; ++b) {
        combine(sums[b], Codec::decode(access.load(input + b * kBlockBytes)));
      }
    }
    Vector<Word> words[kBlocks];
    HWY_UNROLL(4)
    for (size_t b = 0; b < kBlocks; ++b) words[b] = encode(finish, sums[b]);
    size_t t = 0;
    do {
      uint8_t* target = static_cast<uint8_t*>(job.targets[t]) + offset;
      HWY_UNROLL(4)
      for (size_t b = 0; b < kBlocks; ++b) access.store(words[b], target + b * kBlockBytes);
    } while (++t < job.target_count);
  }

  // May be of bytes behind the end of an input, which does no harm.
  template <size_t kBlocks, class Access>
  static HWY_INLINE void prefetch(const uint8_t* input) {
    if constexpr (Codec::kVectors > 1 && Access::kPrefetches) {
      for (size_t line = 0; line < kBlocks * kBlockBytes; line += kStreamedBytes) hwy::Prefetch(input + kPrefetchBytes + line);
    }
  }

  static HWY_INLINE void combine(Lanes& sum, const Lanes& next) {
    HWY_UNROLL(4)
    for (size_t v = 0; v < Codec::kVectors; ++v) sum.v[v] = Combine<Lane>::combine(sum.v[v], next.v[v]);
  }

  static HWY_INLINE Vector<Word> encode(const Finish<Codec>& finish, Lanes& sum) {
    HWY_UNROLL(4)
    for (size_t v = 0; v < Codec::kVectors; ++v) sum.v[v] = finish.finish(sum.v[v]);
    return Codec::encode(sum);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace tutti::reduce
HWY_AFTER_NAMESPACE();
#endif
