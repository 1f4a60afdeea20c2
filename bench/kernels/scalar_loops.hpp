// SPDX-License-Identifier: Apache-2.0
// What the kernels are measured against: the loop one would write first, an element at a time, in the compiler's hands.
#pragma once

#include <cstddef>

#include "tutti/tutti.h"

namespace tutti::bench {

// target[i] = a[i] + b[i]. Narrow types are decoded by a table and rounded to nearest even in integer arithmetic.
void scalar_sum(tuttiDataType_t datatype, const void* a, const void* b, void* target, size_t count);

}  // namespace tutti::bench
