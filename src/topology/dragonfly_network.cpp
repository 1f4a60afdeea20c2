// SPDX-License-Identifier: Apache-2.0
// Groups of switches that are all joined to each other, and groups that are all joined to each other.
#include <fmt/format.h>

#include "topology/network.hpp"

namespace tutti::topology {
namespace {

// Links: of endpoints to their switches, back, between the switches of groups, between groups.
class DragonflyNetwork : public Network {
 public:
  explicit DragonflyNetwork(const Dragonfly& shape)
      : Network(shape.endpoint_count),
        shape_(shape),
        group_count_(static_cast<uint32_t>(divided_up(shape.endpoint_count, uint64_t{shape.endpoints_per_switch} * shape.switches_per_group))),
        local_per_group_(uint64_t{shape.switches_per_group} * (shape.switches_per_group - 1)),
        global_per_group_(uint64_t{group_count_ - 1} * shape.links_per_pair) {}

  uint64_t link_count() const override { return global_base() + group_count_ * global_per_group_; }
  uint64_t switch_count() const override { return uint64_t{group_count_} * shape_.switches_per_group; }

  uint64_t bytes_per_s(uint32_t link) const override {
    return link < local_base() ? shape_.bytes_per_s : link < global_base() ? shape_.local_bytes_per_s : shape_.global_bytes_per_s;
  }

  LinkEnds ends(uint32_t link) const override {
    const uint32_t count = endpoint_count();
    if (link < local_base()) {
      const NodeId endpoint = link % count;
      const NodeId own_switch = count + switch_of(endpoint);
      return link < count ? LinkEnds{.source = endpoint, .target = own_switch} : LinkEnds{.source = own_switch, .target = endpoint};
    }
    if (link < global_base()) {
      const auto group = static_cast<uint32_t>((link - local_base()) / local_per_group_);
      const auto index = static_cast<uint32_t>((link - local_base()) % local_per_group_);
      const uint32_t source = index / (shape_.switches_per_group - 1);
      const uint32_t other = index % (shape_.switches_per_group - 1);
      return {.source = node(group, source), .target = node(group, other + (other >= source ? 1 : 0))};
    }
    const auto group = static_cast<uint32_t>((link - global_base()) / global_per_group_);
    const auto index = static_cast<uint32_t>((link - global_base()) % global_per_group_);
    const uint32_t slot = index / shape_.links_per_pair;
    const uint32_t other = slot + (slot >= group ? 1 : 0);
    const uint32_t choice = index % shape_.links_per_pair;
    return {.source = node(group, gateway(group, other, choice)), .target = node(other, gateway(other, group, choice))};
  }

  std::string node_name(NodeId node) const override {
    if (node < endpoint_count()) {
      return fmt::format("{}", node);
    }
    const uint32_t index = node - endpoint_count();
    return fmt::format("group {} switch {}", index / shape_.switches_per_group, index % shape_.switches_per_group);
  }

  std::string link_mark(uint32_t link) const override {
    return link < global_base() ? std::string() : fmt::format("#{}", (link - global_base()) % shape_.links_per_pair);
  }

  uint32_t way_count(uint32_t source, uint32_t target) const override { return group_of(source) == group_of(target) ? 1 : shape_.links_per_pair; }

  void add_way(uint32_t source, uint32_t target, uint32_t choice, LinkId base, Route* route) const override {
    const uint32_t source_group = group_of(source);
    const uint32_t target_group = group_of(target);
    const uint32_t last = switch_of(target) % shape_.switches_per_group;
    uint32_t current = switch_of(source) % shape_.switches_per_group;
    route->links.push_back(base + source);
    route->latency_ns += shape_.hop_ns;
    if (source_group != target_group) {
      add_local(source_group, current, gateway(source_group, target_group, choice), base, route);
      route->links.push_back(base + static_cast<LinkId>(global_base() + source_group * global_per_group_ +
                                                        slot(source_group, target_group) * shape_.links_per_pair + choice));
      route->latency_ns += shape_.hop_ns;
      current = gateway(target_group, source_group, choice);
    }
    add_local(target_group, current, last, base, route);
    route->links.push_back(base + endpoint_count() + target);
  }

  bool is_adjacent(uint32_t, uint32_t) const override { return true; }

 private:
  uint64_t local_base() const { return uint64_t{endpoint_count()} * 2; }
  uint64_t global_base() const { return local_base() + group_count_ * local_per_group_; }
  uint32_t switch_of(uint32_t endpoint) const { return endpoint / shape_.endpoints_per_switch; }
  uint32_t group_of(uint32_t endpoint) const { return switch_of(endpoint) / shape_.switches_per_group; }
  NodeId node(uint32_t group, uint32_t index) const { return endpoint_count() + group * shape_.switches_per_group + index; }
  static uint32_t slot(uint32_t group, uint32_t other) { return other - (other > group ? 1 : 0); }
  // The switch of `group` at which link `choice` to `other` ends: links go to one switch after another.
  uint32_t gateway(uint32_t group, uint32_t other, uint32_t choice) const {
    return (slot(group, other) * shape_.links_per_pair + choice) % shape_.switches_per_group;
  }
  void add_local(uint32_t group, uint32_t source, uint32_t target, LinkId base, Route* route) const {
    if (source != target) {
      const uint32_t index = source * (shape_.switches_per_group - 1) + target - (target > source ? 1 : 0);
      route->links.push_back(base + static_cast<LinkId>(local_base() + group * local_per_group_ + index));
      route->latency_ns += shape_.hop_ns;
    }
  }

  Dragonfly shape_;
  uint32_t group_count_;
  uint64_t local_per_group_;
  uint64_t global_per_group_;
};

}  // namespace

std::unique_ptr<Network> make_dragonfly(const Dragonfly& dragonfly) { return std::make_unique<DragonflyNetwork>(dragonfly); }

}  // namespace tutti::topology
