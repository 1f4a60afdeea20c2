// SPDX-License-Identifier: Apache-2.0
// Which stores an allreduce of two ranks in each other's memory wants: two threads on two processors reduce a half each of two inputs into two
// outputs, with cached and with streaming stores in turn, and meet before and after. What one kind of stores leaves in the caches would favour or
// burden the other, so the first calls of a turn are not timed. With one set of buffers they are the same each time; with four sets, the next
// call's are others, and have left what caches are smaller than the four. In place, the outputs are the inputs, and both kinds are cached stores.
//
//   direct_bench [piece_bytes]   default 65536: how much the kernel gets at a time
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "reduce/reduce.hpp"

namespace tutti::bench {
namespace {

constexpr size_t kRanks = 2;
constexpr size_t kMostSets = 4;
constexpr size_t kMostBytes = 64 << 20;
constexpr size_t kPageBytes = 4096;

enum class InPlace { no, yes };

struct Shape {
  size_t bytes = 0;  // of a vector
  size_t set_count = 1;
  InPlace in_place = InPlace::no;
  size_t piece_bytes = 0;
};

// Vectors of a set, an input and an output for each rank. Not aligned to each other beyond a page, as large allocations are.
struct Set {
  std::array<std::byte*, kRanks> inputs;
  std::array<std::byte*, kRanks> outputs;
};

std::byte* allocate() {
  void* const memory = mmap(nullptr, kMostBytes + kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    std::perror("mmap");
    std::exit(1);
  }
  madvise(memory, kMostBytes + kPageBytes, MADV_HUGEPAGE);
  std::memset(memory, 0, kMostBytes + kPageBytes);
  return static_cast<std::byte*>(memory);
}

// All of the buffers, made once: shapes use the first bytes.
std::vector<Set> make_sets() {
  std::vector<Set> sets(kMostSets);
  for (Set& set : sets) {
    for (size_t rank = 0; rank < kRanks; ++rank) {
      set.inputs[rank] = allocate();
      set.outputs[rank] = allocate();
    }
  }
  return sets;
}

// Both threads write and read; the last to come lets go, release, whoever waits, acquire.
class Meeting {
 public:
  void meet() {
    const uint32_t round = round_.load(std::memory_order_acquire);
    if (come_.fetch_add(1, std::memory_order_acq_rel) + 1 == kRanks) {
      come_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      return;
    }
    while (round_.load(std::memory_order_acquire) == round) {
    }
  }

 private:
  std::atomic<uint32_t> come_{0};
  std::atomic<uint32_t> round_{0};
};

void reduce_half(const Shape& shape, const Set& set, size_t rank, reduce::Stores stores) {
  const auto& outputs = shape.in_place == InPlace::yes ? set.inputs : set.outputs;
  const size_t half = shape.bytes / kRanks;
  for (size_t offset = 0; offset < half; offset += shape.piece_bytes) {
    const size_t begin = rank * half + offset;
    const size_t bytes = std::min(shape.piece_bytes, half - offset);
    const std::array<const void*, kRanks> inputs{set.inputs[0] + begin, set.inputs[1] + begin};
    const std::array<void*, kRanks> targets{outputs[rank] + begin, outputs[1 - rank] + begin};
    reduce::reduce({.op = tuttiSum}, tuttiFloat32, inputs, targets, bytes / sizeof(float), reduce::Final::yes, stores);
  }
}

void bind_to_processor(size_t processor) {
  cpu_set_t processors;
  CPU_ZERO(&processors);
  CPU_SET(processor, &processors);
  pthread_setaffinity_np(pthread_self(), sizeof processors, &processors);
}

// Microseconds of an allreduce, by kind of stores: of the rounds, the fifth that others disturbed least.
std::array<double, 2> undisturbed_us(const Shape& shape, const std::vector<Set>& sets) {
  constexpr size_t kRounds = 15;
  const size_t untimed = 4 * shape.set_count;
  const size_t repetitions = std::clamp<size_t>((16 << 20) / shape.bytes, 4 * shape.set_count, 32);
  std::array<std::vector<double>, 2> times;
  Meeting meeting;
  const auto run = [&](size_t rank) {
    bind_to_processor(rank);
    for (size_t round = 0; round < kRounds; ++round) {
      for (const auto stores : {reduce::Stores::cached, reduce::Stores::streaming}) {
        std::chrono::steady_clock::time_point begin;
        for (size_t repetition = 0; repetition < untimed + repetitions; ++repetition) {
          meeting.meet();
          if (repetition == untimed) begin = std::chrono::steady_clock::now();
          reduce_half(shape, sets[repetition % shape.set_count], rank, stores);
        }
        meeting.meet();
        const std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - begin;
        if (rank == 0) times[static_cast<size_t>(stores)].push_back(taken.count() / static_cast<double>(repetitions));
      }
    }
  };
  std::thread peer(run, 1);
  run(0);
  peer.join();
  std::array<double, 2> undisturbed{};
  for (size_t kind = 0; kind < undisturbed.size(); ++kind) {
    std::sort(times[kind].begin(), times[kind].end());
    undisturbed[kind] = times[kind][kRounds / 5];
  }
  return undisturbed;
}

}  // namespace
}  // namespace tutti::bench

int main(int argc, char** argv) {
  using namespace tutti::bench;
  const size_t piece_bytes = argc > 1 ? std::strtoull(argv[1], nullptr, 10) & ~size_t{63} : 64 << 10;
  if (argc > 2 || piece_bytes == 0 || std::thread::hardware_concurrency() < kRanks) {
    std::fprintf(stderr, "usage: direct_bench [piece_bytes], at least 64, on a machine of two processors\n");
    return 2;
  }
  const std::vector<Set> sets = make_sets();
  std::printf("%9s %5s %9s %12s %12s %7s\n", "bytes", "sets", "in place", "cached us", "streaming us", "ratio");
  for (const InPlace in_place : {InPlace::no, InPlace::yes}) {
    for (const size_t set_count : {size_t{1}, kMostSets}) {
      for (size_t bytes = 256 << 10; bytes <= kMostBytes; bytes *= 2) {
        const auto [cached, streaming] = undisturbed_us({bytes, set_count, in_place, piece_bytes}, sets);
        std::printf("%9zu %5zu %9s %12.1f %12.1f %7.2f\n", bytes, set_count, in_place == InPlace::yes ? "yes" : "no", cached, streaming,
                    streaming / cached);
        std::fflush(stdout);
      }
    }
  }
  return 0;
}
