// SPDX-License-Identifier: Apache-2.0
// The links of a machine, as whatever shares them among messages sees them: chips, directed links, and the ways from chip to chip.
//
// A fabric stores no table of pairs. Nodes, links and ways are numbered by arithmetic on the nesting of its levels, and a way is computed when it is
// asked for. All figures are whole numbers, so that all ranks have the same ones.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tutti::topology {

// One direction of a wire, or of several that are always used together.
using LinkId = uint32_t;
// Chips have the first numbers; the rest are switches, routers and adapters.
using NodeId = uint32_t;

inline constexpr uint32_t kMostChips = uint32_t{1} << 20;
inline constexpr uint32_t kMostLinks = uint32_t{1} << 26;

struct Route {
  std::vector<LinkId> links;  // in order; none from a chip to itself
  uint64_t latency_ns = 0;    // of the first byte: wires and switches, no software
};

struct LinkEnds {
  NodeId source = 0;
  NodeId target = 0;
};

// One way in which software moves messages. Whoever sends takes the cheapest for the size: step_ns, the way's latency, and the bytes at
// efficiency_per_mille of what the links give.
struct Protocol {
  std::string name;      // "bulk"
  uint64_t base_ns = 0;  // once a collective: what it takes to start
  uint64_t step_ns = 0;  // each message
  uint32_t efficiency_per_mille = 1000;
};

enum class LevelKind : uint8_t { full_mesh, switched, ring, torus, mesh, fat_tree, dragonfly, rails };

// What joins units of chips_per_unit chips each into units that are unit_count times as large. The innermost joins single chips.
struct FabricLevel {
  std::string name;
  LevelKind kind = LevelKind::switched;
  uint32_t unit_count = 1;
  uint32_t chips_per_unit = 1;
  // Ring, torus, mesh: units along each axis, whose product is unit_count, the first axis numbered fastest; the others have one axis.
  std::vector<uint32_t> dims = {1};
  std::vector<bool> wraps = {false};  // by axis: the last unit is joined to the first
  bool is_twisted = false;            // the wraps of short axes come back half-way round the long ones
  std::vector<uint32_t> block = {};   // units along each axis that have an adapter to a plane which joins such blocks; empty: there is none
  uint64_t bytes_per_s = 0;  // effective, one direction of what joins a chip to a neighbour or switch; of the fastest axis
  uint32_t port_count = 0;   // neighbours a chip can send to at full rate at once; 0: all it has
  // Units that share a switch of each tier of a fat tree but the last, or a group of a dragonfly, innermost first: each a multiple of the one before.
  std::vector<uint32_t> parts = {};
  // Switches that reduce what passes, or copy it to several targets: the share of the bandwidth that is left while they do; 0: they do not.
  uint32_t reduction_per_mille = 0;
  uint64_t reduction_ns = 0;  // what a reduction in the switches takes, software included, beside the bytes
  bool reduces_to_all = false;  // the result of a reduction comes to several targets at once, as it leaves the switches
  uint32_t multicast_per_mille = 0;
};

// Immutable: any number of threads may ask it. Chips are below chip_count(), links below link_count(), nodes below node_count().
class Fabric {
 public:
  virtual ~Fabric() = default;

  virtual uint32_t chip_count() const = 0;
  virtual uint32_t link_count() const = 0;
  virtual uint32_t node_count() const = 0;

  // Effective: what was measured or is to be expected of large messages, all headers paid. At least 1.
  virtual uint64_t bytes_per_s(LinkId link) const = 0;
  virtual LinkEnds ends(LinkId link) const = 0;
  // For people, unique in the fabric: "cube chip (0,0,1) +z".
  virtual std::string name(LinkId link) const = 0;

  // Equally good ways that routing has to choose from, at least 1: the switches that a fat tree can go up through, the links between two groups of a
  // dragonfly, the two directions to the opposite chip of a ring.
  virtual uint32_t route_count(uint32_t source, uint32_t target) const = 0;
  // Way `choice`, below route_count(), which the links of `route` then hold; reuses its memory. Whoever spreads messages over ways picks the choice.
  virtual void route(uint32_t source, uint32_t target, uint32_t choice, Route* route) const = 0;
  // No third chip forwards what passes between the two: one link, or only switches between. A machine whose chips are wired to each other carries
  // messages of such pairs only.
  virtual bool is_adjacent(uint32_t source, uint32_t target) const = 0;
  // What software offers for messages between the two, at least one; valid as long as the fabric. The list is that of the outermost level passed, and
  // equal for all pairs of equal level().
  virtual std::span<const Protocol> protocols(uint32_t source, uint32_t target) const = 0;

  // Innermost first.
  virtual std::span<const FabricLevel> levels() const = 0;
  // The outermost level passed on the way, an index into levels(); 0 for a chip and itself.
  virtual uint32_t level(uint32_t source, uint32_t target) const = 0;
};

}  // namespace tutti::topology
