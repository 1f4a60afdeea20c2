// SPDX-License-Identifier: Apache-2.0
// Reduction kernels: any operator over any element type, many inputs in one pass, one write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tutti/tutti.h"

namespace tutti::reduce {

enum class Final : uint8_t { no, yes };

// How a target is written. `streaming` goes past the caches (non-temporal): it saves reading each line of the target before it is overwritten, and
// leaves the caches to others, but whoever reads the target next fetches it from memory. It pays once a working set exceeds the cache. Either way the
// target is complete when the call returns: what was streamed has been fenced, so that a release store that follows publishes it to other cores and
// processes like any other write. Where the instruction set has no such stores, or each target is one of the inputs, whose lines have been read anyway,
// `streaming` is `cached`: two cores that reduce two vectors of 64 MiB in place would take 1.4 times as long (direct_bench without this rule).
enum class Stores : uint8_t { cached, streaming };

// An operator as kernels see it; for a user's function, `function` is set.
struct Operator {
  tuttiRedOp_t op = tuttiSum;            // a built-in; avg sums, and divides on the final pass
  uint32_t rank_count = 1;               // avg's divisor
  tuttiRedFunction_t function = nullptr;  // if set, it replaces `op`
  void* context = nullptr;
};

// Most inputs one call of reduce() takes.
inline constexpr size_t kMaxInputs = 64;

// target[i] = inputs[0][i] op inputs[1][i] op ..., from left to right, for i < count; 1 to kMaxInputs inputs. `target` may
// be one of the inputs, first or not, or several of them; or else overlaps none. Pointers are aligned to the element. Types
// narrower than float32 are accumulated in float32 and rounded once, to nearest even; with Final::yes, avg divides before
// that rounding. `op` and `datatype` must be a supported pair. Thread-safe; never blocks or allocates.
//
// The same inputs give the same bits on every instruction set, at every alignment, however a range is cut into calls, and
// whatever the calling thread's floating-point mode. To that end each NaN in the result is the quiet NaN with neither sign
// nor payload (a single input is no exception), max(-0, 0) is 0 and min(-0, 0) is -0. What overflows is infinity; in float8
// e4m3, which has none, NaN.
//
// A user's function is called as function(inputs[k], accumulator) for k = 1, 2, ..., the accumulator holding inputs[0] at
// first. It is `target` itself where that is safe, else a piece of scratch memory at a time. Only if there are two inputs
// and `target` is the second is the call function(inputs[0], target). The function runs in the calling thread's
// floating-point mode, and writes as it likes, whatever `stores` says.
void reduce(const Operator& op, tuttiDataType_t datatype, std::span<const void* const> inputs, void* target, size_t count,
            Final final, Stores stores = Stores::cached);

// The same into several targets, 1 or more, none of which overlaps another; each may be inputs, or else overlaps none. Where `targets` agree modulo 64,
// as equal parts of buffers from large allocations do, streaming writes all of them at once, straight from registers; else the result is made in
// pieces on the stack, which are streamed to one target after another. A user's function sees the first target only, the others become copies of it.
void reduce(const Operator& op, tuttiDataType_t datatype, std::span<const void* const> inputs, std::span<void* const> targets, size_t count,
            Final final, Stores stores = Stores::cached);

// target[i] = source[i] * scalar, where `scalar` is one element of `datatype`; products of narrow types are made in float32,
// and integers wrap. `target` may be `source`, or else overlaps neither. Pointers, threads, rounding and NaN as for
// reduce().
void scale(tuttiDataType_t datatype, const void* source, const void* scalar, void* target, size_t count,
           Stores stores = Stores::cached);

// Copies `bytes` bytes between ranges of any alignment that do not overlap. Thread-safe; never blocks or allocates.
void copy(const void* source, void* target, size_t bytes, Stores stores);

// Whether the pair makes sense: bit operators take integers only.
bool is_supported(tuttiRedOp_t op, tuttiDataType_t datatype);

// The instruction set that run-time dispatch picked, by Highway's name: "AVX3" (AVX-512), "AVX2", "SSE4", "NEON".
const char* instruction_set();

}  // namespace tutti::reduce
