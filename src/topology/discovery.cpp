// SPDX-License-Identifier: Apache-2.0
#include "topology/discovery.hpp"

#include <hwloc.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/log.hpp"

namespace tutti::topology {
namespace {

struct FreeBitmap {
  void operator()(hwloc_bitmap_s* bitmap) const { hwloc_bitmap_free(bitmap); }
};
using Bitmap = std::unique_ptr<hwloc_bitmap_s, FreeBitmap>;

ProcessorWords words_of(hwloc_const_bitmap_t bitmap) {
  ProcessorWords words;
  for (int processor = hwloc_bitmap_first(bitmap); processor >= 0 && processor < static_cast<int>(kMostProcessors);
       processor = hwloc_bitmap_next(bitmap, processor)) {
    words.resize(std::max(words.size(), static_cast<size_t>(processor / 64 + 1)));
    words[static_cast<size_t>(processor / 64)] |= uint64_t{1} << (processor % 64);
  }
  return words;
}

// 0 where hwloc has no number.
uint32_t lowest_processor(hwloc_obj_t unit) {
  const int first = unit == nullptr || unit->cpuset == nullptr ? -1 : hwloc_bitmap_first(unit->cpuset);
  return first < 0 || first >= static_cast<int>(kMostProcessors) ? 0 : static_cast<uint32_t>(first);
}

// A NUMA node hangs at the unit whose processors are nearest to it.
hwloc_obj_t unit_with_memory(hwloc_obj_t unit) {
  while (unit != nullptr && unit->memory_arity == 0) {
    unit = unit->parent;
  }
  return unit;
}

Place place_of(hwloc_topology_t topology, hwloc_obj_t processor) {
  hwloc_obj_t const package = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_PACKAGE, processor);
  hwloc_obj_t const cache = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_L3CACHE, processor);
  Place place{.package = lowest_processor(package), .numa_node = lowest_processor(unit_with_memory(processor)), .cache = 0};
  place.cache = cache == nullptr ? std::max(place.package, place.numa_node) : lowest_processor(cache);
  return place;
}

template <typename Function>
void for_each_processor(const ProcessorWords& words, size_t count, Function function) {
  for (size_t processor = 0; processor < std::min(words.size() * 64, count); ++processor) {
    if ((words[processor / 64] >> (processor % 64) & 1) != 0) {
      function(processor);
    }
  }
}

}  // namespace

void Processors::Destroy::operator()(hwloc_topology* topology) const { hwloc_topology_destroy(topology); }

Result<Processors::Handle> Processors::make_handle() {
  hwloc_topology_t raw = nullptr;
  if (hwloc_topology_init(&raw) != 0) {
    return tl::make_unexpected(system_error(errno, "hwloc_topology_init"));
  }
  return Handle(raw);
}

Status Processors::load(hwloc_topology* handle) {
  hwloc_topology_set_all_types_filter(handle, HWLOC_TYPE_FILTER_KEEP_NONE);
  for (const hwloc_obj_type_t type : {HWLOC_OBJ_PACKAGE, HWLOC_OBJ_L3CACHE}) {
    hwloc_topology_set_type_filter(handle, type, HWLOC_TYPE_FILTER_KEEP_ALL);
  }
  hwloc_topology_set_type_filter(handle, HWLOC_OBJ_GROUP, HWLOC_TYPE_FILTER_KEEP_STRUCTURE);  // what memory hangs at
  // Units are named by their lowest processor, whoever may use that one.
  hwloc_topology_set_flags(handle, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
  return hwloc_topology_load(handle) == 0 ? Status() : system_error(errno, "hwloc_topology_load");
}

Result<Processors> Processors::discover() {
  Result<Handle> handle = make_handle();
  if (!handle) {
    return tl::make_unexpected(handle.error());
  }
  TUTTI_UNEXPECTED_IF_ERROR(load(handle->get()));
  return Processors(std::move(*handle));
}

Result<Processors> Processors::synthetic(const std::string& description) {
  Result<Handle> handle = make_handle();
  if (!handle) {
    return tl::make_unexpected(handle.error());
  }
  if (hwloc_topology_set_synthetic(handle->get(), description.c_str()) != 0) {
    return tl::make_unexpected(invalid_argument("hwloc does not understand the machine \"{}\"", description));
  }
  TUTTI_UNEXPECTED_IF_ERROR(load(handle->get()));
  return Processors(std::move(*handle));
}

Processors::Processors(Handle handle) : handle_(std::move(handle)) {
  hwloc_obj_t processor = nullptr;
  while ((processor = hwloc_get_next_obj_by_type(handle_.get(), HWLOC_OBJ_PU, processor)) != nullptr) {
    if (processor->os_index < kMostProcessors) {
      places_.resize(std::max<size_t>(places_.size(), processor->os_index + 1));
      places_[processor->os_index] = topology::place_of(handle_.get(), processor);
    }
  }
}

Place Processors::place_of(const ProcessorWords& allowed, uint32_t current) const {
  const Place now = current < places_.size() ? places_[current] : Place{};
  const auto shared = [&](uint32_t Place::* unit) {
    std::optional<uint32_t> common;
    bool is_one = true;
    for_each_processor(allowed, places_.size(), [&](size_t processor) {
      is_one = is_one && common.value_or(places_[processor].*unit) == places_[processor].*unit;
      common = places_[processor].*unit;
    });
    return common && is_one ? *common : now.*unit;
  };
  return {.package = shared(&Place::package), .numa_node = shared(&Place::numa_node), .cache = shared(&Place::cache)};
}

Place Processors::place_of_thread() const {
  const Bitmap bound(hwloc_bitmap_alloc());
  const Bitmap last(hwloc_bitmap_alloc());
  if (bound == nullptr || last == nullptr || hwloc_get_cpubind(handle_.get(), bound.get(), HWLOC_CPUBIND_THREAD) != 0) {
    return {};
  }
  const bool is_known = hwloc_get_last_cpu_location(handle_.get(), last.get(), HWLOC_CPUBIND_THREAD) == 0;
  const int current = is_known && hwloc_bitmap_weight(last.get()) == 1 ? hwloc_bitmap_first(last.get()) : 0;
  return place_of(words_of(bound.get()), static_cast<uint32_t>(std::max(current, 0)));
}

ProcessorWords Processors::allowed_to_process() const {
  const Bitmap bound(hwloc_bitmap_alloc());
  if (bound == nullptr || hwloc_get_cpubind(handle_.get(), bound.get(), HWLOC_CPUBIND_PROCESS) != 0) {
    return {};
  }
  return words_of(bound.get());
}

const Processors* processors_of_this_machine() {
  static const Processors* const processors = []() -> const Processors* {
    Result<Processors> found = Processors::discover();
    if (!found) {
      log::info("packages and caches are unknown, so that all ranks of this host count as neighbours: {}", found.error().message());
      return nullptr;
    }
    return new Processors(std::move(*found));  // for as long as the process lives: communicators may outlive other statics
  }();
  return processors;
}

}  // namespace tutti::topology
