// SPDX-License-Identifier: Apache-2.0
#include "topology/memory_speed.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <vector>

#include "base/clock.hpp"
#include "base/log.hpp"

namespace tutti::topology {
namespace {

// Source and target together lie in the second-level cache of any processor of a server.
constexpr size_t kPieceBytes = 64 * 1024;
// The fastest counts: others run on this core too.
constexpr int kRuns = 16;

constexpr double kCopyStepsPerOctave = 2;
constexpr double kFetchStepsPerOctave = 4;

// `reference` times 2^(k / steps_per_octave) for the nearest whole k.
uint64_t nearest(uint64_t measured, uint64_t reference, double steps_per_octave, double least_octaves, double most_octaves) {
  const double octaves = std::log2(static_cast<double>(std::max<uint64_t>(measured, 1)) / static_cast<double>(reference));
  const double chosen = std::round(std::clamp(octaves, least_octaves, most_octaves) * steps_per_octave) / steps_per_octave;
  return static_cast<uint64_t>(std::llround(static_cast<double>(reference) * std::exp2(chosen)));
}

// Nanoseconds of the fastest run; 0 once `work` fails.
template <typename Work>
uint64_t fastest_ns(Work work) {
  uint64_t fastest = UINT64_MAX;
  for (int run = 0; run < kRuns; ++run) {
    const uint64_t begin_ns = monotonic_clock().now_ns();
    if (!work()) {
      return 0;
    }
    fastest = std::min(fastest, std::max<uint64_t>(monotonic_clock().now_ns() - begin_ns, 1));
  }
  return fastest;
}

uint64_t rate(uint64_t ns) { return kPieceBytes * 1'000'000'000 / ns; }

MemorySpeed measure() {
  std::vector<std::byte> source(kPieceBytes, std::byte{1});
  std::vector<std::byte> target(kPieceBytes, std::byte{2});
  MemorySpeed speed;
  speed.copy_bytes_per_s = rate(fastest_ns([&] {
    std::memcpy(target.data(), source.data(), kPieceBytes);
    asm volatile("" ::"r"(target.data()) : "memory");  // it is read
    return true;
  }));
  // Of this very process, which takes the kernel the same way.
  const pid_t self = ::getpid();
  const uint64_t fetch_ns = fastest_ns([&] {
    const iovec local{target.data(), kPieceBytes};
    const iovec remote{source.data(), kPieceBytes};
    return ::process_vm_readv(self, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(kPieceBytes);
  });
  if (fetch_ns != 0) {
    speed.fetch_bytes_per_s = rate(fetch_ns > kFetchOverhead_ns ? fetch_ns - kFetchOverhead_ns : 1);
  }
  return speed;
}

}  // namespace

MemorySpeed rounded(const MemorySpeed& measured) {
  return {.copy_bytes_per_s = nearest(measured.copy_bytes_per_s, MemorySpeed::kReferenceCopyBytes_per_s, kCopyStepsPerOctave, -2, 2),
          .fetch_bytes_per_s = nearest(measured.fetch_bytes_per_s, MemorySpeed::kReferenceFetchBytes_per_s, kFetchStepsPerOctave, -4, 1)};
}

uint64_t scaled_by_cores(uint64_t bytes_per_s, const MemorySpeed& speed) {
  __extension__ using Wide = unsigned __int128;
  const Wide scaled = Wide{bytes_per_s} * speed.copy_bytes_per_s / MemorySpeed::kReferenceCopyBytes_per_s;
  return static_cast<uint64_t>(std::min<Wide>(scaled, UINT64_MAX));
}

const MemorySpeed& memory_speed_of_this_machine() {
  static const MemorySpeed speed = [] {
    const MemorySpeed measured = measure();
    log::info("a core copies {:.1f} GB/s in its caches, the kernel {:.1f} GB/s from another process", static_cast<double>(measured.copy_bytes_per_s) / 1e9,
              static_cast<double>(measured.fetch_bytes_per_s) / 1e9);
    return rounded(measured);
  }();
  return speed;
}

}  // namespace tutti::topology
