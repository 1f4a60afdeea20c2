// SPDX-License-Identifier: Apache-2.0
// What the memory allows: loops that read and write the streams of a reduction and do as good as nothing with them.
#pragma once

#include <cstddef>
#include <span>

#include "reduce/reduce.hpp"

namespace tutti::bench {

// Reads `bytes` bytes of each input, writes as many to `target`. `bytes` is a multiple of 64, and `target` is aligned to 64 bytes.
void move_streams(std::span<const void* const> inputs, void* target, size_t bytes, reduce::Stores stores);

}  // namespace tutti::bench
