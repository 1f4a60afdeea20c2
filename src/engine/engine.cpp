// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.hpp"

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/descriptor.hpp"
#include "base/log.hpp"

namespace tutti::engine {

namespace {

// Work that only this thread carries on is looked at without a pause for so long after it last went on, unless ranks share cores; then between naps,
// never yields: on a core shared with a thread that computes, who yields waits for the other's time slice to end, who wakes up does not.
constexpr uint64_t kSpinNs = 20'000;
constexpr uint64_t kFirstNapNs = 20'000;
constexpr uint64_t kPromptNapNs = 100'000;
// Between two looks that tell a thread that waits again and again from one that has gone on to compute. A look takes a core from somebody, 25 us of
// it on a virtual machine: an allreduce of 2 KiB took 2.0 us on average instead of 1.2 while there was one every 100 us.
constexpr uint64_t kDoubtNapNs = 50'000;
// A peer that lets this thread wait gets naps of a share of the time waited, so that waiting costs little and is not made much longer.
constexpr uint64_t kWaitPerNap = 16;
// The longest nap: also while work is pending but waiters carry it on, or while it may come back any moment, if none was left to this thread lately.
constexpr uint64_t kLongNapNs = 1'000'000;
// Without work for so long, the thread sleeps until notified, looking after idle peers at the interval below.
constexpr uint64_t kAwakeNs = 10'000'000;
constexpr auto kDeepSleep = std::chrono::milliseconds(20);

void nap(uint64_t duration_ns) {
  const timespec duration{0, static_cast<long>(duration_ns)};
  nanosleep(&duration, nullptr);
}

// The kernel's struct sched_attr, which older C libraries do not declare.
struct SchedulingAttributes {
  uint32_t size_bytes;
  uint32_t policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime_ns;
  uint64_t deadline_ns;
  uint64_t period_ns;
};

// The thread often shares a core with one that computes. With a short time slice it runs soon after it wakes (from Linux 6.12 on, where a slice is
// not the share of the core that a thread gets), instead of when the other's slice ends, milliseconds later. Naps of the duration asked for need a
// small timer slack. Both are wishes: a kernel that does not grant them costs latency only.
void ask_for_prompt_wakeups() {
  constexpr uint64_t kSliceNs = 100'000;  // the least there is
  constexpr unsigned long kTimerSlackNs = 1'000;
  prctl(PR_SET_TIMERSLACK, kTimerSlackNs, 0, 0, 0);
  SchedulingAttributes attributes{};
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0 || attributes.policy != SCHED_OTHER) {
    return;
  }
  attributes.size_bytes = sizeof attributes;
  attributes.flags = 0;
  attributes.runtime_ns = kSliceNs;
  (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace

Engine::Engine(const Clock& clock, Thread thread) : clock_(clock) {
  if (thread == Thread::dedicated) {
    thread_ = std::thread([this] { run(); });
    pthread_setname_np(thread_.native_handle(), "tutti-engine");
  }
}

Engine::~Engine() {
  stop_.store(true, std::memory_order_relaxed);
  {
    const std::lock_guard lock(sleep_mutex_);
    woken_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) {
    thread_.join();
  }
}

Engine& Engine::process() {
  // Never destroyed: other static objects' destructors may still use communicators, and a join at exit could hang a dying process.
  static Engine* const engine = [] {
    make_room_for_descriptors();
    pthread_atfork(nullptr, nullptr, [] { forked_.store(true, std::memory_order_relaxed); });
    return new Engine(monotonic_clock(), Thread::dedicated);
  }();
  return *engine;
}

void Engine::attach(std::shared_ptr<Executor> executor) {
  {
    const std::unique_lock lock(executors_mutex_);
    if (executor->options().crowding == Crowding::crowded) {
      crowded_.store(true, std::memory_order_relaxed);
    }
    executors_.push_back(std::move(executor));
  }
  notify();
}

void Engine::detach(const Executor& executor) {
  const std::unique_lock lock(executors_mutex_);
  std::erase_if(executors_, [&](const auto& attached) { return attached.get() == &executor; });
}

void Engine::notify() {
  // Relaxed: if the thread falls asleep at this very moment it wakes by itself after kDeepSleep.
  if (!sleeps_deeply_.load(std::memory_order_relaxed)) {
    return;
  }
  {
    const std::lock_guard lock(sleep_mutex_);
    woken_ = true;
  }
  wake_.notify_one();
}

size_t Engine::help(const Executor& busy) {
  size_t worked = turn_unowned(&busy);
  if (item_count_.load(std::memory_order_acquire) != 0) {
    worked += turn_stream_items();
  }
  return worked;
}

size_t Engine::turn_unowned(const Executor* except) {
  const std::shared_lock lock(executors_mutex_, std::try_to_lock);
  if (!lock.owns_lock()) {
    return 0;
  }
  size_t worked = 0;
  for (const auto& executor : executors_) {
    if (executor.get() != except && executor->has_work() && executor->try_claim()) {
      worked += executor->turn();
      executor->release_ownership();
    }
  }
  return worked;
}

void Engine::wait_on_stream(const std::shared_ptr<Stream>& stream, std::shared_ptr<Stream> other, uint64_t count) {
  if (other->has_completed(count)) {
    return;
  }
  add_item(StreamItem{.stream = stream, .ticket = stream->take(), .awaited = std::move(other), .awaited_count = count, .call = {}});
}

void Engine::launch_host_function(const std::shared_ptr<Stream>& stream, tuttiHostFunction_t function, void* user_data) {
  add_item(StreamItem{.stream = stream,
                      .ticket = stream->take(),
                      .awaited = nullptr,
                      .awaited_count = 0,
                      .call = {.function = function, .user_data = user_data}});
}

void Engine::add_item(StreamItem item) {
  {
    const std::lock_guard lock(items_mutex_);
    items_.push_back(std::move(item));
    item_count_.store(items_.size(), std::memory_order_release);
  }
  notify();
}

size_t Engine::turn_stream_items() {
  const std::lock_guard lock(items_mutex_);
  size_t worked = 0;
  for (size_t index = 0; index < items_.size();) {
    StreamItem& item = items_[index];
    const bool ready = item.stream->may_start(item.ticket) &&
                       (item.awaited == nullptr || item.awaited->has_completed(item.awaited_count));
    if (!ready) {
      ++index;
      continue;
    }
    if (item.awaited != nullptr) {
      item.stream->complete(Status());
    } else {
      host_functions_.add(item.call, std::move(item.stream));
    }
    items_.erase(items_.begin() + static_cast<ptrdiff_t>(index));
    ++worked;
  }
  item_count_.store(items_.size(), std::memory_order_release);
  return worked;
}

void Engine::wait_for(const std::shared_ptr<Stream>& stream, uint64_t count) {
  if (const auto executor = stream->executor()) {
    executor->wait_until([&] { return stream->has_completed(count); });
    return;
  }
  IdleStrategy idle(Crowding::crowded);
  while (!stream->has_completed(count)) {
    size_t worked = turn_unowned(nullptr);
    if (item_count_.load(std::memory_order_acquire) != 0) {
      worked += turn_stream_items();
    }
    idle.after_turn(worked);
  }
}

Engine::Round Engine::turn_all() {
  Round round;
  {
    const std::shared_lock lock(executors_mutex_);
    for (const auto& executor : executors_) {
      const bool attended = executor->is_attended();
      if (!executor->is_wanted() && executor->try_claim()) {
        const size_t worked = executor->has_work() ? executor->turn() : executor->full_turn();
        executor->release_ownership();
        round.worked += attended ? 0 : worked;
      }
      if (executor->has_work()) {
        const bool carried_on = executor->is_wanted() || executor->is_owned();
        round.load = std::max(round.load, carried_on ? Load::attended : attended ? Load::doubtful : Load::unattended);
      }
    }
  }
  if (item_count_.load(std::memory_order_acquire) != 0) {
    round.worked += turn_stream_items();
    round.load = std::max(round.load, Load::attended);
  }
  return round;
}

bool Engine::has_work() {
  const std::shared_lock lock(executors_mutex_);
  return item_count_.load(std::memory_order_acquire) != 0 ||
         std::ranges::any_of(executors_, [](const auto& executor) { return executor->has_work(); });
}

bool Engine::sleep_deeply() {
  std::unique_lock lock(sleep_mutex_);
  sleeps_deeply_.store(true, std::memory_order_relaxed);
  // Work that came before anybody could see that the thread sleeps counts as waking it.
  const bool woken = has_work() || wake_.wait_for(lock, kDeepSleep, [this] { return woken_; });
  sleeps_deeply_.store(false, std::memory_order_relaxed);
  woken_ = false;
  return woken;
}

void Engine::run() {
  ask_for_prompt_wakeups();
  uint64_t last_work_ns = clock_.now_ns();
  uint64_t last_unattended_ns = 0;
  uint64_t last_progress_ns = last_work_ns;  // or when work was left to this thread
  uint64_t nap_ns = kFirstNapNs;
  Load before = Load::none;
  while (!stop_.load(std::memory_order_relaxed)) {
    const auto [worked, now] = turn_all();
    const uint64_t now_ns = clock_.now_ns();
    if (now == Load::unattended && (worked != 0 || before != now)) {
      last_progress_ns = now_ns;
      nap_ns = kFirstNapNs;
    }
    if (worked != 0 || now != Load::none) {
      last_work_ns = now_ns;
    }
    if (worked != 0 || now == Load::unattended) {  // small work comes and goes within a turn
      last_unattended_ns = now_ns;
    }
    if (worked != 0) {
      last_progress_ns = now_ns;
    }
    before = now;
    const bool crowded = crowded_.load(std::memory_order_relaxed);
    if (now == Load::unattended && (worked != 0 || (!crowded && now_ns - last_progress_ns < kSpinNs))) {
      pause_core();
    } else if (now_ns - last_work_ns >= kAwakeNs) {
      // Who was woken stays awake for a while even if others have done the work meanwhile, or each small call would wake it anew.
      last_work_ns = sleep_deeply() ? clock_.now_ns() : last_work_ns;
    } else if (now == Load::doubtful) {
      nap(kDoubtNapNs);
    } else {
      // On a crowded host naps are other ranks' time: they are short for pending work only.
      const bool prompt = now == Load::unattended || (!crowded && now_ns - last_unattended_ns < kAwakeNs);
      const uint64_t longest_ns = prompt ? std::clamp((now_ns - last_progress_ns) / kWaitPerNap, kPromptNapNs, kLongNapNs) : kLongNapNs;
      nap_ns = std::min(nap_ns, longest_ns);
      nap(nap_ns);
      nap_ns *= 2;
    }
  }
}

}  // namespace tutti::engine
