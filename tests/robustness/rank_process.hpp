// SPDX-License-Identifier: Apache-2.0
// A rank in a process of its own (robustness_rank.cpp), with pipes to it.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tutti/tutti.h"

namespace tutti::robustness {

class RankProcess {
 public:
  struct Options {
    int rank = 0;
    int rank_count = 2;
    std::string scenario;
    std::vector<std::string> arguments;            // of the scenario
    std::map<std::string, std::string> environment;  // added to this process's
  };
  // Starts it and hands it the id by its standard input.
  RankProcess(const Options& options, const tuttiUniqueId& id);
  // Kills it if it still runs.
  ~RankProcess();
  RankProcess(const RankProcess&) = delete;
  RankProcess& operator=(const RankProcess&) = delete;

  pid_t process_id() const { return process_id_; }
  // The next line it prints; nothing once it has closed its output. Blocks; the test's watchdog bounds it.
  std::optional<std::string> read_line();
  // Reads up to the line that begins so and returns the rest of it; a failure of the test when there is none.
  std::string expect_line(const std::string& beginning);
  void write_line(const std::string& line);
  void kill_now();
  // Waits for its end: the exit status, or 128 and the signal.
  int wait();

 private:
  const int rank_;
  pid_t process_id_ = -1;
  int input_ = -1;
  int output_ = -1;
  std::string buffered_;
  bool waited_ = false;
};

}  // namespace tutti::robustness
