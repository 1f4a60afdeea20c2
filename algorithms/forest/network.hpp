// SPDX-License-Identifier: Apache-2.0
// The links that chips of a machine can use without a third chip's help, and how fast all chips can hear all others, or one of them, over these.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "algorithms/forest/max_flow.hpp"
#include "topology/topology.hpp"

namespace tutti::algorithms::forest {

// Chips have the first numbers, as their ranks; the other nodes only pass on.
struct Network {
  uint32_t chip_count = 0;
  uint32_t node_count = 0;
  std::vector<uint64_t> capacities;  // node_count^2: from a node to another
  // By two chips and a node, of chips that are no neighbours: whether a way of theirs passes the node. Empty: any may.
  std::vector<bool> passes = {};

  Network(uint32_t chips, uint32_t nodes) : chip_count(chips), node_count(nodes), capacities(size_t{nodes} * nodes) {}

  bool operator==(const Network&) const = default;
  uint64_t& at(uint32_t source, uint32_t target) { return capacities[size_t{source} * node_count + target]; }
  uint64_t at(uint32_t source, uint32_t target) const { return capacities[size_t{source} * node_count + target]; }
  bool may_pass(uint32_t source, uint32_t node, uint32_t target) const {
    return passes.empty() || passes[(size_t{source} * chip_count + target) * node_count + node];
  }
};

// Of the ways between chips that messages may take at once, in bytes per second. Nothing if there are more nodes than anybody should look at.
std::optional<Network> network_of(const topology::Topology& topology);

// Whether all chips meet in one network whose links are all alike.
bool is_crossbar(const topology::Topology& topology);

// What each root has to tell everybody.
using Weights = std::vector<uint64_t>;  // by chip

// A quotient.
struct Rate {
  uint64_t capacity = 0;
  uint64_t weight = 1;
};

// The most of its weight that each root can bring to everybody in a unit of time: the least, over all sets of nodes that leave out a chip, of the
// capacity out of the set by the weight in it. Zero if a chip cannot be reached, or the work is spent.
Rate best_rate(const Network& network, const Weights& weights, Work& work);

// Whether each root can send `count` times its weight at once to every chip, and if not, how much is missing where most is.
uint64_t deficit(const Network& network, const Weights& weights, uint64_t count, Work& work);

}  // namespace tutti::algorithms::forest
