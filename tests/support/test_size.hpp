// SPDX-License-Identifier: Apache-2.0
// How much a test does: sanitizer builds, which take several times as long, do less of the same.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace tutti::tests {

// TUTTI_TEST_SIZE: "small" for sanitizer builds, else full.
enum class Size : uint8_t { small, full };

inline Size test_size() {
  const char* const value = std::getenv("TUTTI_TEST_SIZE");
  return value != nullptr && std::string_view(value) == "small" ? Size::small : Size::full;
}

}  // namespace tutti::tests
