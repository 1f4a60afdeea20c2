// SPDX-License-Identifier: Apache-2.0
// The seam between reduce(), which is compiled once, and the kernels, which are compiled once for each instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "reduce/reduce.hpp"
#include "tutti/tutti.h"

namespace tutti::reduce {

// What one pass over the data does. The first eight have the values of tuttiRedOp_t.
enum class Kernel : uint8_t { sum, prod, max, min, average, band, bor, bxor, scale };
inline constexpr size_t kKernelCount = 9;

// One call. Kept free of member functions: code shared by files compiled for different instruction sets must not be emitted
// by them.
struct Job {
  const void* const* inputs;
  size_t input_count;  // at least 1
  void* const* targets;
  size_t target_count;  // at least 1
  size_t count;         // elements
  uint32_t rank_count;  // Kernel::average divides by it
  const void* factor;   // Kernel::scale multiplies by it; one element
  Stores stores;        // streaming only where lines begin at the same elements of all targets; fenced by who calls the kernel
};

// What streaming stores fill at a time, from an address that is a multiple of it.
inline constexpr size_t kStreamedBytes = 64;

using KernelFunction = void (*)(const Job& job);

// A type's kernels for the best instruction set, kKernelCount constants in the order of Kernel. Each takes the types its name says; where there is no
// kernel, bit operators on floats, the pointer is null.
const KernelFunction* find_integer_kernels(tuttiDataType_t datatype);
const KernelFunction* find_wide_float_kernels(tuttiDataType_t datatype);
const KernelFunction* find_narrow_float_kernels(tuttiDataType_t datatype);
// reduce() and scale() look for a type's kernels once; a test that forces another instruction set has them look again. No other thread may be in them.
void forget_kernels();
// copy() with streaming stores, less the fence.
void stream_bytes(const uint8_t* source, uint8_t* target, size_t bytes);

}  // namespace tutti::reduce
