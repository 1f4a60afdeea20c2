// SPDX-License-Identifier: Apache-2.0
#include "kernels.hpp"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#define TUTTI_WIDE __attribute__((target("avx512f")))
#endif

namespace tutti::calibrate {
namespace {

#if defined(__x86_64__)

bool has_wide_registers() {
  static const bool has = __builtin_cpu_supports("avx512f") != 0;
  return has;
}

template <Stores stores>
TUTTI_WIDE inline void store_wide(float* target, __m512 value) {
  if constexpr (stores == Stores::nontemporal) {
    _mm512_stream_ps(target, value);
  } else {
    _mm512_store_ps(target, value);
  }
}

template <Stores stores>
TUTTI_WIDE void copy_wide(float* target, const float* source, std::size_t count) {
  for (std::size_t i = 0; i < count; i += 16) store_wide<stores>(target + i, _mm512_load_ps(source + i));
  _mm_sfence();
}

template <Stores stores>
TUTTI_WIDE void add_wide(float* target, const float* left, const float* right, std::size_t count) {
  for (std::size_t i = 0; i < count; i += 16) {
    store_wide<stores>(target + i, _mm512_add_ps(_mm512_load_ps(left + i), _mm512_load_ps(right + i)));
  }
  _mm_sfence();
}

template <Stores stores>
TUTTI_WIDE void add_to_two_wide(float* first, float* second, const float* left, const float* right, std::size_t count) {
  for (std::size_t i = 0; i < count; i += 16) {
    const __m512 sum = _mm512_add_ps(_mm512_load_ps(left + i), _mm512_load_ps(right + i));
    store_wide<stores>(first + i, sum);
    store_wide<stores>(second + i, sum);
  }
  _mm_sfence();
}

template <Stores stores>
inline void store_narrow(float* target, __m128 value) {
  if constexpr (stores == Stores::nontemporal) {
    _mm_stream_ps(target, value);
  } else {
    _mm_store_ps(target, value);
  }
}

template <Stores stores>
void copy_narrow(float* target, const float* source, std::size_t count) {
  for (std::size_t i = 0; i < count; i += 4) store_narrow<stores>(target + i, _mm_load_ps(source + i));
  _mm_sfence();
}

// `second` may be nullptr.
template <Stores stores>
void add_narrow(float* first, float* second, const float* left, const float* right, std::size_t count) {
  for (std::size_t i = 0; i < count; i += 4) {
    const __m128 sum = _mm_add_ps(_mm_load_ps(left + i), _mm_load_ps(right + i));
    store_narrow<stores>(first + i, sum);
    if (second != nullptr) store_narrow<stores>(second + i, sum);
  }
  _mm_sfence();
}

template <Stores stores>
void copy_with(float* target, const float* source, std::size_t count) {
  has_wide_registers() ? copy_wide<stores>(target, source, count) : copy_narrow<stores>(target, source, count);
}

template <Stores stores>
void add_with(float* first, float* second, const float* left, const float* right, std::size_t count) {
  if (!has_wide_registers()) {
    add_narrow<stores>(first, second, left, right, count);
  } else if (second == nullptr) {
    add_wide<stores>(first, left, right, count);
  } else {
    add_to_two_wide<stores>(first, second, left, right, count);
  }
}

#else

// Elsewhere the compiler's loops; it has no portable non-temporal store.
template <Stores>
void copy_with(float* target, const float* source, std::size_t count) {
  std::memcpy(target, source, count * sizeof(float));
}

template <Stores>
void add_with(float* first, float* second, const float* left, const float* right, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const float sum = left[i] + right[i];
    first[i] = sum;
    if (second != nullptr) second[i] = sum;
  }
}

#endif

}  // namespace

void copy(float* target, const float* source, std::size_t count, Stores stores) {
  stores == Stores::plain ? copy_with<Stores::plain>(target, source, count) : copy_with<Stores::nontemporal>(target, source, count);
}

void add(float* target, const float* left, const float* right, std::size_t count, Stores stores) {
  add_to_two(target, nullptr, left, right, count, stores);
}

void add_to_two(float* first, float* second, const float* left, const float* right, std::size_t count, Stores stores) {
  stores == Stores::plain ? add_with<Stores::plain>(first, second, left, right, count)
                          : add_with<Stores::nontemporal>(first, second, left, right, count);
}

}  // namespace tutti::calibrate
