// SPDX-License-Identifier: Apache-2.0
// A stream orders work without holding it: every piece of work takes a ticket, starts once enough earlier work has completed, and counts
// itself as completed at the end. Whoever runs a piece of work, a communicator's executor or the engine, asks the stream for leave.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "base/status.hpp"

namespace tutti::engine {

class Executor;

class Stream {
 public:
  // Who runs work of the stream. An executor's own stream is written by one thread at a time on either side, tickets under the executor's lock and
  // completions by its owner, which costs no locked instruction.
  enum class Users : uint8_t { any, one_executor };
  explicit Stream(Users users = Users::any) : users_(users) {}

  // A ticket for one piece of work. Work of one group passes the group's first ticket as `start_at`, so that it runs side by side.
  struct Ticket {
    uint64_t start_at = 0;  // may start when `start_at` pieces of work have completed
  };

  // Takes the next ticket. Thread-safe, but for a stream of one executor.
  Ticket take() {
    // Relaxed: the queue through which the work travels publishes it.
    return Ticket{add_one(issued_, std::memory_order_relaxed)};
  }
  uint64_t issued() const { return issued_.load(std::memory_order_acquire); }

  // Acquire; pairs with the release in complete(): what earlier work wrote is visible to the work that may now start.
  bool may_start(const Ticket& ticket) const { return completed_.load(std::memory_order_acquire) >= ticket.start_at; }
  bool has_completed(uint64_t count) const { return completed_.load(std::memory_order_acquire) >= count; }

  // Called by whoever ran the work. The first failure is kept for take_failure().
  void complete(const Status& outcome) {
    if (!outcome.ok()) {
      keep_failure(outcome);
    }
    // Release; pairs with may_start and has_completed: publishes what the work wrote, and its failure.
    add_one(completed_, std::memory_order_acq_rel);
  }

  // The first failure since the last call, which it forgets.
  Status take_failure() { return has_failure() ? forget_failure() : Status(); }
  bool has_failure() const { return has_failure_.load(std::memory_order_acquire); }

  // The executor that last got work of this stream: a waiter carries its work on. May be empty.
  std::shared_ptr<Executor> executor() const;
  void remember_executor(Executor& executor) {
    // Relaxed: a stale answer only means that the lock is taken once more.
    if (executor_identity_.load(std::memory_order_relaxed) != &executor) {
      change_executor(executor);
    }
  }

 private:
  uint64_t add_one(std::atomic<uint64_t>& counter, std::memory_order order) const {
    if (users_ == Users::any) {
      return counter.fetch_add(1, order);
    }
    const uint64_t before = counter.load(std::memory_order_relaxed);
    counter.store(before + 1, std::memory_order_release);
    return before;
  }
  void keep_failure(const Status& outcome);
  void change_executor(Executor& executor);
  Status forget_failure();

  const Users users_;

  std::atomic<uint64_t> issued_{0};
  std::atomic<uint64_t> completed_{0};
  std::atomic<bool> has_failure_{false};
  mutable std::mutex mutex_;  // guards failure_ and executor_
  Status failure_;
  std::weak_ptr<Executor> executor_;
  std::atomic<const Executor*> executor_identity_{nullptr};  // compared only, so that remembering the same one again costs no lock
};

}  // namespace tutti::engine
