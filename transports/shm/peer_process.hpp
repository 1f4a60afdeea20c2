// SPDX-License-Identifier: Apache-2.0
// Whether this process can read the memory of another one, and how it does.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.hpp"

namespace tutti::transports::shm {

// A word of a process and what it holds, random: what its peers try to read.
struct Mark {
  uint64_t address = 0;
  uint64_t value = 0;
};
// This process's own.
Mark own_mark();

enum class Reach : uint8_t {
  none,
  readable,     // by read_process()
  same_process  // the peer is another rank of this process: all memory is
};

// How the memory of the process that showed `mark` is reached. The kernel vouches for `process_id`; 0: it did not tell. With `may_read` false other
// processes are not tried. Why one cannot be read is logged, once.
Reach find_reach(pid_t process_id, const Mark& mark, bool may_read);

// Copies from `address` of another process. Blocks as long as that takes. Errors: tuttiRemoteError naming the process, when it has ended, does not
// let itself be read, or has no such memory.
Status read_process(pid_t process_id, uint64_t address, std::span<std::byte> target);

}  // namespace tutti::transports::shm
