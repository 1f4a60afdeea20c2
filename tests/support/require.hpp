// SPDX-License-Identifier: Apache-2.0
// For bodies of ThreadWorld::run(): leaves with a description unless a call of the C API gives tuttiSuccess. A variable `rank` names the rank.
#pragma once

#include <fmt/format.h>

#include "tutti/tutti.h"

#define REQUIRE_SUCCESS(call)                                                                                                \
  do {                                                                                                                       \
    if (const tuttiResult_t required_result = (call); required_result != tuttiSuccess) {                                     \
      return fmt::format("rank {}: {}: {} ({})", rank, #call, tuttiGetErrorString(required_result), tuttiGetLastError(nullptr)); \
    }                                                                                                                        \
  } while (false)
