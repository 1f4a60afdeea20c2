// SPDX-License-Identifier: Apache-2.0
// Memory that ranks of one host can share, as applications ask for it.
#pragma once

#include <cstddef>

#include "base/status.hpp"

namespace tutti::comm {

// Zeroed, aligned to a page; given back by free_memory(). Errors: tuttiSystemError.
Result<void*> allocate_memory(size_t byte_count);
// False for what allocate_memory() did not give.
bool free_memory(void* memory);

}  // namespace tutti::comm
