// SPDX-License-Identifier: Apache-2.0
#include "duo.hpp"

#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "peers/stopwatch.hpp"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

namespace tutti::calibrate {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20U;
constexpr std::int64_t kPatienceNs = 60'000'000'000;

bool has_two_cores() {
  static const bool has = [] {
    cpu_set_t allowed;
    return sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_COUNT(&allowed) >= 2;
  }();
  return has;
}

void bind_to_core(int index) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  index %= CPU_COUNT(&allowed);
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &allowed) || index-- != 0) continue;
    cpu_set_t own;
    CPU_ZERO(&own);
    CPU_SET(core, &own);
    sched_setaffinity(0, sizeof own, &own);
    return;
  }
}

float* map(std::size_t bytes, int flags, int file, off_t offset) {
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, file, offset);
  if (memory == MAP_FAILED) fail("mmap");
  return static_cast<float*>(memory);
}

// Shared memory gets huge pages only where address and file offset agree modulo their size.
float* map_aligned(std::size_t bytes, int file, off_t offset) {
  const auto reserved = reinterpret_cast<std::uintptr_t>(map(bytes + kHugePage, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  const std::uintptr_t aligned = (reserved + kHugePage - 1) / kHugePage * kHugePage;
  void* const memory = mmap(reinterpret_cast<void*>(aligned), bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, offset);
  if (memory == MAP_FAILED) fail("mmap");
  return static_cast<float*>(memory);
}

// Asks for huge pages where the kernel only collapses what has been touched; it may need more than one try.
Huge collapse(void* memory, std::size_t bytes) {
  for (int attempt = 0; attempt < 3; ++attempt) {
    if (madvise(memory, bytes, MADV_COLLAPSE) == 0) return Huge::taken;
    if (errno != EAGAIN) break;
  }
  return Huge::refused;
}

void prepare(Duo& duo, std::size_t bytes) {
  bind_to_core(duo.self);
  duo.processes[static_cast<std::size_t>(duo.self)] = getpid();
  const auto self = static_cast<std::size_t>(duo.self);
  std::memset(duo.inputs[self], 0, bytes);
  std::memset(duo.outputs[self], 0, bytes);
  const Huge input = collapse(duo.inputs[self], bytes);
  const Huge output = collapse(duo.outputs[self], bytes);
  duo.huge = input == Huge::taken && output == Huge::taken ? Huge::taken : Huge::refused;
  duo.private_input = map(bytes, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  duo.private_output = map(bytes, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  std::memset(duo.private_input, 0, bytes);
  std::memset(duo.private_output, 0, bytes);
  duo.temporary = map(Duo::kTemporaryBytes, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  duo.state->private_input[self] = reinterpret_cast<std::uint64_t>(duo.private_input);
}

}  // namespace

void fail(const char* what) {
  std::fprintf(stderr, "calibrate: %s: %s\n", what, std::strerror(errno));
  std::_Exit(1);
}

void Duo::wait_for(Line& line, std::uint64_t value) const {
  std::int64_t begin_ns = 0;
  for (std::uint64_t turn = 1; line.word.load(std::memory_order_acquire) < value; ++turn) {
    if (!has_two_cores()) sched_yield();
    if (turn % (1U << 20U) != 0) continue;
    if (begin_ns == 0) begin_ns = peers::monotonic_ns();
    if (peers::monotonic_ns() - begin_ns > kPatienceNs) {
      errno = ETIMEDOUT;
      fail("the other process");
    }
  }
}

void Duo::barrier() {
  ++barrier_count;
  state->arrivals[static_cast<std::size_t>(self)].word.store(barrier_count, std::memory_order_release);
  wait_for(state->arrivals[static_cast<std::size_t>(1 - self)], barrier_count);
}

int run_duo(std::size_t bytes, const std::function<void(Duo&)>& work) {
  bytes = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  Duo duo;
  has_two_cores();
  duo.state = reinterpret_cast<SharedState*>(map(sizeof(SharedState), MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const int file = memfd_create("calibrate", MFD_CLOEXEC);
  if (file < 0) fail("memfd_create");
  if (ftruncate(file, static_cast<off_t>(4 * bytes)) != 0) fail("ftruncate");
  for (std::size_t i = 0; i < 2; ++i) {
    duo.inputs[i] = map_aligned(bytes, file, static_cast<off_t>(2 * i * bytes));
    duo.outputs[i] = map_aligned(bytes, file, static_cast<off_t>((2 * i + 1) * bytes));
  }
  close(file);
  duo.processes[0] = getpid();
  std::fflush(stdout);
  const pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    duo.self = 1;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prepare(duo, bytes);
    duo.barrier();
    work(duo);
    std::_Exit(0);
  }
  duo.processes[1] = child;
  // Yama lets a process read its descendants; a descendant must be allowed by name to read its parent.
  prctl(PR_SET_PTRACER, static_cast<unsigned long>(child));
  prepare(duo, bytes);
  duo.barrier();
  work(duo);
  int status = 0;
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    std::fprintf(stderr, "calibrate: the second process failed\n");
    return 1;
  }
  return 0;
}

}  // namespace tutti::calibrate
