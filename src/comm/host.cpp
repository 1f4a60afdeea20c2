// SPDX-License-Identifier: Apache-2.0
#include "comm/host.hpp"

#include <unistd.h>

#include <fstream>

#include "topology/processor_quota.hpp"

namespace tutti::comm {

std::string host_id(const Settings& settings) {
  if (!settings.host_id.empty()) {
    return settings.host_id;
  }
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  if (std::getline(file, id) && !id.empty()) {
    return id;
  }
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return name;
}

Host this_host(const Settings& settings) {
  Host host{.id = host_id(settings), .allowed_cores = {}, .place = {}};
  if (settings.measured_links) {
    host.memory = topology::memory_speed_of_this_machine();
  }
  if (const topology::Processors* const processors = topology::processors_of_this_machine()) {
    // Ranks of a group with a quota name the same processors, so that together they count as many as it allows.
    host.allowed_cores = topology::lowest_processors(processors->allowed_to_process(), topology::processor_quota_of_this_process());
    host.place = processors->place_of_thread();
  }
  return host;
}

}  // namespace tutti::comm
