// SPDX-License-Identifier: Apache-2.0
// Notices the end of another process of this host.
#pragma once

#include <cstdint>

#include "base/descriptor.hpp"

namespace tutti::transports::ucx {

// When a process began, as the kernel counts it; 0 if there is none of this number. A number and a beginning name a process for ever.
uint64_t start_of_process(uint32_t process_id);

class ProcessWatch {
 public:
  ProcessWatch() = default;
  // Not valid() if there is no such process, or it cannot be watched.
  ProcessWatch(uint32_t process_id, uint64_t process_start);

  bool valid() const { return process_.valid(); }
  bool has_ended() const;
  uint32_t process_id() const { return process_id_; }

 private:
  uint32_t process_id_ = 0;
  Descriptor process_;
};

}  // namespace tutti::transports::ucx
