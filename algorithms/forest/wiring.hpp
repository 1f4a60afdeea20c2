// SPDX-License-Identifier: Apache-2.0
// Which pairs of chips trees may join, and how many trees each pair: the links of a machine, cut into shares that are all as fast.
#pragma once

#include <cstdint>
#include <vector>

#include "algorithms/forest/network.hpp"

namespace tutti::algorithms::forest {

// A pair of chips is in at most so many trees: each needs a channel of its own.
inline constexpr uint32_t kMostTreesOfALink = 6;
// Each is a chunk.
inline constexpr uint32_t kMostSpanningTrees = 16;

// Between two chips, for both directions.
struct Wire {
  uint32_t a = 0;
  uint32_t b = 0;
  uint32_t room = 0;  // trees

  uint32_t other(uint32_t chip) const { return chip == a ? b : a; }
};

// The graph of wires, for trees of one speed.
struct Wiring {
  uint64_t bytes_per_s = 0;  // of each tree
  uint32_t chip_count = 0;
  uint32_t most_trees = 0;  // that there are wires for
  std::vector<Wire> wires;
  std::vector<std::vector<uint32_t>> at;  // by chip: wires

  uint64_t most_bytes_per_s() const { return bytes_per_s * most_trees; }
};

// For speeds at which whole trees fill some link: the fastest altogether first, of equally fast ones that with the fewest trees. Links are as fast as in their
// slower direction. A switch between chips joins each to some of the others, so that each has as many wires as its link has room for trees. None where switches
// are joined to switches.
std::vector<Wiring> wirings_of(const Network& network);

// By chip, in wires; UINT32_MAX: there is no way.
std::vector<uint32_t> distances_from(const Wiring& wiring, uint32_t from);

}  // namespace tutti::algorithms::forest
