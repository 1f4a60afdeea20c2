// SPDX-License-Identifier: Apache-2.0
// Two processes, each on a core of its own if there are two, that meet at barriers and see each other's shared buffers.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace tutti::calibrate {

struct alignas(64) Line {
  std::atomic<std::uint64_t> word;
};

// Lies in memory that both map; zero to begin with.
struct SharedState {
  // Each written by its own process with release, read by the other with acquire: how often it has come to the barrier.
  std::array<Line, 2> arrivals;
  std::array<Line, 2> exchange;
  // Written by process 0 before a barrier, read by process 1 after it.
  alignas(64) std::uint64_t decision;
  // Where process i's private buffers lie in its address space; written once before the first barrier.
  std::array<std::uint64_t, 2> private_input;
  std::array<double, 2> durations_ns;
};

enum class Huge { taken, refused };

// One process's view of both.
struct Duo {
  int self = 0;
  std::array<pid_t, 2> processes{};
  SharedState* state = nullptr;
  std::array<float*, 2> inputs{};   // shared, of either process
  std::array<float*, 2> outputs{};  // shared, of either process
  float* private_input = nullptr;   // 4 KiB pages, as malloc gives
  float* private_output = nullptr;
  float* temporary = nullptr;  // `kTemporaryBytes`
  Huge huge = Huge::refused;   // whether the shared buffers got huge pages
  std::uint64_t barrier_count = 0;

  static constexpr std::size_t kTemporaryBytes = std::size_t{256} << 10U;

  void barrier();
  // As the barrier, by the caller's own line: the least that two cores must do to agree.
  void wait_for(Line& line, std::uint64_t value) const;
};

// Ends this process; its message names errno.
[[noreturn]] void fail(const char* what);

// Forks, runs `work` in both processes with buffers of `bytes`, and returns 0, or a message on stderr and 1 when a step or the other process
// failed.
int run_duo(std::size_t bytes, const std::function<void(Duo&)>& work);

}  // namespace tutti::calibrate
