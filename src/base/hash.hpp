// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace tutti {

// A bijective mixing of 64 bits (the finaliser of SplitMix64, Steele et al., OOPSLA 2014).
constexpr uint64_t mix64(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

// Folds `value` into `seed`; the order of folding matters.
constexpr uint64_t hash_combine(uint64_t seed, uint64_t value) { return mix64(seed + 0x9e3779b97f4a7c15u + mix64(value)); }

// Of a text; equal on all hosts.
constexpr uint64_t hash_of_text(std::string_view text) {
  uint64_t hash = hash_combine(0, text.size());
  for (const char character : text) {
    hash = hash_combine(hash, static_cast<unsigned char>(character));
  }
  return hash;
}

}  // namespace tutti
