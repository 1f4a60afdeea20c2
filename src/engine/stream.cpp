// SPDX-License-Identifier: Apache-2.0
#include "engine/stream.hpp"

#include "engine/executor.hpp"

namespace tutti::engine {

void Stream::keep_failure(const Status& outcome) {
  const std::lock_guard lock(mutex_);
  if (failure_.ok()) {
    failure_ = outcome;
  }
  // Release; pairs with has_failure.
  has_failure_.store(true, std::memory_order_release);
}

Status Stream::forget_failure() {
  const std::lock_guard lock(mutex_);
  has_failure_.store(false, std::memory_order_release);
  return std::exchange(failure_, Status());
}

std::shared_ptr<Executor> Stream::executor() const {
  const std::lock_guard lock(mutex_);
  return executor_.lock();
}

void Stream::change_executor(Executor& executor) {
  const std::lock_guard lock(mutex_);
  executor_ = executor.weak_from_this();
  executor_identity_.store(&executor, std::memory_order_relaxed);
}

}  // namespace tutti::engine
