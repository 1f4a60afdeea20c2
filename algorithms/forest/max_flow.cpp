// SPDX-License-Identifier: Apache-2.0
#include "algorithms/forest/max_flow.hpp"

#include <algorithm>

namespace tutti::algorithms::forest {

void MaxFlow::add(uint32_t source, uint32_t target, uint64_t capacity) {
  if (source == target || capacity == 0) {
    return;
  }
  const auto forth = static_cast<uint32_t>(nodes_[source].arcs.size());
  const auto back = static_cast<uint32_t>(nodes_[target].arcs.size());
  nodes_[source].arcs.push_back({.target = target, .reverse = back, .left = capacity});
  nodes_[target].arcs.push_back({.target = source, .reverse = forth, .left = 0});
}

uint64_t MaxFlow::run(uint32_t source, uint32_t target, uint64_t enough, Work& work) {
  uint64_t flow = 0;
  while (flow < enough && find_levels(source, target, work)) {
    while (const uint64_t pushed = push(source, target, enough - flow, work)) {
      flow += pushed;
    }
  }
  return flow;
}

bool MaxFlow::find_levels(uint32_t source, uint32_t target, Work& work) {
  for (Node& node : nodes_) {
    node.level = kFar;
    node.next = 0;
  }
  nodes_[source].level = 0;
  std::vector<uint32_t> queue = {source};
  for (size_t at = 0; at < queue.size() && !work.is_spent(); ++at) {
    const Node& node = nodes_[queue[at]];
    work.spend(node.arcs.size());
    for (const Arc& arc : node.arcs) {
      if (arc.left != 0 && nodes_[arc.target].level == kFar) {
        nodes_[arc.target].level = node.level + 1;
        queue.push_back(arc.target);
      }
    }
  }
  return nodes_[target].level != kFar;
}

uint64_t MaxFlow::push(uint32_t from, uint32_t target, uint64_t most, Work& work) {
  if (from == target || most == 0) {
    return most;
  }
  Node& node = nodes_[from];
  for (; node.next < node.arcs.size() && !work.is_spent(); ++node.next) {
    work.spend(1);
    Arc& arc = node.arcs[node.next];
    if (arc.left == 0 || nodes_[arc.target].level != node.level + 1) {
      continue;
    }
    if (const uint64_t pushed = push(arc.target, target, std::min(most, arc.left), work)) {
      arc.left -= pushed;
      nodes_[arc.target].arcs[arc.reverse].left += pushed;
      return pushed;
    }
  }
  return 0;
}

}  // namespace tutti::algorithms::forest
