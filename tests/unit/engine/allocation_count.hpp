// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tutti::engine {

// Calls of operator new by this test program so far.
uint64_t allocation_count();

}  // namespace tutti::engine
