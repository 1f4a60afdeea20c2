// SPDX-License-Identifier: Apache-2.0
// Ranks as threads of this process, each with its communicator, over real transports.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "tutti/tutti.h"

namespace tutti::tests {

struct ThreadWorldOptions {
  int rank_count = 2;
  std::string transports = {};  // as tuttiConfig_t's; empty: the default
  std::string algorithms = {};
};

class ThreadWorld {
 public:
  // Brings the communicators up; failures() tells when that went wrong.
  explicit ThreadWorld(ThreadWorldOptions options);
  // Destroys them, all ranks at a time.
  ~ThreadWorld();
  ThreadWorld(const ThreadWorld&) = delete;
  ThreadWorld& operator=(const ThreadWorld&) = delete;

  int rank_count() const { return options_.rank_count; }
  tuttiComm_t comm(int rank) const { return comms_[static_cast<size_t>(rank)]; }
  tuttiConfig_t config() const;

  // Calls body(rank) in a thread per rank and waits for all. A text other than the empty one is a failure.
  void run(const std::function<std::string(int rank)>& body);
  // The first failures so far, a line each.
  std::string failures() const;

 private:
  void note(const std::string& failure);

  ThreadWorldOptions options_;
  std::vector<tuttiComm_t> comms_;
  mutable std::mutex mutex_;
  std::string failures_;
  int failure_count_ = 0;
};

}  // namespace tutti::tests
