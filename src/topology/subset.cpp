// SPDX-License-Identifier: Apache-2.0
#include "topology/subset.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tutti::topology {
namespace {

// Of so many chips the links that they use are numbered anew, so that nobody keeps books on those of the whole machine.
constexpr uint32_t kMostRenumbered = 16;

bool has_axes(LevelKind kind) { return kind == LevelKind::ring || kind == LevelKind::torus || kind == LevelKind::mesh; }

// How many of the first chips are in the unit of `unit_chips` chips that the first is in; nothing if the chips do not fill units alike.
std::optional<uint32_t> chips_in_unit(std::span<const uint32_t> chips, uint64_t unit_chips) {
  const auto unit = [&](size_t index) { return chips[index] / unit_chips; };
  size_t count = 1;
  while (count < chips.size() && unit(count) == unit(0)) {
    ++count;
  }
  for (size_t index = 0; index < chips.size(); ++index) {
    const size_t first = index / count * count;
    if (unit(index) != unit(first) || (index == first && index != 0 && unit(index) == unit(index - 1))) {
      return std::nullopt;
    }
  }
  return chips.size() % count == 0 ? std::optional(static_cast<uint32_t>(count)) : std::nullopt;
}

struct Kept {
  FabricLevel level;
  uint32_t index = 0;  // in the whole
};

// The levels in which the chips differ; none where they cannot be told.
std::vector<Kept> levels_of(const Fabric& whole, std::span<const uint32_t> chips) {
  std::vector<Kept> kept;
  const std::span<const FabricLevel> levels = whole.levels();
  for (uint32_t index = 0; index < levels.size(); ++index) {
    const FabricLevel& level = levels[index];
    const std::optional<uint32_t> in_unit = chips_in_unit(chips, level.chips_per_unit);
    const std::optional<uint32_t> in_instance = chips_in_unit(chips, uint64_t{level.chips_per_unit} * level.unit_count);
    if (!in_unit || !in_instance || *in_instance % *in_unit != 0) {
      return {};
    }
    const uint32_t unit_count = *in_instance / *in_unit;
    if (unit_count == 1) {
      continue;
    }
    if (unit_count != level.unit_count && has_axes(level.kind)) {
      return {};
    }
    kept.push_back({.level = level, .index = index});
    FabricLevel& own = kept.back().level;
    own.chips_per_unit = *in_unit;
    if (unit_count != level.unit_count) {
      own.unit_count = unit_count;
      own.dims = {unit_count};
      std::erase_if(own.parts, [&](uint32_t part) { return part >= unit_count; });
    }
  }
  return kept;
}

class SubsetFabric final : public Fabric {
 public:
  SubsetFabric(std::shared_ptr<const Fabric> whole, std::span<const uint32_t> chips, const std::vector<Kept>& levels)
      : whole_(std::move(whole)), chips_(chips.begin(), chips.end()), own_level_(whole_->levels().size(), 0) {
    for (const Kept& kept : levels) {
      own_level_[kept.index] = static_cast<uint32_t>(levels_.size());
      levels_.push_back(kept.level);
    }
    for (uint32_t place = 0; place < chips_.size(); ++place) {
      places_.emplace(chips_[place], place);
    }
    if (chips_.size() <= kMostRenumbered) {
      number_links();
    }
  }

  uint32_t chip_count() const override { return static_cast<uint32_t>(chips_.size()); }
  uint32_t link_count() const override { return links_.empty() ? whole_->link_count() : static_cast<uint32_t>(links_.size()); }
  uint32_t node_count() const override { return chip_count() + whole_->node_count(); }
  uint64_t bytes_per_s(LinkId link) const override { return whole_->bytes_per_s(of_whole(link)); }
  LinkEnds ends(LinkId link) const override {
    const LinkEnds ends = whole_->ends(of_whole(link));
    return {.source = node(ends.source), .target = node(ends.target)};
  }
  std::string name(LinkId link) const override { return whole_->name(of_whole(link)); }
  uint32_t route_count(uint32_t source, uint32_t target) const override { return whole_->route_count(chips_[source], chips_[target]); }
  void route(uint32_t source, uint32_t target, uint32_t choice, Route* route) const override {
    whole_->route(chips_[source], chips_[target], choice, route);
    if (!links_.empty()) {
      for (LinkId& link : route->links) {
        link = numbers_.at(link);
      }
    }
  }
  bool is_adjacent(uint32_t source, uint32_t target) const override { return whole_->is_adjacent(chips_[source], chips_[target]); }
  std::span<const Protocol> protocols(uint32_t source, uint32_t target) const override { return whole_->protocols(chips_[source], chips_[target]); }
  std::span<const FabricLevel> levels() const override { return levels_; }
  uint32_t level(uint32_t source, uint32_t target) const override { return own_level_[whole_->level(chips_[source], chips_[target])]; }

 private:
  // Its chips come first; what else the whole has, its other chips among them, after them.
  NodeId node(NodeId of_whole) const {
    const auto found = places_.find(of_whole);
    return found != places_.end() ? found->second : chip_count() + of_whole;
  }
  LinkId of_whole(LinkId link) const { return links_.empty() ? link : links_[link]; }

  void number_links() {
    Route route;
    for (const uint32_t source : chips_) {
      for (const uint32_t target : chips_) {
        const uint32_t choices = source == target ? 0 : whole_->route_count(source, target);
        for (uint32_t choice = 0; choice < choices; ++choice) {
          whole_->route(source, target, choice, &route);
          for (const LinkId link : route.links) {
            if (numbers_.try_emplace(link, static_cast<LinkId>(links_.size())).second) {
              links_.push_back(link);
            }
          }
        }
      }
    }
  }

  std::shared_ptr<const Fabric> whole_;
  std::vector<uint32_t> chips_;
  std::unordered_map<NodeId, uint32_t> places_;  // of its chips, by their numbers in the whole
  std::vector<uint32_t> own_level_;  // by level of the whole
  std::vector<FabricLevel> levels_;
  std::vector<LinkId> links_;  // of the whole; empty: as there
  std::unordered_map<LinkId, LinkId> numbers_;
};

// Domains of `level` among the ranks.
std::vector<uint32_t> domains_of(const Level& level, std::span<const uint32_t> ranks) {
  std::vector<uint32_t> domains;
  for (const uint32_t rank : ranks) {
    domains.push_back(level.domains[rank]);
  }
  return domains;
}

Topology subset_of_hosts(const Topology& whole, std::span<const uint32_t> ranks) {
  const auto count = static_cast<uint32_t>(ranks.size());
  Topology subset(count);
  for (uint32_t rank = 0; rank < count; ++rank) {
    subset.set_host(rank, whole.host(ranks[rank]));
    for (uint32_t peer = rank + 1; peer < count; ++peer) {
      LinkSpec link = whole.link(ranks[rank], ranks[peer]);
      link.reaches_memory = false;
      subset.set_link(rank, peer, link);
    }
  }
  for (const Level& level : whole.levels()) {
    Level own = level;
    own.domains = domains_of(level, ranks);
    subset.add_level(std::move(own));
  }
  return subset;
}

}  // namespace

Topology subset_of(const Topology& whole, std::span<const uint32_t> ranks) {
  Topology subset = [&] {
    if (whole.fabric() == nullptr) {
      return subset_of_hosts(whole, ranks);
    }
    const std::vector<Kept> levels = levels_of(*whole.fabric(), ranks);
    if (levels.empty()) {
      return Topology::uniform(static_cast<uint32_t>(ranks.size()), {});
    }
    return Topology::of(std::make_shared<SubsetFabric>(whole.fabric(), ranks, levels));
  }();
  subset.reduce_bytes_per_s = whole.reduce_bytes_per_s;
  subset.fetch_bytes_per_s = whole.fetch_bytes_per_s;
  subset.cores_per_host = whole.cores_per_host;
  subset.adapters = whole.adapters;
  subset.messages = whole.messages;
  return subset;
}

}  // namespace tutti::topology
