// SPDX-License-Identifier: Apache-2.0
// Reductions by a user's function.
#pragma once

#include "reduce/reduce.hpp"

namespace tutti::reduce {

// reduce() for an operator with a function, which only knows inout = in op inout. The operands of a pass are in the order of
// `inputs`, up to commuting the two sides of one application, whichever input `target` is: ranks that alias differently get
// the same bits.
void reduce_by_function(const Operator& op, tuttiDataType_t datatype, std::span<const void* const> inputs, void* target,
                        size_t count);

}  // namespace tutti::reduce
