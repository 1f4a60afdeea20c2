// SPDX-License-Identifier: Apache-2.0
// A small fabric given by its wires; every shortest way is one to choose. For a few dozen nodes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "topology/fabric.hpp"

namespace tutti::tests {

class GraphFabric final : public topology::Fabric {
 public:
  struct Wire {
    uint32_t a = 0;
    uint32_t b = 0;
    uint64_t bytes_per_s = 1'000'000'000;  // each direction
  };
  struct Shape {
    uint32_t chip_count = 0;
    uint32_t switch_count = 0;
    std::vector<Wire> wires;
    uint64_t hop_ns = 100;
    std::vector<topology::Protocol> protocols = {{.name = "only", .base_ns = 0, .step_ns = 1'000, .efficiency_per_mille = 1000}};
    topology::FabricLevel level = {};  // the only one
  };

  explicit GraphFabric(Shape shape) : shape_(std::move(shape)), levels_{shape_.level}, ways_(size_t{shape_.chip_count} * shape_.chip_count) {
    for (uint32_t source = 0; source < shape_.chip_count; ++source) {
      find_ways_from(source);
    }
  }

  uint32_t chip_count() const override { return shape_.chip_count; }
  uint32_t link_count() const override { return static_cast<uint32_t>(2 * shape_.wires.size()); }
  uint32_t node_count() const override { return shape_.chip_count + shape_.switch_count; }
  uint64_t bytes_per_s(topology::LinkId link) const override { return shape_.wires[link / 2].bytes_per_s; }
  topology::LinkEnds ends(topology::LinkId link) const override {
    const Wire& wire = shape_.wires[link / 2];
    return link % 2 == 0 ? topology::LinkEnds{wire.a, wire.b} : topology::LinkEnds{wire.b, wire.a};
  }
  std::string name(topology::LinkId link) const override { return std::to_string(ends(link).source) + "-" + std::to_string(ends(link).target); }
  uint32_t route_count(uint32_t source, uint32_t target) const override {
    return std::max<uint32_t>(1, static_cast<uint32_t>(ways(source, target).size()));
  }
  void route(uint32_t source, uint32_t target, uint32_t choice, topology::Route* route) const override {
    route->links = source == target ? std::vector<topology::LinkId>() : ways(source, target)[choice];
    route->latency_ns = route->links.size() * shape_.hop_ns;
  }
  bool is_adjacent(uint32_t source, uint32_t target) const override {
    const std::vector<topology::LinkId>& way = ways(source, target).front();
    return std::ranges::all_of(way.begin() + 1, way.end(), [&](topology::LinkId link) { return ends(link).source >= shape_.chip_count; });
  }
  std::span<const topology::Protocol> protocols(uint32_t, uint32_t) const override { return shape_.protocols; }
  std::span<const topology::FabricLevel> levels() const override { return levels_; }
  uint32_t level(uint32_t, uint32_t) const override { return 0; }

 private:
  const std::vector<std::vector<topology::LinkId>>& ways(uint32_t source, uint32_t target) const {
    return ways_[size_t{source} * shape_.chip_count + target];
  }
  // Grows all shortest ways by a link at a time.
  void find_ways_from(uint32_t source) {
    std::vector<std::vector<std::vector<topology::LinkId>>> at(node_count());
    std::vector<bool> is_reached(node_count(), false);
    is_reached[source] = true;
    std::vector<uint32_t> newest = {source};
    at[source] = {{}};
    while (!newest.empty()) {
      std::vector<uint32_t> next;
      for (topology::LinkId link = 0; link < link_count(); ++link) {
        const topology::LinkEnds hop = ends(link);
        if (is_reached[hop.target] || std::ranges::find(newest, hop.source) == newest.end()) {
          continue;
        }
        if (std::ranges::find(next, hop.target) == next.end()) {
          next.push_back(hop.target);
        }
        for (std::vector<topology::LinkId> way : at[hop.source]) {
          way.push_back(link);
          at[hop.target].push_back(std::move(way));
        }
      }
      for (const uint32_t node : next) {
        is_reached[node] = true;
      }
      newest = std::move(next);
    }
    for (uint32_t target = 0; target < shape_.chip_count; ++target) {
      ways_[size_t{source} * shape_.chip_count + target] = std::move(at[target]);
    }
  }

  Shape shape_;
  std::vector<topology::FabricLevel> levels_;
  std::vector<std::vector<std::vector<topology::LinkId>>> ways_;  // by source and target
};

inline GraphFabric::Shape ring_shape(uint32_t chip_count, uint64_t bytes_per_s) {
  GraphFabric::Shape shape{.chip_count = chip_count, .wires = {}};
  for (uint32_t chip = 0; chip < chip_count; ++chip) {
    shape.wires.push_back({chip, (chip + 1) % chip_count, bytes_per_s});
  }
  return shape;
}

// Both axes wrap.
inline GraphFabric::Shape torus_shape(uint32_t width, uint32_t height, uint64_t bytes_per_s) {
  GraphFabric::Shape shape{.chip_count = width * height, .wires = {}};
  for (uint32_t chip = 0; chip < shape.chip_count; ++chip) {
    const uint32_t x = chip % width;
    const uint32_t y = chip / width;
    shape.wires.push_back({chip, y * width + (x + 1) % width, bytes_per_s});
    shape.wires.push_back({chip, (y + 1) % height * width + x, bytes_per_s});
  }
  return shape;
}

inline GraphFabric::Shape full_mesh_shape(uint32_t chip_count, uint64_t bytes_per_s) {
  GraphFabric::Shape shape{.chip_count = chip_count, .wires = {}};
  for (uint32_t a = 0; a < chip_count; ++a) {
    for (uint32_t b = a + 1; b < chip_count; ++b) {
      shape.wires.push_back({a, b, bytes_per_s});
    }
  }
  return shape;
}

// Chips around one switch, which reduces and copies what passes at `per_mille` of the bandwidth.
inline GraphFabric::Shape switch_shape(uint32_t chip_count, uint64_t bytes_per_s, uint32_t per_mille) {
  GraphFabric::Shape shape{.chip_count = chip_count, .switch_count = 1, .wires = {}};
  for (uint32_t chip = 0; chip < chip_count; ++chip) {
    shape.wires.push_back({chip, chip_count, bytes_per_s});
  }
  shape.level.unit_count = chip_count;
  shape.level.reduction_per_mille = shape.level.multicast_per_mille = per_mille;
  shape.level.reduces_to_all = per_mille != 0;
  shape.level.reduction_ns = 5'000;
  return shape;
}

// Leaves of `chips_per_leaf` chips, each joined to every spine.
inline GraphFabric::Shape fat_tree_shape(uint32_t chip_count, uint32_t chips_per_leaf, uint32_t spine_count, uint64_t bytes_per_s) {
  const uint32_t leaf_count = chip_count / chips_per_leaf;
  GraphFabric::Shape shape{.chip_count = chip_count, .switch_count = leaf_count + spine_count, .wires = {}};
  for (uint32_t chip = 0; chip < chip_count; ++chip) {
    shape.wires.push_back({chip, chip_count + chip / chips_per_leaf, bytes_per_s});
  }
  for (uint32_t leaf = 0; leaf < leaf_count; ++leaf) {
    for (uint32_t spine = 0; spine < spine_count; ++spine) {
      shape.wires.push_back({chip_count + leaf, chip_count + leaf_count + spine, bytes_per_s});
    }
  }
  return shape;
}

}  // namespace tutti::tests
