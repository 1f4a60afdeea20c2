// SPDX-License-Identifier: Apache-2.0
// How the network breaks.
#include <algorithm>
#include <cassert>

#include "base/hash.hpp"
#include "sim/network.hpp"

namespace tutti::sim {

namespace {

Status describe(Cause cause, const Endpoint& endpoint) {
  switch (cause) {
    case Cause::peer_closed:
      return remote_error("connection closed by peer");
    case Cause::peer_crashed:
      return remote_error("node {} crashed", endpoint.peer_node);
    case Cause::link_broken:
      return remote_error("link between nodes {} and {} broke", endpoint.node, endpoint.peer_node);
    case Cause::refused:
      return remote_error("connection refused: nobody is at port {} of node {}", endpoint.peer_port, endpoint.peer_node);
    case Cause::wrong_secret:
      return remote_error("wrong secret");
    case Cause::no_link:
      return remote_error("no link joins chips {} and {}", endpoint.node, endpoint.peer_node);
    case Cause::own_crash:
      return aborted_error("this node, {}, crashed", endpoint.node);
  }
  return internal_error("simulated failure of cause {}", static_cast<int>(cause));
}

}  // namespace

uint64_t Network::draw() { return hash_combine(options_.faults.seed, draw_count_++); }

bool Network::strikes(uint32_t per_million) { return per_million != 0 && draw() % 1'000'000 < per_million; }

uint64_t Network::random_delay_ns() {
  const RandomFaults& faults = options_.faults;
  uint64_t delay_ns = 0;
  if (faults.maximum_jitter_ns != 0) {
    delay_ns += draw() % (faults.maximum_jitter_ns + 1);
  }
  if (strikes(faults.delayed_per_million)) {
    delay_ns += faults.delay_ns;
  }
  return delay_ns;
}

void Network::fail(Endpoint& endpoint, Cause cause) {
  if (endpoint.state == EndpointState::failed || endpoint.state == EndpointState::closed) {
    return;
  }
  endpoint.state = EndpointState::failed;
  wake(endpoint.node);
  endpoint.failure = describe(cause, endpoint);
  if (cause == Cause::own_crash) {
    endpoint.capture_in_flight();  // what has left the node flies on without it
  } else {
    endpoint.drop_in_flight();
    endpoint.release_all();
  }
}

void Network::fail_at(uint64_t at_ns, EndpointId id, Cause cause) {
  events_.push(at_ns, {.kind = Event::Kind::fail, .cause = cause, .subject = id});
}

void Network::crash(uint32_t node) {
  assert(node < node_count());
  if (!nodes_[node].halted) {
    halt(node);
    bury(node);
  }
}

void Network::crash_after_frames(uint32_t node, uint64_t frame_count) {
  assert(node < node_count());
  if (frame_count == 0) {
    return crash(node);
  }
  nodes_[node].frames_until_crash = frame_count;
}

// The node takes no part any more once its last frame is handed over, but dies only when that frame has left.
void Network::count_frame(uint32_t node, uint64_t depart_ns) {
  Node& sender = nodes_[node];
  if (sender.frames_until_crash == UINT64_MAX || --sender.frames_until_crash != 0) {
    return;
  }
  halt(node);
  at(depart_ns, [this, node] { bury(node); });
}

// The node itself: it neither sends nor receives from now on.
void Network::halt(uint32_t node) {
  nodes_[node].halted = true;
  dissolve_gangs();
  for (const auto& endpoint : endpoints_) {
    if (endpoint->node == node) {
      fail(*endpoint, Cause::own_crash);
    }
  }
}

// The others: what had not left the node is lost, and after a while they notice, but not before the last of the rest has arrived.
void Network::bury(uint32_t node) {
  for (EndpointId id = 0; id < endpoints_.size(); ++id) {
    Endpoint& survivor = *endpoints_[id];
    if (survivor.peer_node != node) {
      continue;
    }
    uint64_t notice_ns = now_ns() + options_.detection_delay_ns;
    if (survivor.peer != kNoEndpoint) {
      notice_ns = std::max(notice_ns, endpoints_[survivor.peer]->drop_after(now_ns()));
    }
    fail_at(notice_ns, id, Cause::peer_crashed);
  }
}

void Network::break_link(uint32_t a, uint32_t b) {
  assert(a < node_count() && b < node_count());
  dissolve_gangs();
  for (EndpointId id = 0; id < endpoints_.size(); ++id) {
    Endpoint& endpoint = *endpoints_[id];
    const bool between = (endpoint.node == a && endpoint.peer_node == b) || (endpoint.node == b && endpoint.peer_node == a);
    if (between && !endpoint.severed) {
      endpoint.severed = true;
      endpoint.drop_in_flight();
      fail_at(now_ns() + options_.detection_delay_ns, id, Cause::link_broken);
    }
  }
}

void Network::partition(std::span<const uint32_t> side) {
  std::ranges::fill(sides_, uint8_t{0});
  for (const uint32_t node : side) {
    assert(node < node_count());
    sides_[node] = 1;
  }
  // Whatever the new partition still separates is held again when its turn comes.
  for (const Event& event : held_) {
    events_.push(now_ns(), event);
  }
  held_.clear();
}

bool Network::separated(const Event& event) const {
  if (event.kind == Event::Kind::action || event.kind == Event::Kind::fail) {
    return false;
  }
  const Endpoint& endpoint = *endpoints_[event.subject];
  return sides_[endpoint.node] != sides_[endpoint.peer_node];
}

}  // namespace tutti::sim
