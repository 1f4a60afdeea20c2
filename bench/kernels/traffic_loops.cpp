// SPDX-License-Identifier: Apache-2.0
#include "traffic_loops.hpp"

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tutti::bench {

namespace {

#if defined(__x86_64__)

__attribute__((target("avx512f"))) void move_by_64_bytes(std::span<const void* const> inputs, void* target, size_t bytes, reduce::Stores stores) {
  const void* const* const pointers = inputs.data();
  const size_t input_count = inputs.size();
  auto* const out = static_cast<char*>(target);
  for (size_t offset = 0; offset < bytes; offset += 64) {
    __m512i mixed = _mm512_loadu_si512(static_cast<const char*>(pointers[0]) + offset);
    for (size_t k = 1; k < input_count; ++k) {
      mixed = _mm512_xor_si512(mixed, _mm512_loadu_si512(static_cast<const char*>(pointers[k]) + offset));
    }
    if (stores == reduce::Stores::streaming) {
      _mm512_stream_si512(reinterpret_cast<__m512i*>(out + offset), mixed);
    } else {
      _mm512_storeu_si512(out + offset, mixed);
    }
  }
  _mm_sfence();
}

void move_by_16_bytes(std::span<const void* const> inputs, void* target, size_t bytes, reduce::Stores stores) {
  auto* const out = static_cast<char*>(target);
  for (size_t offset = 0; offset < bytes; offset += 16) {
    __m128i mixed = _mm_setzero_si128();
    for (const void* input : inputs) {
      mixed = _mm_xor_si128(mixed, _mm_loadu_si128(reinterpret_cast<const __m128i*>(static_cast<const char*>(input) + offset)));
    }
    auto* const place = reinterpret_cast<__m128i*>(out + offset);
    if (stores == reduce::Stores::streaming) {
      _mm_stream_si128(place, mixed);
    } else {
      _mm_storeu_si128(place, mixed);
    }
  }
  _mm_sfence();
}

#endif

}  // namespace

void move_streams(std::span<const void* const> inputs, void* target, size_t bytes, reduce::Stores stores) {
#if defined(__x86_64__)
  (__builtin_cpu_supports("avx512f") ? move_by_64_bytes : move_by_16_bytes)(inputs, target, bytes, stores);
#else
  (void)stores;
  auto* const out = static_cast<uint64_t*>(target);
  for (size_t i = 0; i < bytes / 8; ++i) {
    uint64_t mixed = 0;
    for (const void* input : inputs) mixed ^= static_cast<const uint64_t*>(input)[i];
    out[i] = mixed;
  }
#endif
}

}  // namespace tutti::bench
