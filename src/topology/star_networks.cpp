// SPDX-License-Identifier: Apache-2.0
// Every pair joined by a wire, or by one switch.
#include <fmt/format.h>

#include "topology/network.hpp"

namespace tutti::topology {
namespace {

// Link source * (n - 1) + target, where targets above the source count one less.
class FullMesh : public Network {
 public:
  FullMesh(uint32_t endpoint_count, const LinkFigures& figures) : Network(endpoint_count), figures_(figures) {}

  uint64_t link_count() const override { return uint64_t{endpoint_count()} * (endpoint_count() - 1); }
  uint64_t bytes_per_s(uint32_t) const override { return figures_.bytes_per_s; }
  LinkEnds ends(uint32_t link) const override {
    const uint32_t source = link / (endpoint_count() - 1);
    const uint32_t target = link % (endpoint_count() - 1);
    return {.source = source, .target = target + (target >= source ? 1 : 0)};
  }
  std::string node_name(NodeId node) const override { return fmt::format("{}", node); }

  uint32_t way_count(uint32_t, uint32_t) const override { return 1; }
  void add_way(uint32_t source, uint32_t target, uint32_t, LinkId base, Route* route) const override {
    route->links.push_back(base + source * (endpoint_count() - 1) + target - (target > source ? 1 : 0));
    route->latency_ns += figures_.hop_ns;
  }
  bool is_adjacent(uint32_t, uint32_t) const override { return true; }

 private:
  LinkFigures figures_;
};

// The links to the switch, then those from it.
class Switch : public Network {
 public:
  Switch(uint32_t endpoint_count, const LinkFigures& figures) : Network(endpoint_count), figures_(figures) {}

  uint64_t link_count() const override { return uint64_t{endpoint_count()} * 2; }
  uint64_t switch_count() const override { return 1; }
  uint64_t bytes_per_s(uint32_t) const override { return figures_.bytes_per_s; }
  LinkEnds ends(uint32_t link) const override {
    return link < endpoint_count() ? LinkEnds{.source = link, .target = endpoint_count()}
                                   : LinkEnds{.source = endpoint_count(), .target = link - endpoint_count()};
  }
  std::string node_name(NodeId node) const override { return node == endpoint_count() ? "switch" : fmt::format("{}", node); }

  uint32_t way_count(uint32_t, uint32_t) const override { return 1; }
  void add_way(uint32_t source, uint32_t target, uint32_t, LinkId base, Route* route) const override {
    route->links.push_back(base + source);
    route->links.push_back(base + endpoint_count() + target);
    route->latency_ns += figures_.hop_ns;
  }
  bool is_adjacent(uint32_t, uint32_t) const override { return true; }

 private:
  LinkFigures figures_;
};

}  // namespace

std::unique_ptr<Network> make_full_mesh(uint32_t endpoint_count, const LinkFigures& figures) {
  return std::make_unique<FullMesh>(endpoint_count, figures);
}

std::unique_ptr<Network> make_switch(uint32_t endpoint_count, const LinkFigures& figures) {
  return std::make_unique<Switch>(endpoint_count, figures);
}

}  // namespace tutti::topology
