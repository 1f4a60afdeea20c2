// SPDX-License-Identifier: Apache-2.0
#include "algorithms/hierarchical/hierarchy.hpp"

#include <algorithm>
#include <unordered_map>

namespace tutti::algorithms::hierarchical {
namespace {

using Partition = std::vector<uint32_t>;  // the domain of each rank

// Innermost first.
std::vector<Partition> partitions_of(const topology::Topology& topology) {
  std::vector<Partition> partitions;
  for (auto level = topology.levels().rbegin(); level != topology.levels().rend(); ++level) {
    partitions.push_back(level->domains);
  }
  if (topology.host_count() > 1) {
    partitions.emplace_back();
    for (uint32_t rank = 0; rank < topology.rank_count(); ++rank) {
      partitions.back().push_back(topology.host(rank));
    }
  }
  return partitions;
}

bool has_two_domains_of_two(const Partition& partition) {
  std::unordered_map<uint32_t, uint32_t> sizes;
  for (const uint32_t domain : partition) {
    ++sizes[domain];
  }
  return std::count_if(sizes.begin(), sizes.end(), [](const auto& entry) { return entry.second >= 2; }) >= 2;
}

}  // namespace

Hierarchy::Hierarchy(const topology::Topology& topology, Depth depth) {
  std::vector<Partition> partitions = partitions_of(topology);
  // Hosts of one rank, or caches, may divide ranks without bringing any together.
  std::erase_if(partitions, [](const Partition& partition) { return !has_two_domains_of_two(partition); });
  is_worth_it_ = depth == Depth::all ? !partitions.empty() : partitions.size() > 1;
  if (!is_worth_it_) {
    return;
  }
  if (depth == Depth::outermost) {
    partitions.erase(partitions.begin(), partitions.end() - 1);
  } else if (depth == Depth::innermost) {
    partitions.resize(1);
  }
  partitions.emplace_back(topology.rank_count(), 0);  // where all meet

  for (const Partition& partition : partitions) {
    std::unordered_map<uint32_t, uint32_t> numbers;
    Stage stage;
    std::vector<uint32_t> domains;
    uint32_t seen = 0;
    for (uint32_t rank = 0; rank < topology.rank_count(); ++rank) {
      const uint32_t domain = numbers.try_emplace(partition[rank], static_cast<uint32_t>(stage.size())).first->second;
      stage.resize(numbers.size());
      const uint32_t part = stages_.empty() ? rank : domains_.back()[rank];
      if (part == seen) {  // parts are numbered as they come
        stage[domain].push_back(part);
        ++seen;
      }
      domains.push_back(domain);
    }
    stages_.push_back(std::move(stage));
    domains_.push_back(std::move(domains));
  }
}

uint32_t Hierarchy::smallest_domain() const {
  const auto smallest = std::min_element(stages_.front().begin(), stages_.front().end(),
                                         [](const auto& left, const auto& right) { return left.size() < right.size(); });
  return static_cast<uint32_t>(smallest->size());
}

uint32_t Hierarchy::largest_group() const {
  size_t largest = 0;
  for (const Stage& stage : stages_) {
    for (const std::vector<uint32_t>& parts : stage) {
      largest = std::max(largest, parts.size());
    }
  }
  return static_cast<uint32_t>(largest);
}

uint32_t Hierarchy::position(uint32_t rank) const {
  const std::vector<uint32_t>& members = stages_.front()[domains_.front()[rank]];
  return static_cast<uint32_t>(std::find(members.begin(), members.end(), rank) - members.begin());
}

uint32_t Hierarchy::leader(uint32_t stage, uint32_t domain, const Choice& choice) const {
  if (choice.first && domains_[stage][*choice.first] == domain) {
    return *choice.first;
  }
  if (stage > 0 && choice.near && domains_[stage][*choice.near] == domain) {
    return leader(stage - 1, domains_[stage - 1][*choice.near], choice);
  }
  const std::vector<uint32_t>& parts = stages_[stage][domain];
  const uint32_t part = parts[choice.share % parts.size()];
  return stage == 0 ? part : leader(stage - 1, part, choice);
}

Group Hierarchy::group(uint32_t stage, uint32_t domain, const Choice& choice) const {
  Group group{.members = stages_[stage][domain], .leader = leader(stage, domain, choice)};
  if (stage > 0) {
    for (uint32_t& member : group.members) {
      member = leader(stage - 1, member, choice);
    }
  }
  return group;
}

std::vector<Group> Hierarchy::groups_of(uint32_t rank, const Choice& choice) const {
  std::vector<Group> groups;
  for (uint32_t stage = 0; stage < stage_count() && (stage == 0 || groups.back().leader == rank); ++stage) {
    groups.push_back(group(stage, domains_[stage][rank], choice));
  }
  return groups;
}

}  // namespace tutti::algorithms::hierarchical
