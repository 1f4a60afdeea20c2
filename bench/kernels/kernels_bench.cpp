// SPDX-License-Identifier: Apache-2.0
// Reduction kernels: bytes read and written per second, by type, operator, number of inputs and bytes per input. Beside each
// sum of two inputs stands the scalar loop. From 64 KiB on, sums with either kind of stores stand beside copies and beside a loop that does nothing
// but move the same streams: what the memory allows. Choose with --benchmark_filter=reduce/float32/; compare in one run, with
// --benchmark_enable_random_interleaving=true --benchmark_repetitions=5.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"
#include "reduce/reduce.hpp"
#include "scalar_loops.hpp"
#include "traffic_loops.hpp"

namespace tutti::bench {
namespace {

constexpr size_t kElementOnly = 0;  // one element: what a call costs
constexpr size_t kInFirstLevelCache = 8 * 1024;
constexpr size_t kInSecondLevelCache = 128 * 1024;
constexpr size_t kInMemory = 256 * 1024 * 1024;
constexpr size_t kLineBytes = 64;

struct Shape {
  tuttiDataType_t datatype;
  tuttiRedOp_t op;
  size_t input_count;
  size_t bytes;  // of each input
  reduce::Stores stores = reduce::Stores::cached;

  size_t count() const { return bytes == kElementOnly ? 1 : bytes / size_of(datatype); }
};

// Ordinary numbers: small integers, or values of either sign about 1.
std::vector<uint8_t> make_numbers(const Shape& shape, uint64_t seed) {
  constexpr size_t kMostBytes = 64 * 1024;
  std::mt19937_64 random(seed);
  std::vector<uint8_t> numbers(std::min(shape.count() * size_of(shape.datatype), kMostBytes));
  if (!is_floating(shape.datatype)) {
    for (size_t i = 0; i < numbers.size(); i += 8) numbers[i] = static_cast<uint8_t>(random());
    return numbers;
  }
  for (auto& byte : numbers) byte = static_cast<uint8_t>(random() & 0x3F);
  // The high byte decides: 0x38 to 0x3F, with either sign, is about 1 in each of the types.
  for (size_t i = size_of(shape.datatype) - 1; i < numbers.size(); i += size_of(shape.datatype)) {
    numbers[i] = static_cast<uint8_t>(0x38 | (random() & 0x87));
  }
  return numbers;
}

// The same numbers over and over. Written, so that memory is the process's own.
std::vector<uint8_t> make_buffer(const Shape& shape, uint64_t seed) {
  const std::vector<uint8_t> numbers = make_numbers(shape, seed);
  std::vector<uint8_t> buffer(shape.count() * size_of(shape.datatype));
  for (size_t offset = 0; offset < buffer.size(); offset += numbers.size()) {
    std::memcpy(&buffer[offset], numbers.data(), std::min(numbers.size(), buffer.size() - offset));
  }
  return buffer;
}

struct Buffers {
  explicit Buffers(const Shape& shape) : room(shape.count() * size_of(shape.datatype) + kLineBytes) {
    for (size_t k = 0; k < shape.input_count; ++k) inputs.push_back(make_buffer(shape, k));
    for (const auto& input : inputs) pointers.push_back(input.data());
  }

  std::vector<std::vector<uint8_t>> inputs;
  uint8_t* target() { return room.data() + (0 - reinterpret_cast<uintptr_t>(room.data())) % kLineBytes; }

  std::vector<const void*> pointers;
  std::vector<uint8_t> room;  // for the target, at the beginning of a line
};

void count_bytes(benchmark::State& state, const Shape& shape) {
  const size_t bytes = (shape.input_count + 1) * shape.count() * size_of(shape.datatype);
  state.SetBytesProcessed(static_cast<int64_t>(static_cast<size_t>(state.iterations()) * bytes));
}

void run_kernel(benchmark::State& state, const Shape& shape) {
  Buffers buffers(shape);
  const reduce::Operator op{.op = shape.op, .rank_count = static_cast<uint32_t>(shape.input_count)};
  for (auto _ : state) {
    reduce::reduce(op, shape.datatype, buffers.pointers, buffers.target(), shape.count(), reduce::Final::yes, shape.stores);
    benchmark::ClobberMemory();
  }
  count_bytes(state, shape);
}

void run_scalar_loop(benchmark::State& state, const Shape& shape) {
  Buffers buffers(shape);
  for (auto _ : state) {
    scalar_sum(shape.datatype, buffers.pointers[0], buffers.pointers[1], buffers.target(), shape.count());
    benchmark::ClobberMemory();
  }
  count_bytes(state, shape);
}

void run_copy(benchmark::State& state, const Shape& shape) {
  Buffers buffers(shape);
  for (auto _ : state) {
    reduce::copy(buffers.pointers[0], buffers.target(), shape.bytes, shape.stores);
    benchmark::ClobberMemory();
  }
  count_bytes(state, shape);
}

void run_traffic_loop(benchmark::State& state, const Shape& shape) {
  Buffers buffers(shape);
  for (auto _ : state) {
    move_streams(buffers.pointers, buffers.target(), shape.bytes, shape.stores);
    benchmark::ClobberMemory();
  }
  count_bytes(state, shape);
}

std::string title(std::string_view prefix, const Shape& shape) {
  return std::string(prefix) + "/" + std::string(name_of(shape.datatype)) + "/" + std::string(name_of(shape.op)) +
         "/inputs:" + std::to_string(shape.input_count) + "/bytes:" + std::to_string(shape.count() * size_of(shape.datatype));
}

void add(const Shape& shape) {
  benchmark::RegisterBenchmark(title("reduce", shape).c_str(), run_kernel, shape);
  if (shape.op == tuttiSum && shape.input_count == 2 && shape.bytes != kElementOnly) {
    benchmark::RegisterBenchmark(title("scalar", shape).c_str(), run_scalar_loop, shape);
  }
}

void add_stores() {
  for (const size_t bytes : {64 << 10, 1 << 20, 8 << 20, 64 << 20}) {
    for (const auto stores : {reduce::Stores::cached, reduce::Stores::streaming}) {
      const std::string end = "/bytes:" + std::to_string(bytes) + (stores == reduce::Stores::streaming ? "/streaming" : "/cached");
      benchmark::RegisterBenchmark(("copy" + end).c_str(), run_copy, Shape{tuttiUint8, tuttiSum, 1, bytes, stores});
      for (const size_t input_count : {1, 2, 4, 8}) {
        const std::string middle = "/inputs:" + std::to_string(input_count);
        benchmark::RegisterBenchmark(("traffic" + middle + end).c_str(), run_traffic_loop, Shape{tuttiUint8, tuttiSum, input_count, bytes, stores});
        if (input_count == 1) continue;
        for (const auto datatype : {tuttiFloat32, tuttiBfloat16}) {
          benchmark::RegisterBenchmark(("stores/" + std::string(name_of(datatype)) + middle + end).c_str(), run_kernel,
                                       Shape{datatype, tuttiSum, input_count, bytes, stores});
        }
      }
    }
  }
}

void add_all() {
  for (int type = 0; type < tuttiNumTypes; ++type) {
    const auto datatype = static_cast<tuttiDataType_t>(type);
    for (const size_t bytes : {kElementOnly, kInFirstLevelCache, kInSecondLevelCache, kInMemory}) {
      for (const size_t input_count : {2, 4, 8}) {
        if (bytes == kInMemory && input_count > 2) continue;
        add({datatype, tuttiSum, input_count, bytes});
      }
    }
    for (int op = tuttiProd; op < tuttiNumOps; ++op) {
      const auto as_op = static_cast<tuttiRedOp_t>(op);
      if (reduce::is_supported(as_op, datatype)) add({datatype, as_op, 2, kInFirstLevelCache});
    }
  }
}

}  // namespace
}  // namespace tutti::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::AddCustomContext("instruction_set", tutti::reduce::instruction_set());
  tutti::bench::add_all();
  tutti::bench::add_stores();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
