// SPDX-License-Identifier: Apache-2.0
#include "base/status.hpp"

#include <sys/resource.h>

#include <cerrno>
#include <cstring>

namespace tutti {

Status::Status(tuttiResult_t code, std::string message) : failure_(code == tuttiSuccess ? nullptr : new Failure{code, std::move(message)}) {}

// Relaxed: whoever copies a status holds it meanwhile.
void Status::share() const { failure_->owners.fetch_add(1, std::memory_order_relaxed); }

void Status::let_go() const {
  // Release what this owner read; acquire what the others did, before the last one deletes it.
  if (failure_->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    delete failure_;
  }
}

Status system_error(int error, std::string_view operation) {
  const char* name = strerrorname_np(error);
  rlimit descriptors{};
  const bool is_out_of_descriptors = error == EMFILE && ::getrlimit(RLIMIT_NOFILE, &descriptors) == 0;
  return failure(tuttiSystemError, "{}: {} ({}){}", operation, strerrordesc_np(error) ? strerrordesc_np(error) : "unknown error",
                 name != nullptr ? name : fmt::format("errno {}", error).c_str(),
                 is_out_of_descriptors ? fmt::format("; this process may have {} (RLIMIT_NOFILE, ulimit -n)", descriptors.rlim_cur) : "");
}

}  // namespace tutti
