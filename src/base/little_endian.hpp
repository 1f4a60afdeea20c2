// SPDX-License-Identifier: Apache-2.0
// Numbers as they travel: the lowest byte first, whatever the host does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tutti {

template <typename Integer>
void store_little_endian(Integer value, std::byte* bytes) {
  for (size_t index = 0; index < sizeof(Integer); ++index) {
    bytes[index] = static_cast<std::byte>(static_cast<uint64_t>(value) >> (8 * index));
  }
}

// Of at most 8 bytes.
inline uint64_t load_little_endian(std::span<const std::byte> bytes) {
  uint64_t value = 0;
  for (size_t index = 0; index < bytes.size(); ++index) {
    value |= std::to_integer<uint64_t>(bytes[index]) << (8 * index);
  }
  return value;
}

template <typename Integer>
Integer load_little_endian(const std::byte* bytes) {
  return static_cast<Integer>(load_little_endian(std::span(bytes, sizeof(Integer))));
}

// The lowest `byte_count` bytes, at most 8.
inline void append_little_endian(std::vector<std::byte>& bytes, uint64_t value, size_t byte_count) {
  for (size_t index = 0; index < byte_count; ++index) {
    bytes.push_back(static_cast<std::byte>(value >> (8 * index)));
  }
}

}  // namespace tutti
