// SPDX-License-Identifier: Apache-2.0
#include "reduce/reduce.hpp"

#include <array>
#include <cassert>
#include <cstring>

#include "base/types.hpp"
#include "reduce/float_environment.hpp"
#include "reduce/kernel.hpp"
#include "reduce/user_function.hpp"

#include "hwy/cache_control.h"

namespace tutti::reduce {

namespace {

using Run = void (*)(tuttiDataType_t datatype, Kernel kernel, const Job& job);

constexpr std::array<Run, tuttiNumTypes> kRuns{
    &run_integers,       // int8
    &run_integers,       // uint8
    &run_integers,       // int32
    &run_integers,       // uint32
    &run_integers,       // int64
    &run_integers,       // uint64
    &run_narrow_floats,  // float16
    &run_wide_floats,    // float32
    &run_wide_floats,    // float64
    &run_narrow_floats,  // bfloat16
    &run_narrow_floats,  // float8e4m3
    &run_narrow_floats,  // float8e5m2
};

void run(tuttiDataType_t datatype, Kernel kernel, const Job& job) {
  const FloatEnvironment environment;
  kRuns[static_cast<size_t>(datatype)](datatype, kernel, job);
  if (job.stores == Stores::streaming) hwy::FlushStream();
}

// Until the final pass an average is a sum; dividing by one rank changes nothing.
Kernel kernel_of(const Operator& op, Final final) {
  if (op.op == tuttiAvg && (final == Final::no || op.rank_count <= 1)) return Kernel::sum;
  return static_cast<Kernel>(op.op);
}

}  // namespace

void reduce(const Operator& op, tuttiDataType_t datatype, std::span<const void* const> inputs, void* target, size_t count,
            Final final, Stores stores) {
  assert(!inputs.empty() && inputs.size() <= kMaxInputs);
  assert(op.function != nullptr || is_supported(op.op, datatype));
  if (count == 0) return;
  if (op.function != nullptr) {
    reduce_by_function(op, datatype, inputs, target, count);
    return;
  }
  run(datatype, kernel_of(op, final),
      Job{.inputs = inputs.data(),
          .input_count = inputs.size(),
          .target = target,
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
          .target = target,
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

bool is_supported(tuttiRedOp_t op, tuttiDataType_t datatype) {
  if (op < tuttiSum || op >= tuttiNumOps || size_of(datatype) == 0) return false;
  const bool of_bits = op == tuttiBand || op == tuttiBor || op == tuttiBxor;
  return !of_bits || !is_floating(datatype);
}

}  // namespace tutti::reduce
