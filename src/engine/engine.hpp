// SPDX-License-Identifier: Apache-2.0
// One per process: the thread that guarantees progress when nobody waits, and the work on streams that belongs to no communicator.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "engine/executor.hpp"
#include "engine/host_functions.hpp"
#include "engine/stream.hpp"

namespace tutti::engine {

class Engine {
 public:
  enum class Thread : uint8_t { none, dedicated };  // none: in simulation and in tests, which turn executors themselves
  Engine(const Clock& clock, Thread thread);
  ~Engine();

  // The process's own. Made at the first call, with a thread; ends with the process.
  static Engine& process();
  // A child of fork() has no engine thread and half-copied connections: nothing of Tutti works there.
  static bool has_forked() { return forked_.load(std::memory_order_relaxed); }

  void attach(std::shared_ptr<Executor> executor);
  // Afterwards the engine does not touch `executor` any more.
  void detach(const Executor& executor);

  // Work was submitted. Costs a load unless the thread sleeps.
  void notify();
  // Turns executors that nobody owns, except `busy`; for waiters with nothing else to do.
  size_t help(const Executor& busy);

  // Later work on `stream` waits until `count` pieces of work of `other` have completed.
  void wait_on_stream(const std::shared_ptr<Stream>& stream, std::shared_ptr<Stream> other, uint64_t count);
  void launch_host_function(const std::shared_ptr<Stream>& stream, tuttiHostFunction_t function, void* user_data);
  // Blocks, carrying on work, until `stream` has completed `count` pieces of work.
  void wait_for(const std::shared_ptr<Stream>& stream, uint64_t count);

 private:
  struct StreamItem {
    std::shared_ptr<Stream> stream;
    Stream::Ticket ticket;
    std::shared_ptr<Stream> awaited;  // null: a host function
    uint64_t awaited_count = 0;
    HostFunctions::Call call;
  };

  void run();
  size_t turn_unowned(const Executor* except);
  size_t turn_stream_items();
  void add_item(StreamItem item);
  // Pending work: none; all of it carried on by waiters (or by a host function); some that nobody carries on just now, but a thread has waited a
  // moment ago and may do so again; some that only this thread carries on.
  enum class Load : uint8_t { none, attended, doubtful, unattended };
  struct Round {
    size_t worked = 0;  // where only this thread does
    Load load = Load::none;
  };
  Round turn_all();
  bool has_work();
  // Whether there was work, or somebody woke it.
  bool sleep_deeply();

  static inline std::atomic<bool> forked_{false};  // set in the child, which has one thread

  const Clock& clock_;
  std::shared_mutex executors_mutex_;  // shared while turning, exclusive to attach and detach
  std::vector<std::shared_ptr<Executor>> executors_;

  std::mutex items_mutex_;
  std::vector<StreamItem> items_;
  std::atomic<size_t> item_count_{0};  // items_.size(), to look without the lock; written under items_mutex_
  HostFunctions host_functions_;

  std::mutex sleep_mutex_;
  std::condition_variable wake_;
  bool woken_ = false;                      // guarded by sleep_mutex_
  std::atomic<bool> sleeps_deeply_{false};  // written by the thread, read by notify(); a missed wake-up costs one sleep at most
  std::atomic<bool> crowded_{false};        // ranks share cores; written by attach, read by the thread; a hint
  std::atomic<bool> stop_{false};           // written by the destructor, read by the thread
  std::thread thread_;
};

}  // namespace tutti::engine
