// SPDX-License-Identifier: Apache-2.0
#include "engine/host_functions.hpp"

namespace tutti::engine {

HostFunctions::~HostFunctions() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void HostFunctions::add(const Call& call, std::shared_ptr<Stream> stream) {
  const std::lock_guard lock(mutex_);
  entries_.push_back(Entry{call, std::move(stream)});
  if (!thread_.joinable()) {
    thread_ = std::thread([this] { run(); });
  }
  changed_.notify_one();
}

void HostFunctions::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stop_ || !entries_.empty(); });
    if (entries_.empty()) {
      return;
    }
    const Entry entry = std::move(entries_.front());
    entries_.pop_front();
    lock.unlock();
    Status outcome;
    try {
      entry.call.function(entry.call.user_data);
    } catch (...) {  // a C function type does not keep C++ code from throwing
      outcome = invalid_usage("tuttiStreamLaunchHostFunc: the function threw an exception");
    }
    entry.stream->complete(outcome);
    lock.lock();
  }
}

}  // namespace tutti::engine
