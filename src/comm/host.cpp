// SPDX-License-Identifier: Apache-2.0
#include "comm/host.hpp"

#include <unistd.h>

#include <fstream>

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
  if (const topology::Processors* const processors = topology::processors_of_this_machine()) {
    host.allowed_cores = processors->allowed_to_process();
    host.place = processors->place_of_thread();
  }
  return host;
}

}  // namespace tutti::comm
