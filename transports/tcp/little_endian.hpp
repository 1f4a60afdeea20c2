// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace tutti::transports::tcp {

template <typename Integer>
void store_little_endian(Integer value, std::byte* bytes) {
  for (size_t index = 0; index < sizeof(Integer); ++index) {
    bytes[index] = static_cast<std::byte>(value >> (8 * index));
  }
}

template <typename Integer>
Integer load_little_endian(const std::byte* bytes) {
  Integer value = 0;
  for (size_t index = 0; index < sizeof(Integer); ++index) {
    value |= static_cast<Integer>(std::to_integer<Integer>(bytes[index]) << (8 * index));
  }
  return value;
}

}  // namespace tutti::transports::tcp
