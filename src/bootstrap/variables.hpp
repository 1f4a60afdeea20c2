// SPDX-License-Identifier: Apache-2.0
// Variables by which launchers tell a process its place.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.hpp"

namespace tutti::bootstrap {

// Empty if it is not set.
std::string value_of(const char* variable);

struct Bounds {
  uint32_t least;
  uint32_t most;
};
// Errors: tuttiInvalidUsage naming the variable, its value and what is wanted.
Result<uint32_t> number_of(const char* variable, Bounds bounds);

}  // namespace tutti::bootstrap
