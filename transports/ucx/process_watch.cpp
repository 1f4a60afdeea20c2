// SPDX-License-Identifier: Apache-2.0
#include "transports/ucx/process_watch.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include <fstream>
#include <sstream>
#include <string>

namespace tutti::transports::ucx {

namespace {

// In /proc/<pid>/stat, counted from the first word behind the program's name (proc(5): field 22 of which the name is the second).
constexpr int kWordsBeforeStart = 19;

}  // namespace

uint64_t start_of_process(uint32_t process_id) {
  std::ifstream file(fmt::format("/proc/{}/stat", process_id));
  std::string text;
  if (!std::getline(file, text)) {
    return 0;
  }
  const size_t name_end = text.rfind(')');  // the name may hold anything
  if (name_end == std::string::npos) {
    return 0;
  }
  std::istringstream words(text.substr(name_end + 1));
  std::string skipped;
  for (int index = 0; index < kWordsBeforeStart; ++index) {
    words >> skipped;
  }
  uint64_t start = 0;
  return words >> start ? start : 0;
}

ProcessWatch::ProcessWatch(uint32_t process_id, uint64_t process_start) : process_id_(process_id) {
  Descriptor process(static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(process_id), 0)));
  // Looked at once the number can no more go to another.
  if (process.valid() && process_start != 0 && start_of_process(process_id) == process_start) {
    process_ = std::move(process);
  }
}

bool ProcessWatch::has_ended() const {
  pollfd watch{process_.get(), POLLIN, 0};
  return process_.valid() && ::poll(&watch, 1, 0) > 0;
}

}  // namespace tutti::transports::ucx
