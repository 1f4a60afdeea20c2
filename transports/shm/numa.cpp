// SPDX-License-Identifier: Apache-2.0
#include "transports/shm/numa.hpp"

#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

namespace tutti::transports::shm {

bool prefer_own_node(std::span<std::byte> memory) {
  constexpr unsigned kMostNodes = 1024;  // the kernel's limit
  constexpr unsigned kBits = 8 * sizeof(unsigned long);
  unsigned processor = 0;
  unsigned node = 0;
  if (::getcpu(&processor, &node) != 0 || node >= kMostNodes) {
    return false;
  }
  std::array<unsigned long, kMostNodes / kBits> nodes{};
  nodes[node / kBits] = 1ul << node % kBits;
  // The kernel takes the last bit for a terminator.
  return ::syscall(SYS_mbind, memory.data(), memory.size(), MPOL_PREFERRED, nodes.data(), kMostNodes + 1, 0) == 0;
}

}  // namespace tutti::transports::shm
