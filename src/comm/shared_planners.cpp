// SPDX-License-Identifier: Apache-2.0
#include "comm/shared_planners.hpp"

#include <algorithm>
#include <list>
#include <mutex>

namespace tutti::comm {

namespace {

struct Entry {
  bootstrap::Bytes basis;
  std::weak_ptr<planner::Planner> planner;
};

struct Registry {
  std::mutex mutex;  // guards the entries
  std::list<Entry> entries;
};

// Never destroyed: communicators may come up while the process ends.
Registry& registry() {
  static Registry* const registry = new Registry;
  return *registry;
}

}  // namespace

std::shared_ptr<planner::Planner> planner_for(uint32_t rank, bootstrap::Bytes basis, const std::function<std::unique_ptr<planner::Planner>()>& make) {
  Registry& known = registry();
  const std::lock_guard lock(known.mutex);
  std::erase_if(known.entries, [](const Entry& entry) { return entry.planner.expired(); });
  const auto found = std::ranges::find(known.entries, basis, &Entry::basis);
  if (found != known.entries.end()) {
    if (auto leader = found->planner.lock()) {
      return std::make_shared<planner::Planner>(std::move(leader), rank);
    }
  }
  std::shared_ptr<planner::Planner> own = make();
  known.entries.push_back({.basis = std::move(basis), .planner = own});
  return own;
}

}  // namespace tutti::comm
