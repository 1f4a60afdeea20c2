// SPDX-License-Identifier: Apache-2.0
// Tiers of switches, of which those above are as many and as fast as the tree needs: an extended generalised fat tree.
#include <fmt/format.h>

#include <cassert>

#include "topology/network.hpp"

namespace tutti::topology {
namespace {

// Subtrees of height h hold what the tiers up to h can tell apart. Each has width(h) switches of tier h as its roots, all of which reach all that is
// below. Root `index` of a subtree of height h - 1 is joined to the roots index + r * width(h - 1) of the subtree around it, r below up[h - 1].
// Links by tier: up, then down, for each node below and each r.
class FatTreeNetwork : public Network {
 public:
  explicit FatTreeNetwork(FatTree tree) : Network(tree.endpoint_count), tree_(std::move(tree)) {
    assert(tree_.up.front() == 1 && tree_.up.size() == tree_.down.size() && tree_.bytes_per_s.size() == tree_.down.size());
    uint64_t subtrees = endpoint_count();
    uint64_t width = 1;
    for (size_t tier = 0; tier < tree_.down.size() && (subtrees > 1 || tier == 0); ++tier) {
      link_bases_.push_back(link_count_);
      link_count_ += 2 * subtrees * width * tree_.up[tier];
      widths_.push_back(static_cast<uint32_t>(width));
      subtrees = tier == 0 ? leaf_count() : divided_up(subtrees, tree_.down[tier]);
      width *= tree_.up[tier];
      switch_bases_.push_back(switch_count_);
      switch_count_ += subtrees * width;
    }
    link_bases_.push_back(link_count_);
    switch_bases_.push_back(switch_count_);
    widths_.push_back(static_cast<uint32_t>(width));
    assert(subtrees == 1);
  }

  uint64_t link_count() const override { return link_count_; }
  uint64_t switch_count() const override { return switch_count_; }
  uint64_t bytes_per_s(uint32_t link) const override { return tree_.bytes_per_s[tier_of(link_bases_, link)]; }

  LinkEnds ends(uint32_t link) const override {
    const size_t tier = tier_of(link_bases_, link);
    const auto index = static_cast<uint32_t>(link - link_bases_[tier]);
    const uint32_t wire = index / 2;
    const uint32_t below = wire / tree_.up[tier];
    const uint32_t subtree = below / widths_[tier];
    const uint32_t root = below % widths_[tier];
    const NodeId lower = tier == 0 ? subtree : node(tier - 1, subtree, root);
    const NodeId upper = node(tier, around(tier, subtree), root + (wire % tree_.up[tier]) * widths_[tier]);
    return index % 2 == 0 ? LinkEnds{.source = lower, .target = upper} : LinkEnds{.source = upper, .target = lower};
  }

  std::string node_name(NodeId node) const override {
    if (node < endpoint_count()) {
      return fmt::format("{}", node);
    }
    const uint32_t index = node - endpoint_count();
    const size_t tier = tier_of(switch_bases_, index);
    return fmt::format("tier {} switch {}", tier + 1, index - switch_bases_[tier]);
  }

  uint32_t way_count(uint32_t source, uint32_t target) const override { return widths_[meeting_tier(source, target) + 1]; }

  void add_way(uint32_t source, uint32_t target, uint32_t choice, LinkId base, Route* route) const override {
    const size_t top = meeting_tier(source, target);
    const size_t first = route->links.size();
    route->links.resize(first + 2 * (top + 1));
    // The choice is the root on top; those below follow from it.
    for (size_t tier = 0; tier <= top; ++tier) {
      const uint32_t root = choice % widths_[tier];
      const uint32_t turn = choice / widths_[tier] % tree_.up[tier];
      route->links[first + tier] = base + link(tier, source, root, turn);
      route->links[first + 2 * top + 1 - tier] = base + link(tier, target, root, turn) + 1;
      source = around(tier, source);
      target = around(tier, target);
    }
    route->latency_ns += (2 * top + 1) * tree_.hop_ns;
  }

  bool is_adjacent(uint32_t, uint32_t) const override { return true; }

 private:
  uint32_t leaf_count() const {
    return tree_.rail_count * static_cast<uint32_t>(divided_up(endpoint_count() / tree_.rail_count, tree_.down.front()));
  }
  // The subtree around one that is a part of a subtree of tier `tier`.
  uint32_t around(size_t tier, uint32_t subtree) const {
    if (tier > 0) {
      return subtree / tree_.down[tier];
    }
    return subtree / tree_.rail_count / tree_.down.front() * tree_.rail_count + subtree % tree_.rail_count;
  }
  size_t meeting_tier(uint32_t source, uint32_t target) const {
    size_t tier = 0;
    for (; (source = around(tier, source)) != (target = around(tier, target)); ++tier) {
    }
    return tier;
  }
  LinkId link(size_t tier, uint32_t subtree, uint32_t root, uint32_t turn) const {
    return static_cast<LinkId>(link_bases_[tier] + 2 * ((uint64_t{subtree} * widths_[tier] + root) * tree_.up[tier] + turn));
  }
  NodeId node(size_t tier, uint32_t subtree, uint32_t root) const {
    return static_cast<NodeId>(endpoint_count() + switch_bases_[tier] + uint64_t{subtree} * widths_[tier + 1] + root);
  }
  static size_t tier_of(const std::vector<uint64_t>& bases, uint32_t index) {
    size_t tier = 0;
    while (tier + 2 < bases.size() && index >= bases[tier + 1]) {
      ++tier;
    }
    return tier;
  }

  FatTree tree_;
  std::vector<uint64_t> link_bases_;    // by tier, and the end
  std::vector<uint64_t> switch_bases_;  // by tier, and the end
  std::vector<uint32_t> widths_;        // roots of a subtree of each height, from height 0
  uint64_t link_count_ = 0;
  uint64_t switch_count_ = 0;
};

}  // namespace

std::unique_ptr<Network> make_fat_tree(FatTree tree) { return std::make_unique<FatTreeNetwork>(std::move(tree)); }

}  // namespace tutti::topology
