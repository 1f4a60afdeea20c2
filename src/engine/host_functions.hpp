// SPDX-License-Identifier: Apache-2.0
// The thread on which users' host functions run, since they may block. It starts with the first one.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "engine/stream.hpp"

namespace tutti::engine {

class HostFunctions {
 public:
  struct Call {
    tuttiHostFunction_t function = nullptr;
    void* user_data = nullptr;
  };
  ~HostFunctions();

  // Runs `call` after those added before, then completes one piece of work of `stream`.
  void add(const Call& call, std::shared_ptr<Stream> stream);

 private:
  struct Entry {
    Call call;
    std::shared_ptr<Stream> stream;
  };
  void run();

  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::deque<Entry> entries_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace tutti::engine
