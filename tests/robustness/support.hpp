// SPDX-License-Identifier: Apache-2.0
// What the robustness tests share: communicators whose ranks are threads or live in one thread, checks of codes and messages, and a seed.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tutti/tutti.h"

namespace tutti::robustness {

using testing::HasSubstr;

// Of this run: TUTTI_TEST_SEED, or the same one every time. Printed with every failure.
uint64_t seed();

// Milliseconds since the process began, for durations that are printed and never asserted.
double now_ms();

// Sets a variable of the environment for the life of this object. An empty value removes it.
class ScopedVariable {
 public:
  ScopedVariable(std::string name, const std::string& value);
  ~ScopedVariable();
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  std::string name_;
  std::string previous_;
  bool was_set_ = false;
};

struct Outcome {
  tuttiResult_t code = tuttiSuccess;
  std::string message;  // tuttiGetLastError of the thread, for what is not success
};
// The outcome of a call that the calling thread has just made.
Outcome outcome_of(tuttiResult_t code);
std::ostream& operator<<(std::ostream& out, const Outcome& outcome);

// A failure with this code whose message has all these words.
void expect_error(const Outcome& outcome, tuttiResult_t code, const std::vector<std::string>& words);

tuttiConfig_t default_config();

// Runs `body(rank, comm)` in a thread per rank, each with a communicator of its own that has come up. The body gives the communicator back
// (destroys or aborts it); what it leaves is destroyed.
struct Job {
  int rank_count = 2;
  std::string transports = "shm,tcp";
  int timeout_ms = 20'000;  // generous: what takes so long has hung
  std::string name = "job";
};
void run_ranks(const Job& job, const std::function<void(int rank, tuttiComm_t& comm)>& body);

// Runs `body(rank)` in a thread per rank.
void run_threads(int count, const std::function<void(int rank)>& body);

// Ranks that all live in the calling thread.
class LocalRanks {
 public:
  explicit LocalRanks(int rank_count);
  ~LocalRanks();
  LocalRanks(const LocalRanks&) = delete;
  LocalRanks& operator=(const LocalRanks&) = delete;

  int size() const { return static_cast<int>(comms_.size()); }
  tuttiComm_t operator[](int rank) const { return comms_[static_cast<size_t>(rank)]; }
  // The rank's handle is somebody else's now.
  tuttiComm_t take(int rank);
  // An allreduce of all ranks gives the right sum: nothing was lost, nothing was enqueued that should not have been.
  void expect_works() const;

 private:
  std::vector<tuttiComm_t> comms_;
};

// An allreduce of one int64 with every rank of `comm`; the sum, or the failure of call or synchronisation.
Outcome all_reduce_once(tuttiComm_t comm, int64_t input, int64_t* sum);

// Entries of a folder in /proc/self, or lines of /proc/self/maps.
size_t count_descriptors();
size_t count_threads();
size_t count_mappings();

}  // namespace tutti::robustness
