// SPDX-License-Identifier: Apache-2.0
#include "control.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "stopwatch.hpp"

namespace tutti::peers {
namespace {

[[noreturn]] void fail(const std::string& what, const std::string& path) {
  std::fprintf(stderr, "measure: %s %s: %s\n", what.c_str(), path.c_str(), std::strerror(errno));
  std::_Exit(3);
}

}  // namespace

Control::Control(const std::string& folder, int rank, int rank_count, Waiting waiting)
    : rank_(rank), rank_count_(static_cast<std::uint32_t>(rank_count)), waiting_(waiting) {
  const std::string path = folder + "/control";
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) fail("open", path);
  if (ftruncate(file, sizeof(ControlSegment)) != 0) fail("ftruncate", path);
  void* const memory = mmap(nullptr, sizeof(ControlSegment), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) fail("mmap", path);
  close(file);
  segment_ = static_cast<ControlSegment*>(memory);
}

void Control::barrier() {
  const std::uint32_t generation = segment_->generation.load(std::memory_order_relaxed);
  // Acquire and release: the last rank takes over what the others wrote, and publishes it with its own.
  if (segment_->arrived_count.fetch_add(1, std::memory_order_acq_rel) + 1 == rank_count_) {
    segment_->arrived_count.store(0, std::memory_order_relaxed);
    segment_->generation.store(generation + 1, std::memory_order_release);
    return;
  }
  const std::int64_t begin_ns = monotonic_ns();
  for (std::uint64_t turn = 1; segment_->generation.load(std::memory_order_acquire) == generation; ++turn) {
    if (waiting_ == Waiting::yield) sched_yield();
    if (turn % 4096 != 0) continue;
    if (monotonic_ns() - begin_ns > kPatienceNs) {
      std::fprintf(stderr, "measure: rank %d: another rank has not come for %lld s\n", rank_, static_cast<long long>(kPatienceNs / 1'000'000'000));
      std::_Exit(3);
    }
  }
}

}  // namespace tutti::peers
