// SPDX-License-Identifier: Apache-2.0
// A call on a communicator of one rank: all of Tutti but the links. Enqueue and wait, enqueue alone, groups, barrier, query.
#include <benchmark/benchmark.h>
#include <tutti/tutti.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

void require(tuttiResult_t result, const char* call) {
  if (result == tuttiSuccess) return;
  std::fprintf(stderr, "call_bench: %s: %s: %s\n", call, tuttiGetErrorString(result), tuttiGetLastError(nullptr));
  std::exit(3);
}

// A communicator of one rank and a stream.
class World {
 public:
  World() {
    require(tuttiCommInitAll(&comm_, 1, nullptr), "tuttiCommInitAll");
    require(tuttiStreamCreate(&stream_), "tuttiStreamCreate");
  }
  ~World() {
    tuttiStreamDestroy(stream_);
    tuttiCommDestroy(comm_);
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  tuttiComm_t comm() const { return comm_; }
  tuttiStream_t stream() const { return stream_; }
  void wait() const { require(tuttiStreamSynchronize(stream_), "tuttiStreamSynchronize"); }

 private:
  tuttiComm_t comm_ = nullptr;
  tuttiStream_t stream_ = nullptr;
};

struct Data {
  explicit Data(size_t count) : send(count, 1.0f), receive(count) {}
  std::vector<float> send;
  std::vector<float> receive;
};

void all_reduce(const World& world, Data& data) {
  require(tuttiAllReduce(data.send.data(), data.receive.data(), data.send.size(), tuttiFloat32, tuttiSum, world.comm(),
                         world.stream()),
          "tuttiAllReduce");
}

void enqueue_and_wait(benchmark::State& state) {
  const World world;
  Data data(static_cast<size_t>(state.range(0)) / sizeof(float));
  for (auto _ : state) {
    all_reduce(world, data);
    world.wait();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(enqueue_and_wait)->Arg(8)->Arg(1 << 10)->Arg(64 << 10)->Arg(1 << 20)->UseRealTime();

// `range` calls, then one wait; an item is one call.
void enqueue_many_and_wait(benchmark::State& state) {
  const World world;
  Data data(2);
  for (auto _ : state) {
    for (int64_t i = 0; i < state.range(0); ++i) all_reduce(world, data);
    world.wait();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(enqueue_many_and_wait)->Arg(16)->Arg(256)->UseRealTime();

void group_of(benchmark::State& state) {
  const World world;
  Data data(2);
  for (auto _ : state) {
    require(tuttiGroupStart(), "tuttiGroupStart");
    for (int64_t i = 0; i < state.range(0); ++i) all_reduce(world, data);
    require(tuttiGroupEnd(), "tuttiGroupEnd");
    world.wait();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(group_of)->Arg(1)->Arg(16)->UseRealTime();

void barrier_and_wait(benchmark::State& state) {
  const World world;
  for (auto _ : state) {
    require(tuttiBarrier(world.comm(), world.stream()), "tuttiBarrier");
    world.wait();
  }
}
BENCHMARK(barrier_and_wait)->UseRealTime();

void wait_for_nothing(benchmark::State& state) {
  const World world;
  for (auto _ : state) world.wait();
}
BENCHMARK(wait_for_nothing)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
