// SPDX-License-Identifier: Apache-2.0
// Reduction kernels: any operator over any element type, many inputs in one pass, one write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tutti/tutti.h"

namespace tutti::reduce {

enum class Final : uint8_t { no, yes };

// An operator as kernels see it; for a user's function, `function` is set.
struct Operator {
  tuttiRedOp_t op = tuttiSum;            // a built-in; avg sums, and divides on the final pass
  uint32_t rank_count = 1;               // avg's divisor
  tuttiRedFunction_t function = nullptr;  // if set, it replaces `op`
  void* context = nullptr;
};

// Most inputs one call of reduce() takes.
inline constexpr size_t kMaxInputs = 64;

// target[i] = inputs[0][i] op inputs[1][i] op ..., from left to right, for i < count; 1 to kMaxInputs inputs. `target` may be one of the inputs, or
// else overlaps none. Pointers are aligned to the element. Types narrower than float32 are accumulated in float32 and rounded once, to
// nearest even; with Final::yes, avg divides before that rounding. `op` and `datatype` must be a supported pair.
void reduce(const Operator& op, tuttiDataType_t datatype, std::span<const void* const> inputs, void* target, size_t count,
            Final final);

// target[i] = source[i] * scalar, where `scalar` is one element of `datatype`; products of narrow types are made in float32. `target` may be `source`.
void scale(tuttiDataType_t datatype, const void* source, const void* scalar, void* target, size_t count);

// Whether the pair makes sense: bit operators take integers only.
bool is_supported(tuttiRedOp_t op, tuttiDataType_t datatype);

// The instruction set that run-time dispatch picked: "AVX3_SPR", "NEON".
const char* instruction_set();

}  // namespace tutti::reduce
