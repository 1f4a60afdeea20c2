// SPDX-License-Identifier: Apache-2.0
#include "robustness/support.hpp"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <mutex>
#include <thread>

namespace tutti::robustness {

namespace {

// What one test may take at most, far beyond what any of them does, also under a sanitizer on a busy machine.
constexpr auto kPatience = std::chrono::seconds(200);

std::string first_line(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// Ends the process with what can be told about its threads when a test has hung.
class Watchdog final : public testing::EmptyTestEventListener {
 public:
  Watchdog() : thread_([this] { run(); }) { pthread_setname_np(thread_.native_handle(), "watchdog"); }
  ~Watchdog() override {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

  void OnTestStart(const testing::TestInfo& test) override { arm(std::string(test.test_suite_name()) + "." + test.name()); }
  void OnTestEnd(const testing::TestInfo&) override { arm({}); }

 private:
  void arm(const std::string& test) {
    const std::lock_guard lock(mutex_);
    test_ = test;
    deadline_ = std::chrono::steady_clock::now() + kPatience;
    changed_.notify_one();
  }

  void run() {
    std::unique_lock lock(mutex_);
    while (!ended_) {
      if (test_.empty()) {
        changed_.wait(lock);
      } else if (changed_.wait_until(lock, deadline_) == std::cv_status::timeout && std::chrono::steady_clock::now() >= deadline_) {
        bark();
      }
    }
  }

  [[noreturn]] void bark() const {
    std::cerr << test_ << " has hung; seed " << seed() << "; threads:\n";
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::cerr << "  " << task.path().filename().string() << " " << first_line(task.path() / "comm") << " in "
                << first_line(task.path() / "wchan") << ", system call " << first_line(task.path() / "syscall") << "\n";
    }
    std::abort();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string test_;
  std::chrono::steady_clock::time_point deadline_;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace

uint64_t seed() {
  static const uint64_t value = [] {
    const char* const given = std::getenv("TUTTI_TEST_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 0) : uint64_t{20'240};
  }();
  return value;
}

double now_ms() {
  static const auto begin = std::chrono::steady_clock::now();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

ScopedVariable::ScopedVariable(std::string name, const std::string& value) : name_(std::move(name)) {
  if (const char* const previous = std::getenv(name_.c_str()); previous != nullptr) {
    previous_ = previous;
    was_set_ = true;
  }
  if (value.empty()) {
    ::unsetenv(name_.c_str());
  } else {
    ::setenv(name_.c_str(), value.c_str(), 1);
  }
}

ScopedVariable::~ScopedVariable() {
  if (was_set_) {
    ::setenv(name_.c_str(), previous_.c_str(), 1);
  } else {
    ::unsetenv(name_.c_str());
  }
}

Outcome outcome_of(tuttiResult_t code) {
  return {code, code == tuttiSuccess ? std::string() : std::string(tuttiGetLastError(nullptr))};
}

std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  return out << tuttiGetErrorString(outcome.code) << " (" << outcome.code << "): \"" << outcome.message << '"';
}

void expect_error(const Outcome& outcome, tuttiResult_t code, const std::vector<std::string>& words) {
  EXPECT_EQ(outcome.code, code) << outcome;
  for (const std::string& word : words) {
    EXPECT_THAT(outcome.message, HasSubstr(word));
  }
}

tuttiConfig_t default_config() { return TUTTI_CONFIG_INITIALIZER; }

void run_threads(int count, const std::function<void(int rank)>& body) {
  std::vector<std::thread> threads;
  for (int rank = 0; rank < count; ++rank) {
    threads.emplace_back([&body, rank] {
      SCOPED_TRACE(testing::Message() << "rank " << rank << ", seed " << seed());
      body(rank);
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

void run_ranks(const Job& job, const std::function<void(int rank, tuttiComm_t& comm)>& body) {
  tuttiUniqueId id;
  ASSERT_EQ(tuttiGetUniqueId(&id), tuttiSuccess) << tuttiGetLastError(nullptr);
  run_threads(job.rank_count, [&](int rank) {
    tuttiConfig_t config = default_config();
    config.timeoutMs = job.timeout_ms;
    config.transports = job.transports.c_str();
    config.commName = job.name.c_str();
    tuttiComm_t comm = nullptr;
    ASSERT_EQ(tuttiCommInitRankConfig(&comm, job.rank_count, id, rank, &config), tuttiSuccess) << tuttiGetLastError(nullptr);
    body(rank, comm);
    if (comm != nullptr) {
      (void)tuttiCommDestroy(comm);
    }
  });
}

LocalRanks::LocalRanks(int rank_count) : comms_(static_cast<size_t>(rank_count)) {
  const tuttiResult_t made = tuttiCommInitAll(comms_.data(), rank_count, nullptr);
  if (made != tuttiSuccess) {
    ADD_FAILURE() << tuttiGetLastError(nullptr);
    std::abort();
  }
}

LocalRanks::~LocalRanks() {
  std::vector<std::thread> threads;  // destroying waits for all ranks
  for (const tuttiComm_t comm : comms_) {
    threads.emplace_back([comm] { (void)tuttiCommDestroy(comm); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

tuttiComm_t LocalRanks::take(int rank) { return std::exchange(comms_[static_cast<size_t>(rank)], nullptr); }

void LocalRanks::expect_works() const {
  std::vector<int64_t> inputs(comms_.size());
  std::vector<int64_t> sums(comms_.size(), -1);
  int64_t expected = 0;
  ASSERT_EQ(tuttiGroupStart(), tuttiSuccess);
  for (size_t rank = 0; rank < comms_.size(); ++rank) {
    inputs[rank] = static_cast<int64_t>(1'000 + rank);
    expected += inputs[rank];
    ASSERT_EQ(tuttiAllReduce(&inputs[rank], &sums[rank], 1, tuttiInt64, tuttiSum, comms_[rank], nullptr), tuttiSuccess)
        << tuttiGetLastError(nullptr);
  }
  ASSERT_EQ(tuttiGroupEnd(), tuttiSuccess) << tuttiGetLastError(nullptr);
  for (size_t rank = 0; rank < comms_.size(); ++rank) {
    ASSERT_EQ(tuttiCommSynchronize(comms_[rank]), tuttiSuccess) << tuttiGetLastError(nullptr);
    EXPECT_EQ(sums[rank], expected) << "on rank " << rank;
  }
}

Outcome all_reduce_once(tuttiComm_t comm, int64_t input, int64_t* sum) {
  const tuttiResult_t enqueued = tuttiAllReduce(&input, sum, 1, tuttiInt64, tuttiSum, comm, nullptr);
  return outcome_of(enqueued != tuttiSuccess ? enqueued : tuttiCommSynchronize(comm));
}

namespace {
size_t count_entries(const char* folder) {
  const std::filesystem::directory_iterator entries(folder);
  return static_cast<size_t>(std::distance(begin(entries), end(entries)));
}
}  // namespace

size_t count_descriptors() { return count_entries("/proc/self/fd"); }
size_t count_threads() { return count_entries("/proc/self/task"); }
size_t count_mappings() {
  std::ifstream maps("/proc/self/maps");
  return static_cast<size_t>(std::count(std::istreambuf_iterator<char>(maps), std::istreambuf_iterator<char>(), '\n'));
}

}  // namespace tutti::robustness

int main(int argument_count, char** arguments) {
  testing::InitGoogleTest(&argument_count, arguments);
  std::cout << "seed " << tutti::robustness::seed() << "\n";
  testing::UnitTest::GetInstance()->listeners().Append(new tutti::robustness::Watchdog);
  return RUN_ALL_TESTS();
}
