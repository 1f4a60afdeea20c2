// SPDX-License-Identifier: Apache-2.0
// How fast the cores of a host move bytes that lie in their caches, themselves and by the kernel. The two differ by much from machine to machine, and not
// alike: which of them should carry a message within a host is decided by what this one does.
#pragma once

#include <cstdint>

namespace tutti::topology {

struct MemorySpeed {
  // A core that copies. Estimates of links and reductions within a host are those of a core that copies kReferenceCopyBytes_per_s.
  uint64_t copy_bytes_per_s = kReferenceCopyBytes_per_s;
  // The kernel that copies from another process (process_vm_readv), beside what the call takes.
  uint64_t fetch_bytes_per_s = kReferenceFetchBytes_per_s;

  // Both as measured on two cores of a Sapphire Rapids virtual machine.
  static constexpr uint64_t kReferenceCopyBytes_per_s = 43'000'000'000;
  static constexpr uint64_t kReferenceFetchBytes_per_s = 26'000'000'000;

  bool operator==(const MemorySpeed&) const = default;
};

// Beside what a call of process_vm_readv takes for its bytes; measured there too, and about the same elsewhere.
inline constexpr uint64_t kFetchOverhead_ns = 750;

// The nearest of few figures, so that measurements which differ a little decide alike: of copies the reference times a power of the
// root of two, from a quarter of it to four times, and of fetches times a power of the fourth root of two, from a sixteenth of it to twice.
MemorySpeed rounded(const MemorySpeed& measured);

// What takes `bytes_per_s` on the reference machine because cores copy or reduce.
uint64_t scaled_by_cores(uint64_t bytes_per_s, const MemorySpeed& speed);

// This machine's, rounded: measured once in a process, in about 0.2 ms. What cannot be measured is as on the reference machine.
const MemorySpeed& memory_speed_of_this_machine();

}  // namespace tutti::topology
