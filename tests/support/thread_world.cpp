// SPDX-License-Identifier: Apache-2.0
#include "support/thread_world.hpp"

#include <thread>

#include <fmt/format.h>

namespace tutti::tests {

namespace {
// A hang is a failure of the test long before the test's own time limit.
constexpr int kTimeoutMs = 60'000;
constexpr int kMostFailures = 12;
}  // namespace

tuttiConfig_t ThreadWorld::config() const {
  tuttiConfig_t config = TUTTI_CONFIG_INITIALIZER;
  config.timeoutMs = kTimeoutMs;
  config.transports = options_.transports.empty() ? nullptr : options_.transports.c_str();
  config.algorithms = options_.algorithms.empty() ? nullptr : options_.algorithms.c_str();
  return config;
}

ThreadWorld::ThreadWorld(ThreadWorldOptions options)
    : options_(std::move(options)), comms_(static_cast<size_t>(options_.rank_count), nullptr) {
  tuttiUniqueId id;
  if (tuttiGetUniqueId(&id) != tuttiSuccess) {
    note(fmt::format("tuttiGetUniqueId: {}", tuttiGetLastError(nullptr)));
    return;
  }
  run([&](int rank) -> std::string {
    const tuttiConfig_t own = config();
    const tuttiResult_t result = tuttiCommInitRankConfig(&comms_[static_cast<size_t>(rank)], options_.rank_count, id, rank, &own);
    return result == tuttiSuccess ? "" : fmt::format("rank {} does not come up: {}", rank, tuttiGetLastError(nullptr));
  });
}

ThreadWorld::~ThreadWorld() {
  run([&](int rank) {
    tuttiCommDestroy(comm(rank));
    return "";
  });
}

void ThreadWorld::run(const std::function<std::string(int rank)>& body) {
  std::vector<std::thread> threads;
  for (int rank = 0; rank < options_.rank_count; ++rank) {
    threads.emplace_back([&, rank] {
      if (const std::string failure = body(rank); !failure.empty()) {
        note(failure);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

void ThreadWorld::note(const std::string& failure) {
  const std::lock_guard lock(mutex_);
  if (++failure_count_ <= kMostFailures) {
    failures_ += failure + "\n";
  }
}

std::string ThreadWorld::failures() const {
  const std::lock_guard lock(mutex_);
  return failures_;
}

}  // namespace tutti::tests
