// SPDX-License-Identifier: Apache-2.0
#include "cost/graph.hpp"

#include <algorithm>
#include <cassert>

namespace tutti::cost {
namespace {

using schedule::Lane;
using schedule::Schedule;
using schedule::StepKind;
using schedule::Wait;

bool is_send(StepKind kind) { return kind == StepKind::send || kind == StepKind::signal; }
bool is_receive(StepKind kind) { return kind == StepKind::receive || kind == StepKind::receive_reduce || kind == StepKind::await; }

// Sends of one rank that no receive has been found for yet, in order, by target and channel.
class Outgoing {
 public:
  Outgoing(uint32_t rank_count, uint32_t channel_count, size_t node_count)
      : channel_count_(channel_count), queues_(size_t{rank_count} * channel_count), next_(node_count, kNone) {}

  void push(uint32_t target, uint32_t channel, uint32_t node) {
    Queue& queue = queue_of(target, channel);
    (queue.first == kNone ? queue.first : next_[queue.last]) = node;
    queue.last = node;
  }
  // kNone when there is none.
  uint32_t pop(uint32_t target, uint32_t channel) {
    Queue& queue = queue_of(target, channel);
    const uint32_t node = queue.first;
    if (node != kNone) {
      queue.first = next_[node];
    }
    return node;
  }
  void clear(uint32_t target, uint32_t channel) { queue_of(target, channel) = Queue{}; }

 private:
  struct Queue {
    uint32_t first = kNone;
    uint32_t last = kNone;
  };
  Queue& queue_of(uint32_t target, uint32_t channel) { return queues_[size_t{target} * channel_count_ + channel]; }

  uint32_t channel_count_;
  std::vector<Queue> queues_;
  std::vector<uint32_t> next_;
};

}  // namespace

Graph::Graph(std::span<const Schedule> schedules, Peers peers) {
  size_t step_count = 0;
  size_t wait_count = 0;
  for (const Schedule& schedule : schedules) {
    step_count += schedule.steps.size();
    wait_count += schedule.waits.size();
  }
  assert(step_count < kNone && wait_count < kNone);
  nodes.reserve(step_count);
  waiters.reserve(wait_count);
  for (const Schedule& schedule : schedules) {
    add_steps(schedule);
  }
  if (peers == Peers::present) {
    match_messages(static_cast<uint32_t>(schedules.size()));
  } else {
    number_pairs_without_matches();
  }
}

void Graph::add_steps(const Schedule& schedule) {
  const auto base = static_cast<uint32_t>(nodes.size());
  for (const schedule::Step& step : schedule.steps) {
    nodes.push_back(Node{.step = &step, .rank = schedule.rank, .pending = step.wait_count});
  }
  for (const Lane& lane : schedule.lanes) {
    for (uint32_t index = 0; index < lane.step_count; ++index) {
      const uint32_t node = base + lane.first_step + index;
      nodes[node].channel = lane.channel;
      if (index > 0) {
        nodes[node - 1].successor = node;
        ++nodes[node].pending;
      }
    }
  }
  for (uint32_t index = 0; index < schedule.steps.size(); ++index) {
    for (const Wait& wait : schedule.waits_of(schedule.steps[index])) {
      Node& waited_for = nodes[base + wait.step];
      waiters.push_back(Waiter{.node = base + index, .mode = wait.mode, .next = waited_for.first_waiter});
      waited_for.first_waiter = static_cast<uint32_t>(waiters.size() - 1);
    }
  }
}

void Graph::match_messages(uint32_t rank_count) {
  // Receives by the rank they receive from: a counting sort, which keeps their order.
  std::vector<uint32_t> ends(size_t{rank_count} + 1, 0);
  uint32_t channel_count = 1;
  for (const Node& node : nodes) {
    channel_count = std::max(channel_count, node.channel + 1);
    if (is_receive(node.step->kind)) {
      assert(node.step->peer < rank_count);
      ++ends[node.step->peer + 1];
    }
  }
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    ends[rank + 1] += ends[rank];
  }
  std::vector<uint32_t> receives(ends.back());
  std::vector<uint32_t> places(ends.begin(), ends.end() - 1);
  for (uint32_t index = 0; index < nodes.size(); ++index) {
    if (is_receive(nodes[index].step->kind)) {
      receives[places[nodes[index].step->peer]++] = index;
      ++nodes[index].pending;  // the message
    }
  }

  Outgoing outgoing(rank_count, channel_count, nodes.size());
  std::vector<uint32_t> pairs(rank_count, kNone);  // of the current source, by target
  for (uint32_t first = 0; first < nodes.size();) {
    const uint32_t source = nodes[first].rank;
    uint32_t end = first;
    for (; end < nodes.size() && nodes[end].rank == source; ++end) {
      Node& node = nodes[end];
      if (!is_send(node.step->kind)) {
        continue;
      }
      assert(node.step->peer < rank_count);
      outgoing.push(node.step->peer, node.channel, end);
      uint32_t& pair = pairs[node.step->peer];
      pair = pair == kNone ? pair_count++ : pair;
      node.pair = pair;
    }
    for (uint32_t index = ends[source]; index < ends[source + 1]; ++index) {
      Node& receive = nodes[receives[index]];
      receive.match = outgoing.pop(receive.rank, receive.channel);
      if (receive.match != kNone) {
        nodes[receive.match].match = receives[index];
        receive.pair = nodes[receive.match].pair;
      }
    }
    for (uint32_t index = first; index < end; ++index) {
      if (is_send(nodes[index].step->kind)) {
        outgoing.clear(nodes[index].step->peer, nodes[index].channel);
        pairs[nodes[index].step->peer] = kNone;
      }
    }
    first = end;
  }
}

void Graph::number_pairs_without_matches() {
  // A rank alone: a pair is a peer, and the two directions are kept apart by who uses the number.
  for (Node& node : nodes) {
    node.pair = node.step->peer;
    pair_count = std::max(pair_count, node.pair + 1);
  }
}

}  // namespace tutti::cost
