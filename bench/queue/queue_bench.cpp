// SPDX-License-Identifier: Apache-2.0
// The submission queue: one thread alone, and a producer and a consumer on two threads.
#include <benchmark/benchmark.h>
#include <sched.h>

#include <array>
#include <cstdint>
#include <thread>

#include "engine/queue.hpp"

namespace tutti::engine {
namespace {

constexpr uint32_t kCapacity = 1024;

template <size_t Bytes>
struct Item {
  std::array<std::byte, Bytes> bytes{};
};

// A push and the pop that takes it, on one thread: the cost without any contention.
template <size_t Bytes>
void push_then_pop(benchmark::State& state) {
  Queue<Item<Bytes>> queue(kCapacity);
  Item<Bytes> item;
  for (auto _ : state) {
    benchmark::DoNotOptimize(queue.try_push(item));
    benchmark::DoNotOptimize(queue.try_pop(&item));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(push_then_pop<8>);
BENCHMARK(push_then_pop<64>);
BENCHMARK(push_then_pop<256>);

// Bursts of `range` pushes, then as many pops: how a group is submitted.
void burst(benchmark::State& state) {
  Queue<Item<64>> queue(kCapacity);
  Item<64> item;
  for (auto _ : state) {
    for (int64_t i = 0; i < state.range(0); ++i) benchmark::DoNotOptimize(queue.try_push(item));
    for (int64_t i = 0; i < state.range(0); ++i) benchmark::DoNotOptimize(queue.try_pop(&item));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(burst)->Arg(8)->Arg(128)->Arg(1024);

// What an engine turn pays when nothing has been submitted.
void pop_from_empty(benchmark::State& state) {
  Queue<Item<64>> queue(kCapacity);
  Item<64> item;
  for (auto _ : state) benchmark::DoNotOptimize(queue.try_pop(&item));
}
BENCHMARK(pop_from_empty);

// Items a second from a producer thread to this one.
void across_threads(benchmark::State& state) {
  Queue<Item<64>> queue(kCapacity);
  std::jthread producer([&](const std::stop_token& stop) {
    const Item<64> item;
    while (!stop.stop_requested()) {
      if (!queue.try_push(item)) ::sched_yield();
    }
  });
  Item<64> item;
  for (auto _ : state) {
    while (!queue.try_pop(&item)) ::sched_yield();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(across_threads)->UseRealTime();

}  // namespace
}  // namespace tutti::engine

BENCHMARK_MAIN();
