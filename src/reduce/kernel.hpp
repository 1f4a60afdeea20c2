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
  void* target;
  size_t count;         // elements
  uint32_t rank_count;  // Kernel::average divides by it
  const void* factor;   // Kernel::scale multiplies by it; one element
  Stores stores;        // of `target`; fenced by who calls the kernel
};

// What streaming stores fill at a time, from an address that is a multiple of it.
inline constexpr size_t kStreamedBytes = 64;

using KernelFunction = void (*)(const Job& job);

// Run one kernel on the best instruction set. Each takes the types its name says; bit operators are for integers.
void run_integers(tuttiDataType_t datatype, Kernel kernel, const Job& job);
void run_wide_floats(tuttiDataType_t datatype, Kernel kernel, const Job& job);
void run_narrow_floats(tuttiDataType_t datatype, Kernel kernel, const Job& job);
// copy() with streaming stores, less the fence.
void stream_bytes(const uint8_t* source, uint8_t* target, size_t bytes);

}  // namespace tutti::reduce
