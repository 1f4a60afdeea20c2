// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/service_thread.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

namespace tutti::bootstrap {

namespace {

constexpr int kLongestWaitMs = 60'000;
// At exit, what has been said to the ranks is still written, if they take it this quickly.
constexpr uint64_t kExitLimitNs = 200'000'000;
constexpr int kExitWaitMs = 10;

// How the registry tells all threads to end: the descriptor becomes readable and stays so.
struct StopSignal {
  Descriptor wake_up;
  std::atomic<bool> stopped{false};  // written by the registry (release), read by the threads (acquire)

  void send() {
    stopped.store(true, std::memory_order_release);
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t woken = ::write(wake_up.get(), &one, sizeof one);
  }
};

class ServiceThread {
 public:
  // `stop` outlives it.
  static Result<std::unique_ptr<ServiceThread>> start(Service::Options options, const StopSignal& stop) {
    std::unique_ptr<ServiceThread> started(new ServiceThread(std::move(options), stop));
    try {
      started->thread_ = std::thread([service = started.get()] { service->run(); });
    } catch (const std::system_error& error) {
      return tl::make_unexpected(system_error(error.code().value(), "start the thread of the bootstrap service"));
    }
    return started;
  }
  ServiceThread(const ServiceThread&) = delete;
  ServiceThread& operator=(const ServiceThread&) = delete;
  // Waits for the thread, which must have ended or have been told to.
  ~ServiceThread() {
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  // Acquire; pairs with the release at the end of run(): the thread has only its return left.
  bool ended() const { return ended_.load(std::memory_order_acquire); }

 private:
  ServiceThread(Service::Options options, const StopSignal& stop)
      : service_(std::in_place, std::move(options), monotonic_clock()), stop_(stop) {}

  void run() {
    // Signals are for the application's threads.
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    ::pthread_setname_np(::pthread_self(), "tutti-bootstrap");
    while (!service_->finished() && !stop_.stopped.load(std::memory_order_acquire)) {
      service_->turn(stop_.wake_up.get(), kLongestWaitMs);
    }
    if (!service_->finished()) {
      write_last_words();
    }
    service_.reset();  // its sockets are of no more use, though the thread may be joined much later
    ended_.store(true, std::memory_order_release);
  }

  void write_last_words() {
    const Deadline limit = Deadline::after_ns(monotonic_clock(), kExitLimitNs);
    service_->turn(-1, 0);
    while (service_->has_output() && !limit.passed(monotonic_clock())) {
      service_->turn(-1, kExitWaitMs);
    }
  }

  std::optional<Service> service_;  // touched by the thread alone once it runs
  const StopSignal& stop_;
  std::atomic<bool> ended_{false};  // written by the thread, read by the registry
  std::thread thread_;
};

class Registry {
 public:
  static Registry& instance() {
    // What the threads use is set up first, so that at exit it is torn down after the registry has joined them: the clock, and libcrypto, which
    // registers its cleanup at its first use.
    monotonic_clock();
    static_cast<void>(derive_key(Key{}, "", 0));
    static Registry registry;
    return registry;
  }
  ~Registry() {
    forget_threads_of_parent();
    stop_->send();
  }

  Status start(Service::Options options) {
    const std::lock_guard lock(mutex_);
    forget_threads_of_parent();
    make_room_for_descriptors();
    if (!stop_->wake_up.valid()) {
      stop_->wake_up.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
      if (!stop_->wake_up.valid()) {
        return system_error(errno, "make an eventfd for the bootstrap service");
      }
    }
    threads_.remove_if([](const std::unique_ptr<ServiceThread>& thread) { return thread->ended(); });
    Result<std::unique_ptr<ServiceThread>> started = ServiceThread::start(std::move(options), *stop_);
    if (!started) {
      return started.error();
    }
    threads_.push_back(std::move(*started));
    return {};
  }

 private:
  Registry() = default;

  // After a fork the threads exist in the parent only: there is nothing to join, and what they touched is in no known state. The parent's signal,
  // which the child shares, must not be sent.
  void forget_threads_of_parent() {
    if (::getpid() == owner_) {
      return;
    }
    for (std::unique_ptr<ServiceThread>& thread : threads_) {
      static_cast<void>(thread.release());
    }
    threads_.clear();
    static_cast<void>(stop_.release());
    stop_ = std::make_unique<StopSignal>();
    owner_ = ::getpid();
  }

  pid_t owner_ = ::getpid();
  std::mutex mutex_;
  std::unique_ptr<StopSignal> stop_ = std::make_unique<StopSignal>();
  std::list<std::unique_ptr<ServiceThread>> threads_;  // destroyed, which joins them, before the signal they look at
};

}  // namespace

Status run_in_background(Service::Options options) { return Registry::instance().start(std::move(options)); }

}  // namespace tutti::bootstrap
