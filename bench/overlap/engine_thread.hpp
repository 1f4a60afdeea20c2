// SPDX-License-Identifier: Apache-2.0
// The library's engine thread, as the kernel sees it.
#pragma once

#include <sched.h>

#include <cstdint>
#include <string>

namespace tutti::perf {

class EngineThread {
 public:
  // Finds the thread of this process that is named "tutti-engine"; there is one once a communicator has been made.
  EngineThread();

  // CPU time it has used so far. 0 where the kernel does not tell.
  uint64_t cpu_ns() const;
  void bind(const cpu_set_t& cores) const;

 private:
  std::string directory_;  // in /proc; empty: not found
};

}  // namespace tutti::perf
