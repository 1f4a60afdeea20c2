// SPDX-License-Identifier: Apache-2.0
#include "reduce/reduce.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstring>

#include "base/types.hpp"
#include "reduce/float_environment.hpp"
#include "reduce/kernel.hpp"
#include "reduce/user_function.hpp"

#include "hwy/base.h"
#include "hwy/cache_control.h"

namespace tutti::reduce {

namespace {

using FindKernels = const KernelFunction* (*)(tuttiDataType_t datatype);

constexpr std::array<FindKernels, tuttiNumTypes> kFindKernels{
    &find_integer_kernels,       // int8
    &find_integer_kernels,       // uint8
    &find_integer_kernels,       // int32
    &find_integer_kernels,       // uint32
    &find_integer_kernels,       // int64
    &find_integer_kernels,       // uint64
    &find_narrow_float_kernels,  // float16
    &find_wide_float_kernels,    // float32
    &find_wide_float_kernels,    // float64
    &find_narrow_float_kernels,  // bfloat16
    &find_narrow_float_kernels,  // float8e4m3
    &find_narrow_float_kernels,  // float8e5m2
};

// By type; null until the type is first used. Any thread may write an entry, all write the same, and read it. Relaxed: it points to constants, so that
// nothing but itself is published.
constinit std::array<std::atomic<const KernelFunction*>, tuttiNumTypes> found_kernels{};

KernelFunction kernel_for(tuttiDataType_t datatype, Kernel kernel) {
  auto& found = found_kernels[static_cast<size_t>(datatype)];
  const KernelFunction* kernels = found.load(std::memory_order_relaxed);
  if (kernels == nullptr) [[unlikely]] {
    kernels = kFindKernels[static_cast<size_t>(datatype)](datatype);
    found.store(kernels, std::memory_order_relaxed);
  }
  return kernels[static_cast<size_t>(kernel)];
}

// Their lines have been read, so that streaming saves nothing, and it would throw them out of the caches.
bool are_inputs(const Job& job) {
  const std::span inputs(job.inputs, job.input_count);
  return std::ranges::all_of(std::span(job.targets, job.target_count), [&](void* target) { return std::ranges::find(inputs, target) != inputs.end(); });
}

// Whether one streaming store after another can fill a line of each target.
bool agree_on_lines(std::span<void* const> targets) {
  uintptr_t differences = 0;
  for (void* target : targets.subspan(1)) differences |= reinterpret_cast<uintptr_t>(target) ^ reinterpret_cast<uintptr_t>(targets[0]);
  return differences % kStreamedBytes == 0;
}

void stream_in_pieces(KernelFunction kernel, const Job& job, size_t element_bytes) {
  constexpr size_t kPieceBytes = 16 * 1024;  // stays in the first-level cache
  alignas(kStreamedBytes) std::byte piece[kPieceBytes];
  void* const piece_target = piece;
  const void* inputs[kMaxInputs];
  const size_t bytes = job.count * element_bytes;
  for (size_t offset = 0; offset < bytes; offset += kPieceBytes) {
    const size_t now = std::min(kPieceBytes, bytes - offset);
    for (size_t k = 0; k < job.input_count; ++k) inputs[k] = static_cast<const std::byte*>(job.inputs[k]) + offset;
    Job part = job;
    part.inputs = inputs;
    part.targets = &piece_target;
    part.target_count = 1;
    part.count = now / element_bytes;
    part.stores = Stores::cached;
    kernel(part);
    for (void* target : std::span(job.targets, job.target_count)) {
      stream_bytes(reinterpret_cast<const uint8_t*>(piece), static_cast<uint8_t*>(target) + offset, now);
    }
  }
}

// Apart from run(), whose short calls would pay for the registers it takes.
HWY_NOINLINE void stream(KernelFunction kernel, const Job& job, tuttiDataType_t datatype) {
  if (are_inputs(job)) {
    Job cached = job;
    cached.stores = Stores::cached;
    kernel(cached);
    return;
  }
  if (agree_on_lines(std::span(job.targets, job.target_count))) {
    kernel(job);
  } else {
    stream_in_pieces(kernel, job, size_of(datatype));
  }
  hwy::FlushStream();
}

void run(tuttiDataType_t datatype, Kernel kernel, const Job& job) {
  const FloatEnvironment environment;
  const KernelFunction function = kernel_for(datatype, kernel);
  if (job.stores == Stores::cached) {
    function(job);
  } else {
    stream(function, job, datatype);
  }
}

// Until the final pass an average is a sum; dividing by one rank changes nothing.
Kernel kernel_of(const Operator& op, Final final) {
  if (op.op == tuttiAvg && (final == Final::no || op.rank_count <= 1)) return Kernel::sum;
  return static_cast<Kernel>(op.op);
}

}  // namespace

void reduce(const Operator& op, tuttiDataType_t datatype, std::span<const void* const> inputs, void* target, size_t count,
            Final final, Stores stores) {
  reduce(op, datatype, inputs, std::span<void* const>(&target, 1), count, final, stores);
}

void reduce(const Operator& op, tuttiDataType_t datatype, std::span<const void* const> inputs, std::span<void* const> targets, size_t count,
            Final final, Stores stores) {
  assert(!targets.empty());
  assert(!inputs.empty() && inputs.size() <= kMaxInputs);
  assert(op.function != nullptr || is_supported(op.op, datatype));
  if (count == 0) return;
  if (op.function != nullptr) {
    reduce_by_function(op, datatype, inputs, targets[0], count);
    for (void* target : targets.subspan(1)) copy(targets[0], target, count * size_of(datatype), stores);
    return;
  }
  run(datatype, kernel_of(op, final),
      Job{.inputs = inputs.data(),
          .input_count = inputs.size(),
          .targets = targets.data(),
          .target_count = targets.size(),
          .count = count,
          .rank_count = op.rank_count,
          .factor = nullptr,
          .stores = stores});
}

void scale(tuttiDataType_t datatype, const void* source, const void* scalar, void* target, size_t count, Stores stores) {
  assert(size_of(datatype) != 0);
  if (count == 0) return;
  run(datatype, Kernel::scale,
      Job{.inputs = &source,
          .input_count = 1,
          .targets = &target,
          .target_count = 1,
          .count = count,
          .rank_count = 1,
          .factor = scalar,
          .stores = stores});
}

void copy(const void* source, void* target, size_t bytes, Stores stores) {
  if (bytes == 0) return;
  if (stores == Stores::cached) {
    std::memcpy(target, source, bytes);
    return;
  }
  stream_bytes(static_cast<const uint8_t*>(source), static_cast<uint8_t*>(target), bytes);
  hwy::FlushStream();
}

void forget_kernels() {
  for (auto& found : found_kernels) found.store(nullptr, std::memory_order_relaxed);
}

bool is_supported(tuttiRedOp_t op, tuttiDataType_t datatype) {
  if (op < tuttiSum || op >= tuttiNumOps || size_of(datatype) == 0) return false;
  const bool of_bits = op == tuttiBand || op == tuttiBor || op == tuttiBxor;
  return !of_bits || !is_floating(datatype);
}

}  // namespace tutti::reduce
