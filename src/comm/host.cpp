// SPDX-License-Identifier: Apache-2.0
#include "comm/host.hpp"

#include <hwloc.h>
#include <unistd.h>

#include <fstream>
#include <memory>

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

namespace {

struct TopologyDeleter {
  void operator()(hwloc_topology* topology) const { hwloc_topology_destroy(topology); }
};
struct BitmapDeleter {
  void operator()(hwloc_bitmap_s* bitmap) const { hwloc_bitmap_free(bitmap); }
};

}  // namespace

std::vector<uint64_t> allowed_cores() {
  hwloc_topology_t raw = nullptr;
  if (hwloc_topology_init(&raw) != 0) {
    return {};
  }
  const std::unique_ptr<hwloc_topology, TopologyDeleter> topology(raw);
  // The binding is all that is asked: no need to look at the whole machine.
  hwloc_topology_set_all_types_filter(topology.get(), HWLOC_TYPE_FILTER_KEEP_NONE);
  hwloc_topology_set_type_filter(topology.get(), HWLOC_OBJ_PU, HWLOC_TYPE_FILTER_KEEP_ALL);
  const std::unique_ptr<hwloc_bitmap_s, BitmapDeleter> cores(hwloc_bitmap_alloc());
  if (cores == nullptr || hwloc_topology_load(topology.get()) != 0 ||
      hwloc_get_cpubind(topology.get(), cores.get(), HWLOC_CPUBIND_PROCESS) != 0) {
    return {};
  }
  constexpr int kMostCores = 4096;
  std::vector<uint64_t> words;
  for (int core = hwloc_bitmap_first(cores.get()); core >= 0 && core < kMostCores;
       core = hwloc_bitmap_next(cores.get(), core)) {
    words.resize(std::max(words.size(), static_cast<size_t>(core / 64 + 1)));
    words[static_cast<size_t>(core / 64)] |= uint64_t{1} << (core % 64);
  }
  return words;
}

}  // namespace tutti::comm
