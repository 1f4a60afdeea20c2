// SPDX-License-Identifier: Apache-2.0
// The process's place as a PMI-1 server tells it: mpiexec of MPICH, srun --mpi=pmi2, Flux. The process inherits a socket to its server and asks
// in lines of words "key=value"; the conversation is written down in Flux' RFC 13, "Simple Process Manager Interface v1".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/descriptor.hpp"
#include "base/settings.hpp"
#include "base/status.hpp"
#include "bootstrap/environment.hpp"

namespace tutti::bootstrap {

// Whether a PMI-1 server launched this process. Looks at the environment only.
bool launched_by_pmi();

// As placement_from_environment. An MPI library of the same process that uses PMI too must not be in the middle of a call.
Result<Placement> placement_from_pmi(const Settings& settings);

// A process's end of the conversation. Each call blocks until the server has answered, at most `timeout_ms` (0: for ever). After an error
// other than get()'s of a key that is not there the conversation is over, and every call gives that error. Not thread-safe.
class PmiConversation {
 public:
  static Result<PmiConversation> begin(Descriptor socket, uint64_t timeout_ms);

  // The longest value that can be put. Neither keys nor values hold white space.
  size_t max_value_bytes() const { return max_value_bytes_; }
  Status put(std::string_view key, std::string_view value);
  // Waits for all ranks, whose puts from before are then there to get. Errors: tuttiTimeout.
  Status barrier();
  Result<std::string> get(std::string_view key);
  // Says that this process ends in good order; without it the launcher takes its end for a crash.
  void finish();

 private:
  PmiConversation(Descriptor socket, uint64_t timeout_ms) : socket_(std::move(socket)), timeout_ms_(timeout_ms) {}
  // Sends a line and gives the answer, in which the word "cmd" must be `wanted`.
  Result<std::string> ask(const std::string& request, std::string_view wanted);
  Result<std::string> answer_to(const std::string& request, std::string_view wanted);
  Status receive(const Deadline& deadline, const std::string& request);

  Descriptor socket_;
  uint64_t timeout_ms_;
  std::string input_;
  std::string space_;  // of keys and values, this job's
  size_t max_value_bytes_ = 0;
  Status failure_;
};

}  // namespace tutti::bootstrap
