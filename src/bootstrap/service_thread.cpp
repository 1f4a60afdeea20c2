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
#include <system_error>
#include <thread>

namespace tutti::bootstrap {

namespace {

constexpr int kLongestWaitMs = 60'000;
// At exit, what has been said to the ranks is still written, if they take it this quickly.
constexpr uint64_t kExitLimitNs = 200'000'000;
constexpr int kExitWaitMs = 10;

class ServiceThread {
 public:
  static Result<std::unique_ptr<ServiceThread>> start(Service::Options options) {
    Descriptor wake_up(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_up.valid()) {
      return tl::make_unexpected(system_error(errno, "make an eventfd for the bootstrap service"));
    }
    std::unique_ptr<ServiceThread> started(new ServiceThread(std::move(options), std::move(wake_up)));
    try {
      started->thread_ = std::thread([service = started.get()] { service->run(); });
    } catch (const std::system_error& error) {
      return tl::make_unexpected(system_error(error.code().value(), "start the thread of the bootstrap service"));
    }
    return started;
  }
  ServiceThread(const ServiceThread&) = delete;
  ServiceThread& operator=(const ServiceThread&) = delete;
  ~ServiceThread() {
    if (thread_.joinable()) {
      // Release; pairs with the acquire in run().
      stop_.store(true, std::memory_order_release);
      const uint64_t one = 1;
      [[maybe_unused]] const ssize_t woken = ::write(wake_up_.get(), &one, sizeof one);
      thread_.join();
    }
  }

  // Acquire; pairs with the release at the end of run(): the thread has only its return left.
  bool ended() const { return ended_.load(std::memory_order_acquire); }

 private:
  ServiceThread(Service::Options options, Descriptor wake_up)
      : service_(std::move(options), monotonic_clock()), wake_up_(std::move(wake_up)) {}

  void run() {
    // Signals are for the application's threads.
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    ::pthread_setname_np(::pthread_self(), "tutti-bootstrap");
    while (!service_.finished() && !stop_.load(std::memory_order_acquire)) {
      service_.turn(wake_up_.get(), kLongestWaitMs);
    }
    if (!service_.finished()) {
      write_last_words();
    }
    ended_.store(true, std::memory_order_release);
  }

  void write_last_words() {
    const Deadline limit = Deadline::after_ns(monotonic_clock(), kExitLimitNs);
    service_.turn(-1, 0);
    while (service_.has_output() && !limit.passed(monotonic_clock())) {
      service_.turn(-1, kExitWaitMs);
    }
  }

  Service service_;  // touched by the thread alone once it runs
  Descriptor wake_up_;
  std::atomic<bool> stop_{false};   // written by the registry, read by the thread
  std::atomic<bool> ended_{false};  // written by the thread, read by the registry
  std::thread thread_;
};

class Registry {
 public:
  static Registry& instance() {
    monotonic_clock();  // made first, so that it is destroyed after the registry's threads, which use it, have ended
    static Registry registry;
    return registry;
  }
  ~Registry() {
    // After a fork the threads exist in the parent only: there is nothing to join, and their state is nobody's.
    if (::getpid() != owner_) {
      for (std::unique_ptr<ServiceThread>& thread : threads_) {
        static_cast<void>(thread.release());
      }
    }
  }

  Status start(Service::Options options) {
    const std::lock_guard lock(mutex_);
    threads_.remove_if([](const std::unique_ptr<ServiceThread>& thread) { return thread->ended(); });
    Result<std::unique_ptr<ServiceThread>> started = ServiceThread::start(std::move(options));
    if (!started) {
      return started.error();
    }
    threads_.push_back(std::move(*started));
    return {};
  }

 private:
  Registry() = default;

  const pid_t owner_ = ::getpid();
  std::mutex mutex_;
  std::list<std::unique_ptr<ServiceThread>> threads_;
};

}  // namespace

Status run_in_background(Service::Options options) { return Registry::instance().start(std::move(options)); }

}  // namespace tutti::bootstrap
