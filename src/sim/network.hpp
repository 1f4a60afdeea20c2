// SPDX-License-Identifier: Apache-2.0
// A discrete-event network of nodes in one process, in virtual time. It carries real bytes, so that whatever runs on it can
// be checked for its data too, and it breaks on request: the same seed and the same calls give the same run, to the
// nanosecond.
//
// The model: a directed link per pair of nodes sends one frame at a time, first come first served. A frame leaves when the
// link has been free for ceil(bytes / bandwidth) and arrives latency later; frames never overtake each other. Whoever
// consumes a frame returns its room in the channel's window one latency later.
//
// On one host the bytes are copied by processors: a node sends to others of its host one frame at a time, and takes in one at a time. What passes
// between two domains of a level (topology::Level) arrives crossing_ns later, and at crossing_bytes_per_s leaves the one, and enters the other, one
// frame after another. Nodes are on hosts of their own unless the topology says otherwise.
//
// A topology with a fabric takes the place of all that: node n is chip n, a message occupies the links of its way, and shares them with the others
// (topology/traffic.hpp). The frames of a connection's channel leave one after another, each at the rate that its flow gets, and arrive the latency of
// protocol and way later; the sender has its memory back when a frame has left.
//
// Threading: one thread drives the network and everything on it; only the clock may be read by others. Nothing here
// reads a real clock.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/status.hpp"
#include "sim/endpoint.hpp"
#include "sim/event_queue.hpp"
#include "sim/virtual_clock.hpp"
#include "topology/topology.hpp"
#include "topology/traffic.hpp"

namespace tutti::sim {

// Chances are per million frames, drawn from `seed`.
struct RandomFaults {
  uint64_t seed = 0;
  uint64_t maximum_jitter_ns = 0;  // every frame is late by 0 to this, uniformly
  uint32_t delayed_per_million = 0;
  uint64_t delay_ns = 0;           // by which a delayed frame is late, and those behind it
  uint32_t lost_per_million = 0;   // links are reliable: a frame that is lost for good breaks the link, both directions
};

// Which chips of a fabric can send to each other.
enum class Reach : uint8_t {
  routed,         // all
  adjacent_only,  // neighbours (topology::Fabric::is_adjacent); a connection of others fails when it is used, on channels other than kControlChannel
};

// A frame that has passed a fabric.
struct Flight {
  uint32_t source = 0;
  uint32_t target = 0;
  uint32_t channel = 0;
  uint32_t way = 0;         // of topology::Traffic
  uint64_t bytes = 0;       // payload
  uint64_t link_bytes = 0;  // what they came to on the links
  uint64_t begin_ns = 0;    // its first byte left, its last byte left, and that was there
  uint64_t depart_ns = 0;
  uint64_t arrive_ns = 0;
  uint64_t gang = 0;        // not 0, and the same for frames that travelled together: links that several pass carried the bytes once
};

struct NetworkOptions {
  uint32_t channel_count = 8;
  size_t max_frame_bytes = 64 * 1024;   // at most kMaxFrameBytes
  // Room for frames sent and not yet consumed, of each connection and channel; a frame takes its payload and
  // kFrameHeaderBytes. One frame always fits, so 0 allows one at a time; kNoWindow as many as come.
  uint64_t window_bytes = 1024 * 1024;
  uint64_t detection_delay_ns = 1'000'000;  // from a crash or a broken link until the other end notices
  RandomFaults faults = {};
  topology::Traffic::Options traffic = {};  // of a fabric
  Reach reach = Reach::routed;
  // On channels other than kControlChannel.
  Payloads payloads = Payloads::carried;
  // Told of every frame that arrives over a fabric; empty: nobody is.
  std::function<void(const Flight&)> on_flight = {};
};

inline constexpr uint64_t kNoWindow = UINT64_MAX;
// Carries words about the work rather than work.
inline constexpr uint32_t kControlChannel = 0;

inline constexpr uint64_t kFrameHeaderBytes = sizeof(MessageHeader);
inline constexpr size_t kMaxFrameBytes = size_t{1} << 30;
inline constexpr size_t kPortSecretBytes = 32;

// A communicator's place on a node. Ports connect only to ports of the same group that hold the same secret.
struct PortOptions {
  uint32_t node = 0;
  uint64_t group = 0;
  std::array<std::byte, kPortSecretBytes> secret{};
};

enum class Transfer : uint8_t { done, would_block, failed };

class Network {
 public:
  // Every link's bandwidth is at least 1 byte per second; 0 counts as that.
  explicit Network(topology::Topology topology, const NetworkOptions& options = {});
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  const VirtualClock& clock() const { return clock_; }
  uint64_t now_ns() const { return clock_.now_ns(); }
  uint32_t node_count() const { return topology_.rank_count(); }
  const NetworkOptions& options() const { return options_; }
  const topology::LinkSpec& link(uint32_t source, uint32_t target) const { return topology_.link(source, target); }

  // Time.

  // Moves the clock to the next event and lets it happen; false when nothing will ever happen by itself.
  bool advance();
  // The same for all events of that instant: whoever takes turns sees them in one turn anyway.
  bool advance_instant();
  // Lets everything up to `at_ns`, inclusive, happen and moves the clock there.
  void advance_until(uint64_t at_ns);
  std::optional<uint64_t> next_event_ns() const;
  // Runs `action`, if any, at `at_ns` or, when that has passed, at the next advance(). An empty action makes the
  // clock stop there.
  void at(uint64_t at_ns, std::function<void()> action);

  // Nodes for which something has changed since the last call: something arrived or left, room came back, a connection came up or failed. Each once.
  std::vector<uint32_t> take_woken();

  // Null without a fabric. What has passed its links, and what they take.
  const topology::Traffic* traffic() const { return traffic_.get(); }
  // What Traffic::base_ns() tells is about what is sent from now on.
  void begin_collective();

  // What happened: a hash over the time, source, target, channel, number and size of every delivered frame, in order.
  uint64_t trace_hash() const { return trace_hash_; }
  uint64_t delivered_frame_count() const { return delivered_frame_count_; }
  uint64_t delivered_bytes() const { return delivered_bytes_; }

  // Faults. Nodes are below node_count().

  // The node stops now. What had left it by now still arrives; its peers notice after the detection delay.
  void crash(uint32_t node);
  // The same when the node's `frame_count`th frame from now has left it; 0 is now. It offers none after that.
  void crash_after_frames(uint32_t node, uint64_t frame_count);
  bool crashed(uint32_t node) const { return nodes_[node].halted; }
  // Both directions between the two nodes lose everything from now on; both ends notice after the detection delay.
  void break_link(uint32_t a, uint32_t b);
  // From now on, whatever would arrive from a node of `side` at one outside it, or back, is held. Replaces an earlier partition.
  void partition(std::span<const uint32_t> side);
  // What was held arrives now, in its order.
  void heal() { partition({}); }

  // Ports and connections, for transports. Ids stay valid as long as the network.

  PortId attach(const PortOptions& options);
  // Closes the port's connections; whoever calls it from now on is refused.
  void detach(PortId port);
  bool port_exists(PortId port) const { return port < ports_.size(); }
  const PortOptions& port(PortId port) const { return ports_[port].options; }
  // Calls `peer_port`, which is on another node. Once both have called and heard each other, the endpoint is open.
  EndpointId open(PortId port, PortId peer_port);
  // Both ends of a connection, open at once: for large machines, where greetings would be most of the traffic.
  struct Ends {
    EndpointId first = kNoEndpoint;
    EndpointId second = kNoEndpoint;
  };
  Ends join(PortId first, PortId second);
  // Of frames sent from now on; within the bounds of NetworkOptions.
  void set_max_frame_bytes(size_t max_frame_bytes);
  // Says goodbye: what was sent still arrives, then the peer's end fails. No memory of the caller is used after this.
  void close(EndpointId endpoint);
  EndpointState state(EndpointId endpoint) const { return endpoints_[endpoint]->state; }
  // Whether it has ever been open; what arrived then can be read even after it has failed.
  bool was_open(EndpointId endpoint) const { return endpoints_[endpoint]->was_open; }
  const Status& failure(EndpointId endpoint) const { return endpoints_[endpoint]->failure; }
  uint32_t node(EndpointId endpoint) const { return endpoints_[endpoint]->node; }
  uint32_t peer_node(EndpointId endpoint) const { return endpoints_[endpoint]->peer_node; }

  // A payload is read until released_bytes() has grown past it, which it has when the frame arrives.
  Transfer send(EndpointId endpoint, uint32_t channel, const Message& message);
  uint64_t released_bytes(EndpointId endpoint, uint32_t channel) const;
  // The oldest frame, the same until pop(). A landing that is large enough receives the payload; it stays in use until that
  // frame has been popped or the endpoint closed.
  Transfer peek(EndpointId endpoint, uint32_t channel, std::span<std::byte> landing, Message* message);
  void pop(EndpointId endpoint, uint32_t channel);
  // No memory of the caller is used after this: payloads fly on as copies, landings are forgotten.
  void let_go(EndpointId endpoint);

 private:
  struct Node {
    uint64_t frames_until_crash = UINT64_MAX;
    bool halted = false;
    bool is_woken = false;  // in woken_
  };
  struct Port {
    PortOptions options;
    bool attached = true;
    std::vector<EndpointId> endpoints;
  };
  // A directed link's progress.
  struct Wire {
    uint64_t free_at_ns = 0;
    uint64_t last_arrival_ns = 0;
  };
  struct Passage {
    uint64_t depart_ns = 0;
    uint64_t arrive_ns = 0;
  };
  // Frames that leave together, by the channels that they are the next on.
  struct Leaving {
    EndpointId endpoint = kNoEndpoint;
    uint32_t channel = 0;
  };
  struct GangFrame {  // one of a message in a gang
    uint64_t group = 0;
    uint64_t offset = 0;
    uint32_t number = 0;
    auto operator<=>(const GangFrame&) const = default;
  };
  // Until when something that goes both ways at once is busy.
  struct Duplex {
    uint64_t outwards_ns = 0;
    uint64_t inwards_ns = 0;
  };

  // network.cpp
  EndpointId add_endpoint(PortId port, PortId peer_port);
  Passage transmit(uint32_t source, uint32_t target, uint64_t bytes);
  // The same as if nothing were random, on one host.
  Passage copy(uint32_t source, uint32_t target, uint64_t bytes);
  void fly(EndpointId id, uint32_t channel, const Message& message);
  void wake(uint32_t node);
  void say_farewell(EndpointId id);
  bool may_send(const Endpoint& endpoint, uint32_t channel) const;
  bool has_event_by(uint64_t at_ns) const;
  // On a fabric.
  uint64_t next_departure_ns() const;
  void leave(EndpointId id, uint32_t channel);
  void leave_alone(EndpointId id, uint32_t channel);
  // On the flow of the piece of its message before it.
  void go_on(EndpointId id, uint32_t channel, topology::FlowId flow);
  // Of the frame that leaves; and notes that it has begun to.
  topology::Traffic::Message piece(EndpointId id, uint32_t channel);
  void note_begun(EndpointId id, uint32_t channel, const topology::Traffic::Begun& begun);
  void leave_together(EndpointId id, uint32_t channel);
  void dissolve_gangs();
  void on_flow_end(const topology::Flows::Completed& ended);
  // `flow`, if any, is there for the next piece of the message.
  void on_departure(EndpointId id, uint32_t channel, std::optional<topology::FlowId> flow);
  // Of a message without bytes.
  uint64_t latency_ns(uint32_t source, uint32_t target) const;
  void dispatch(const Event& event);
  void on_hello(EndpointId id);
  void on_frame(EndpointId id, uint32_t channel);
  void on_close(EndpointId id);
  void greet(Endpoint& endpoint);
  void trace(const Endpoint& sender, uint32_t channel, const FlyingFrame& frame);

  // network_faults.cpp
  uint64_t draw();
  bool strikes(uint32_t per_million);
  uint64_t random_delay_ns();
  void count_frame(uint32_t node, uint64_t depart_ns);
  bool separated(const Event& event) const;
  void fail(Endpoint& endpoint, Cause cause);
  void fail_at(uint64_t at_ns, EndpointId id, Cause cause);
  void halt(uint32_t node);
  void bury(uint32_t node);

  topology::Topology topology_;
  NetworkOptions options_;
  VirtualClock clock_;
  EventQueue events_;
  std::vector<Event> held_;  // by the partition, in order of arrival
  std::vector<std::function<void()>> actions_;
  std::vector<Node> nodes_;
  std::vector<uint32_t> woken_;
  std::unique_ptr<topology::Traffic> traffic_;
  std::map<GangFrame, std::vector<Leaving>> gathering_;  // frames of gangs of which not all are there
  std::vector<std::vector<Leaving>> leaving_;             // those that leave, by what their flow's tag says
  std::vector<uint32_t> free_leaving_;
  uint64_t gang_count_ = 0;
  bool has_lost_nodes_ = false;  // then some frame of a gang may never come, and each goes by itself
  std::vector<uint8_t> sides_;  // per node, of the partition
  std::vector<Port> ports_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  std::map<std::pair<PortId, PortId>, EndpointId> callers_;  // (own, peer) of endpoints whose peer has not called yet
  std::unordered_map<uint64_t, Wire> wires_;                 // by source * node_count + target
  std::vector<Duplex> copiers_;                              // by node
  std::vector<std::vector<Duplex>> crossings_;               // by level and domain
  uint64_t draw_count_ = 0;
  uint64_t trace_hash_ = 0;
  uint64_t delivered_frame_count_ = 0;
  uint64_t delivered_bytes_ = 0;
};

}  // namespace tutti::sim
