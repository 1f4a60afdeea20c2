// SPDX-License-Identifier: Apache-2.0
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "reduce/copy.cpp"
#include "reduce/targets.hpp"

#include "hwy/foreach_target.h"

#include <algorithm>

#include "reduce/kernel.hpp"
#include "reduce/simd_lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace tutti::reduce {
namespace HWY_NAMESPACE {

void stream_lines(const uint8_t* source, uint8_t* target, size_t bytes) {
  using Word = uint32_t;
  constexpr size_t kAtOnce = 4;
  constexpr size_t kBlockBytes = kVectorBytes<Word>;
  const size_t start = std::min((0 - reinterpret_cast<uintptr_t>(target)) % kStreamedBytes, bytes);
  std::memcpy(target, source, start);
  size_t offset = start;
  for (; bytes - offset >= kAtOnce * kBlockBytes; offset += kAtOnce * kBlockBytes) {
    Vector<Word> words[kAtOnce];
    HWY_UNROLL(4)
    for (size_t b = 0; b < kAtOnce; ++b) words[b] = load_words<Word>(source + offset + b * kBlockBytes);
    HWY_UNROLL(4)
    for (size_t b = 0; b < kAtOnce; ++b) stream_words<Word>(words[b], target + offset + b * kBlockBytes);
  }
  std::memcpy(target + offset, source + offset, bytes - offset);
}

}  // namespace HWY_NAMESPACE
}  // namespace tutti::reduce
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti::reduce {

HWY_EXPORT(stream_lines);

void stream_bytes(const uint8_t* source, uint8_t* target, size_t bytes) {
  HWY_DYNAMIC_DISPATCH(stream_lines)(source, target, bytes);
}

}  // namespace tutti::reduce
#endif
