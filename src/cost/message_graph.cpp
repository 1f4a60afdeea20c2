// SPDX-License-Identifier: Apache-2.0
#include "cost/message_graph.hpp"

#include <cassert>

namespace tutti::cost {

MessageGraph::MessageGraph(uint32_t rank_count) : sends_(rank_count), receives_(rank_count) {
  for (uint32_t peer = 0; peer < rank_count; ++peer) {
    sends_[peer].kind = schedule::StepKind::send;
    sends_[peer].peer = peer;
    receives_[peer].kind = schedule::StepKind::receive;
    receives_[peer].peer = peer;
  }
}

uint32_t MessageGraph::add(const Message& message) {
  assert(message.source != message.target);
  const uint32_t send = add_node(sends_[message.target], message.source, message.send_lane, send_lanes_);
  const uint32_t receive = add_node(receives_[message.source], message.target, message.receive_lane, receive_lanes_);
  graph_.nodes[send].match = receive;
  graph_.nodes[receive].match = send;
  ++graph_.nodes[receive].pending;  // the message
  bytes_.push_back(message.bytes);
  return message_count() - 1;
}

uint32_t MessageGraph::add_node(const schedule::Step& step, uint32_t rank, uint64_t lane, Lanes& lanes) {
  const auto node = static_cast<uint32_t>(graph_.nodes.size());
  graph_.nodes.push_back({.step = &step, .rank = rank});
  const auto [last, is_first] = lanes.try_emplace(lane << 32 | rank, node);
  if (!is_first) {
    graph_.nodes[last->second].successor = node;
    graph_.nodes[node].pending = 1;
    last->second = node;
  }
  return node;
}

void MessageGraph::wait(uint32_t message, uint32_t earlier, schedule::WaitMode mode) {
  Graph::Node& waited_for = graph_.nodes[2 * earlier + 1];
  ++graph_.nodes[2 * message].pending;
  graph_.waiters.push_back({.node = 2 * message, .mode = mode, .next = waited_for.first_waiter});
  waited_for.first_waiter = static_cast<uint32_t>(graph_.waiters.size() - 1);
}

}  // namespace tutti::cost
