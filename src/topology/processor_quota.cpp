// SPDX-License-Identifier: Apache-2.0
#include "topology/processor_quota.hpp"

#include <algorithm>
#include <bit>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>

namespace tutti::topology {
namespace {

constexpr uint32_t kNoLimit = UINT32_MAX;
constexpr int kMostGroups = 64;  // that a process has, and that are inside each other
constexpr size_t kMostText = 4'096;

// The first line of a small file.
std::optional<std::string> line_of(const std::string& path) {
  std::ifstream file(path);
  std::string line(kMostText, '\0');
  file.read(line.data(), static_cast<std::streamsize>(line.size()));
  line.resize(static_cast<size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  line.resize(std::min(line.find('\n'), line.size()));
  return line.empty() ? std::nullopt : std::optional(line);
}

// What `time` in each `period` comes to; "max" and "-1" are no limit.
uint32_t processors_of(const std::string& time, const std::string& period) {
  int64_t time_us = 0;
  int64_t period_us = 0;
  if (!(std::istringstream(time) >> time_us) || !(std::istringstream(period) >> period_us) || time_us <= 0 || period_us <= 0) {
    return kNoLimit;
  }
  const int64_t processors = time_us / period_us + (time_us % period_us == 0 ? 0 : 1);
  return processors > kMostProcessors ? kNoLimit : static_cast<uint32_t>(processors);
}

uint32_t limit_of_group(const std::string& folder) {
  if (const auto line = line_of(folder + "/cpu.max")) {
    const size_t space = std::min(line->find(' '), line->size());
    return processors_of(line->substr(0, space), line->substr(space));
  }
  const auto time = line_of(folder + "/cpu.cfs_quota_us");
  const auto period = line_of(folder + "/cpu.cfs_period_us");
  return time && period ? processors_of(*time, *period) : kNoLimit;
}

// Of the group and those around it. In a container the group's path may be one that is not mounted there, the root then being its own.
uint32_t limit_of_path(const std::string& mount, std::string path) {
  uint32_t limit = limit_of_group(mount);
  for (int depth = 0; depth < kMostGroups && path.size() > 1; ++depth) {
    limit = std::min(limit, limit_of_group(mount + path));
    path.resize(path.rfind('/'));
  }
  return limit;
}

bool names_cpu(std::string_view controllers) {
  while (!controllers.empty()) {
    const size_t comma = std::min(controllers.find(','), controllers.size());
    if (controllers.substr(0, comma) == "cpu") {
      return true;
    }
    controllers.remove_prefix(std::min(comma + 1, controllers.size()));
  }
  return false;
}

}  // namespace

uint32_t read_processor_quota(const std::string& root) {
  std::ifstream groups(root + "/proc/self/cgroup");
  const std::string mount = root + "/sys/fs/cgroup";
  uint32_t limit = kNoLimit;
  std::string line;
  // "0::/path" is version 2, "4:cpu,cpuacct:/path" version 1.
  for (int count = 0; count < kMostGroups && std::getline(groups, line); ++count) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos || second + 1 == line.size() || line[second + 1] != '/' || line.size() > kMostText) {
      continue;
    }
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers.empty()) {
      limit = std::min(limit, limit_of_path(mount, path));
    } else if (names_cpu(controllers)) {
      limit = std::min(limit, limit_of_path(mount + "/" + controllers, path));
    }
  }
  return limit == kNoLimit ? 0 : limit;
}

uint32_t processor_quota_of_this_process() {
  static const uint32_t quota = read_processor_quota();
  return quota;
}

ProcessorWords lowest_processors(const ProcessorWords& processors, uint32_t count) {
  if (count == 0) {
    return processors;
  }
  ProcessorWords lowest;
  for (uint64_t word : processors) {
    uint64_t kept = 0;
    for (; word != 0 && count > 0; --count) {
      kept |= word & -word;
      word &= word - 1;
    }
    lowest.push_back(kept);
  }
  return lowest;
}

}  // namespace tutti::topology
