// SPDX-License-Identifier: Apache-2.0
#include "base/nearness.hpp"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "base/log.hpp"

namespace tutti {

namespace {

// As many processors as a kernel may be built for.
constexpr size_t kMostProcessors = 8192;

std::vector<uint32_t> processors_of_this_thread() {
  constexpr size_t kBytes = CPU_ALLOC_SIZE(kMostProcessors);
  std::vector<uint32_t> processors;
  std::vector<cpu_set_t> set((kBytes + sizeof(cpu_set_t) - 1) / sizeof(cpu_set_t));
  if (::sched_getaffinity(0, kBytes, set.data()) != 0) {
    return processors;
  }
  for (uint32_t processor = 0; processor < kMostProcessors; ++processor) {
    if (CPU_ISSET_S(processor, kBytes, set.data())) {
      processors.push_back(processor);
    }
  }
  return processors;
}

// The first number of a file; -1 if there is none. These files say -1 themselves for what is not known.
int64_t number_in(const std::filesystem::path& path) {
  std::ifstream file(path);
  int64_t number = -1;
  return file >> number ? number : -1;
}

// Whether a list as "0-3,8-11" has `processor`.
bool lists(std::string_view list, uint32_t processor) {
  const char* position = list.data();
  const char* const end = position + list.size();
  while (position < end) {
    uint32_t first = 0;
    auto parsed = std::from_chars(position, end, first);
    uint32_t last = first;
    if (parsed.ec == std::errc() && parsed.ptr < end && *parsed.ptr == '-') {
      parsed = std::from_chars(parsed.ptr + 1, end, last);
    }
    if (parsed.ec != std::errc()) {
      return false;
    }
    if (processor >= first && processor <= last) {
      return true;
    }
    position = parsed.ptr + 1;  // behind the comma, or the end
  }
  return false;
}

}  // namespace

Nearness Nearness::of_this_thread() { return {"/sys", processors_of_this_thread()}; }

Nearness::Nearness(std::filesystem::path tree, std::vector<uint32_t> processors) : tree_(std::move(tree)), processors_(std::move(processors)) {}

Nearness::Place Nearness::of_interface(std::string_view name) const { return of_device(tree_ / "class/net" / name); }
Nearness::Place Nearness::of_adapter(std::string_view name) const { return of_device(tree_ / "class/infiniband" / name); }

Nearness::Place Nearness::of_device(const std::filesystem::path& folder) const {
  const int64_t node = number_in(folder / "device/numa_node");
  std::ifstream file(tree_ / fmt::format("devices/system/node/node{}/cpulist", node));
  std::string list;
  if (node < 0 || !std::getline(file, list)) {
    return Place::unknown;
  }
  const bool is_bound_to_it = !processors_.empty() && std::ranges::all_of(processors_, [&](uint32_t processor) { return lists(list, processor); });
  return is_bound_to_it ? Place::near : Place::far;
}

uint64_t Nearness::bits_per_s_of_interface(std::string_view name) const {
  const int64_t megabits_per_s = number_in(tree_ / "class/net" / name / "speed");
  return megabits_per_s > 0 && megabits_per_s <= INT32_MAX ? static_cast<uint64_t>(megabits_per_s) * 1'000'000 : 0;
}

void prefer_near(std::vector<Interface>& interfaces, const Nearness& nearness) {
  using Kind = std::tuple<int, bool, uint64_t>;
  std::map<Kind, std::vector<size_t>> alike;  // where they stand
  std::vector<Nearness::Place> places;
  for (const Interface& interface : interfaces) {
    places.push_back(nearness.of_interface(interface.name));
    if (places.back() != Nearness::Place::unknown) {
      const Kind kind{interface.address.family(), interface.address.is_link_local(), nearness.bits_per_s_of_interface(interface.name)};
      alike[kind].push_back(places.size() - 1);
    }
  }
  if (std::ranges::find(places, Nearness::Place::near) == places.end()) {
    return;
  }
  const std::vector<Interface> before = interfaces;
  for (const auto& [kind, positions] : alike) {
    std::vector<size_t> order = positions;
    std::ranges::stable_partition(order, [&](size_t index) { return places[index] == Nearness::Place::near; });
    for (size_t index = 0; index < order.size(); ++index) {
      interfaces[positions[index]] = before[order[index]];
      log::info("interface {} at {} is {} this rank's processors", before[order[index]].name, before[order[index]].address.to_string(),
                places[order[index]] == Nearness::Place::near ? "near to" : "far from");
    }
  }
}

}  // namespace tutti
