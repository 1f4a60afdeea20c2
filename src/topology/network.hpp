// SPDX-License-Identifier: Apache-2.0
// One level of a fabric by itself: endpoints, the switches between them, links and ways. All numbers are the level's own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "topology/fabric.hpp"

namespace tutti::topology {

inline uint64_t divided_up(uint64_t value, uint64_t by) { return (value + by - 1) / by; }

class Network {
 public:
  virtual ~Network() = default;

  uint32_t endpoint_count() const { return endpoint_count_; }
  virtual uint64_t link_count() const = 0;
  // Nodes beside the endpoints, numbered after them.
  virtual uint64_t switch_count() const { return 0; }

  virtual uint64_t bytes_per_s(uint32_t link) const = 0;
  virtual LinkEnds ends(uint32_t link) const = 0;
  // "(1,0,2)" or "spine 3"; `node` is an endpoint or a switch.
  virtual std::string node_name(NodeId node) const = 0;
  // Tells a link from others between the same two nodes: "#2".
  virtual std::string link_mark(uint32_t) const { return {}; }

  // Endpoints differ.
  virtual uint32_t way_count(uint32_t source, uint32_t target) const = 0;
  // Adds the links of a way, each increased by `base`, and what its wires and switches take.
  virtual void add_way(uint32_t source, uint32_t target, uint32_t choice, LinkId base, Route* route) const = 0;
  // No other endpoint forwards.
  virtual bool is_adjacent(uint32_t source, uint32_t target) const = 0;

 protected:
  explicit Network(uint32_t endpoint_count) : endpoint_count_(endpoint_count) {}

 private:
  uint32_t endpoint_count_;
};

struct LinkFigures {
  uint64_t bytes_per_s = 1;
  uint64_t hop_ns = 0;  // through one switch, or to one neighbour
};

std::unique_ptr<Network> make_full_mesh(uint32_t endpoint_count, const LinkFigures& figures);
std::unique_ptr<Network> make_switch(uint32_t endpoint_count, const LinkFigures& figures);

// A second way for pairs that are far apart on a mesh: each block of the mesh has an adapter, and one switch joins those.
struct Bypass {
  std::vector<uint32_t> block;  // by axis
  uint64_t bytes_per_s = 1;     // of an adapter
  uint64_t latency_ns = 0;      // from adapter to adapter
  uint32_t hop_count = 1;       // pairs that are further apart take it
};

// Ring, torus and mesh.
struct Lattice {
  std::vector<uint32_t> dims;
  std::vector<bool> wraps;
  std::vector<uint64_t> bytes_per_s;  // by axis
  uint64_t hop_ns = 0;
  // Crossing the wrap of an axis of n shifts by n along each axis of 2n; all axes wrap.
  bool is_twisted = false;
  // Links that leave a block are of their own kind; empty: all are alike.
  std::vector<uint32_t> block;
  uint64_t seam_bytes_per_s = 0;
  std::optional<Bypass> bypass;
};
std::unique_ptr<Network> make_lattice(Lattice lattice);

struct FatTree {
  uint32_t endpoint_count = 0;
  // What a switch of each tier joins, from the leaves up: endpoints, leaves, ...
  std::vector<uint32_t> down;
  // By tier: switches of the next tier above that each node is joined to. The first is 1: an endpoint has one link.
  std::vector<uint32_t> up;
  // By tier: of each link to it from below.
  std::vector<uint64_t> bytes_per_s;
  uint64_t hop_ns = 0;
  // Of every `rail_count` neighbouring endpoints each is joined to a leaf of its own, with the same endpoints of down[0] such groups.
  uint32_t rail_count = 1;
};
// Tiers that join nothing are left away.
std::unique_ptr<Network> make_fat_tree(FatTree tree);

struct Dragonfly {
  uint32_t endpoint_count = 0;
  uint32_t endpoints_per_switch = 1;
  uint32_t switches_per_group = 1;
  uint32_t links_per_pair = 1;  // of groups
  uint64_t bytes_per_s = 1;     // of an endpoint
  uint64_t local_bytes_per_s = 1;
  uint64_t global_bytes_per_s = 1;
  uint64_t hop_ns = 0;
};
std::unique_ptr<Network> make_dragonfly(const Dragonfly& dragonfly);

}  // namespace tutti::topology
