// SPDX-License-Identifier: Apache-2.0
#include "engine_thread.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace tutti::perf {

EngineThread::EngineThread() {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "comm");
    std::string name;
    if (std::getline(file, name) && name == "tutti-engine") directory_ = task.path();
  }
}

uint64_t EngineThread::cpu_ns() const {
  std::ifstream file(directory_ + "/schedstat");
  uint64_t on_core_ns = 0;
  file >> on_core_ns;
  return on_core_ns;
}

void EngineThread::bind(const cpu_set_t& cores) const {
  if (directory_.empty()) return;
  const std::string id = std::filesystem::path(directory_).filename();
  sched_setaffinity(std::atoi(id.c_str()), sizeof cores, &cores);
}

}  // namespace tutti::perf
