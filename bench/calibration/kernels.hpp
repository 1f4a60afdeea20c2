// SPDX-License-Identifier: Apache-2.0
// The loops that memory is measured with, in the widest registers this processor has. Buffers are aligned to 64 bytes and do not overlap;
// counts are floats and multiples of 16.
#pragma once

#include <cstddef>

namespace tutti::calibrate {

enum class Stores { plain, nontemporal };

void copy(float* target, const float* source, std::size_t count, Stores stores);
void add(float* target, const float* left, const float* right, std::size_t count, Stores stores);
// Writes each sum to two places.
void add_to_two(float* first, float* second, const float* left, const float* right, std::size_t count, Stores stores);

}  // namespace tutti::calibrate
