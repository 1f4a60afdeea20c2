// SPDX-License-Identifier: Apache-2.0
#include "topology/network_adapters.hpp"

#include <hwloc.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <memory>

namespace tutti::topology {
namespace {

constexpr size_t kMostAdapters = 1'024;

struct DestroyTopology {
  void operator()(hwloc_topology* topology) const { hwloc_topology_destroy(topology); }
};

// The kernel tells megabits, or -1.
uint64_t bits_per_s_of(const std::string& name) {
  std::ifstream file("/sys/class/net/" + name + "/speed");
  int64_t megabits = 0;
  return file >> megabits && megabits > 0 && megabits < 100'000'000 ? static_cast<uint64_t>(megabits) * 1'000'000 : 0;
}

NetworkAdapter adapter_of(hwloc_topology_t topology, hwloc_obj_t device) {
  NetworkAdapter adapter{.name = device->name,
                         .kind = device->attr->osdev.type == HWLOC_OBJ_OSDEV_OPENFABRICS ? NetworkAdapter::Kind::rdma : NetworkAdapter::Kind::network};
  adapter.bits_per_s = adapter.kind == NetworkAdapter::Kind::network ? bits_per_s_of(adapter.name) : 0;
  hwloc_obj_t const near = hwloc_get_non_io_ancestor_obj(topology, device);
  if (near != nullptr && near->cpuset != nullptr) {
    adapter.processor = static_cast<uint32_t>(std::max(hwloc_bitmap_first(near->cpuset), 0));
    adapter.is_near_all = hwloc_bitmap_isequal(near->cpuset, hwloc_get_root_obj(topology)->cpuset) != 0;
  }
  return adapter;
}

}  // namespace

Result<std::vector<NetworkAdapter>> network_adapters() {
  hwloc_topology_t raw = nullptr;
  if (hwloc_topology_init(&raw) != 0) {
    return tl::make_unexpected(system_error(errno, "hwloc_topology_init"));
  }
  const std::unique_ptr<hwloc_topology, DestroyTopology> topology(raw);
  hwloc_topology_set_type_filter(raw, HWLOC_OBJ_OS_DEVICE, HWLOC_TYPE_FILTER_KEEP_ALL);
  hwloc_topology_set_flags(raw, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
  if (hwloc_topology_load(raw) != 0) {
    return tl::make_unexpected(system_error(errno, "hwloc_topology_load"));
  }
  std::vector<NetworkAdapter> adapters;
  hwloc_obj_t device = nullptr;
  while ((device = hwloc_get_next_osdev(raw, device)) != nullptr && adapters.size() < kMostAdapters) {
    const hwloc_obj_osdev_type_t type = device->attr->osdev.type;
    if (device->name != nullptr && (type == HWLOC_OBJ_OSDEV_NETWORK || type == HWLOC_OBJ_OSDEV_OPENFABRICS)) {
      adapters.push_back(adapter_of(raw, device));
    }
  }
  return adapters;
}

}  // namespace tutti::topology
