// SPDX-License-Identifier: Apache-2.0
// Plays a graph of steps on a topology: a discrete-event simulation with one event a step.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cost/cost.hpp"
#include "cost/graph.hpp"
#include "schedule/layout.hpp"
#include "topology/topology.hpp"

namespace tutti::cost {

struct Play {
  const schedule::Problem& problem;
  std::span<const schedule::Schedule> schedules;
  Peers peers = Peers::present;
  const topology::Topology& topology;
  const Workload& workload;
};

schedule::Layout layout_of(const Play& play);
// That the step moves or works on.
uint64_t bytes_of(const Play& play, const schedule::Layout& layout, const schedule::Step& step);

class Player {
 public:
  explicit Player(const Play& play);

  // When the last step finishes; kNever if some step never does. Once.
  uint64_t run();

 private:
  // Times of a step, growing towards their final values until it is played.
  struct Times {
    uint64_t ready = 0;        // it may start
    uint64_t streams_end = 0;  // the last of the steps it streams from finishes; 0: streams from none
    uint64_t last_byte = 0;    // receives: the last byte of the message is there
    uint64_t turns = 0;        // that ranks on crowded hosts must take one after another before it is over
  };
  struct Event {
    uint64_t time = 0;
    uint32_t node = 0;
  };
  // What one message takes, by parts.
  struct Message {
    uint64_t send_overhead_ns = 0;
    uint64_t wire_ns = 0;
    uint64_t receive_overhead_ns = 0;
    uint64_t transfer_ns = 0;
    bool on_one_host = false;
    bool copies_out = false;
    uint64_t turns = 0;  // of a receiver that shares its core
  };
  // Ranks of a host and cores that they share.
  struct Share {
    uint64_t ranks = 1;
    uint64_t cores = 1;
    bool is_scarce() const { return ranks > cores; }
  };

  // When a played step was at work.
  struct Span {
    uint64_t start = 0;
    uint64_t finish = 0;
    uint64_t bytes = 0;
  };

  static bool is_later(const Event& left, const Event& right);
  void sum_local_bytes();
  void number_hosts();
  void push(uint32_t node);
  // One thing less that `node` must wait for.
  void settle(uint32_t node);
  Span play(const Event& event);
  Span play_send(const Event& event);
  Span play_receive(const Event& event);
  Span play_local(const Event& event);
  // Lets go what comes after `node`.
  void release(uint32_t node, const Span& span);

  // What delays the bytes behind a message from another host, because of what the receiver's core does with it.
  uint64_t shown_ns(const Graph::Node& node, uint64_t start, uint64_t bytes) const;
  // As occupy(), on the rank's core.
  uint64_t occupy_core(uint32_t rank, uint64_t time, uint64_t ns);
  uint64_t shared_cores_ns() const;

  uint64_t bytes_of(const schedule::Step& step) const { return cost::bytes_of(play_, layout_, step); }
  Message message(uint32_t source, uint32_t target, uint64_t bytes) const;
  uint64_t copying_tenths(uint32_t rank) const;
  uint32_t adapter(uint32_t rank, uint32_t pair) const;
  Caches caches_of_vector(uint32_t rank) const;
  Caches caches_of_local_steps(uint32_t rank) const;
  uint64_t reduce_ns(uint32_t rank, Caches caches, uint64_t bytes, uint64_t source_count) const;
  uint64_t fetch_ns(uint32_t rank, const schedule::Span& source, uint64_t bytes) const;
  uint64_t local_ns(const Graph::Node& node, uint64_t bytes) const;
  // Puts bytes that pass from one rank to another in line where they leave a domain and where they enter one; returns when the last is through, or
  // `time` if nothing is shared on the way.
  struct Passage {
    uint32_t source = 0;
    uint32_t target = 0;
  };
  uint64_t cross(const Passage& passage, uint64_t time, uint64_t bytes);
  // The same for what a step reads from and writes to peers' memory.
  uint64_t cross_to_peers_memory(const Graph::Node& node, uint64_t time, uint64_t bytes);
  std::span<const schedule::Span> sources_of(const Graph::Node& node) const;
  std::span<const schedule::Span> further_targets_of(const Graph::Node& node) const;
  uint64_t streamed(uint32_t node, uint64_t finish, uint64_t slice_ns) const;

  const Play play_;
  Graph graph_;
  schedule::Layout layout_;
  uint64_t all_bytes_;  // of the vector, or of the blocks of all ranks
  std::vector<Times> times_;
  std::vector<Event> heap_;  // the earliest first; of equal times the lowest node
  // Until when cores (by rank), adapters (as adapter() numbers them) and the ways between domains have work.
  std::vector<uint64_t> cores_;
  std::vector<uint64_t> outwards_;
  std::vector<uint64_t> inwards_;
  std::vector<uint64_t> arriving_;  // by pair: until when messages come
  struct Crossing {
    std::vector<uint64_t> outwards;  // by domain
    std::vector<uint64_t> inwards;
  };
  std::vector<Crossing> crossings_;  // by level of the topology
  std::vector<uint32_t> hosts_;      // by rank, numbered from 0
  std::vector<Share> shares_;        // by rank
  std::vector<uint64_t> work_;       // by rank, of its core
  std::vector<uint64_t> local_bytes_;  // by rank, that its copies and reductions read and write
  uint64_t most_turns_ = 0;
};

}  // namespace tutti::cost
