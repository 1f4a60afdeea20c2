// SPDX-License-Identifier: Apache-2.0
// Plays a graph of steps on the links of a fabric, which messages share (topology/traffic.hpp).
//
// A step has two marks: its first slice is done, and all of it is. A message that somebody streams into or out of goes in up to three pieces, the first
// slice, the middle, and the last slice, which waits for the end of what is streamed into it; others go in one. Chips reduce and copy in no time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "cost/graph.hpp"
#include "cost/message_graph.hpp"
#include "cost/player.hpp"
#include "topology/traffic.hpp"

namespace tutti::cost {

class FabricPlayer {
 public:
  // The topology has a fabric.
  explicit FabricPlayer(const Play& play);
  // `messages` outlives it.
  struct Options {
    std::shared_ptr<const topology::Fabric> fabric;
    uint64_t slice_bytes = kSliceBytes;
  };
  FabricPlayer(const MessageGraph& messages, const Options& options);

  // When the last step finishes; kNever if some step never does. Once.
  uint64_t run() { return *run_within(UINT64_MAX); }
  // The same; nothing if the rates of flows would be worked out more often for that.
  std::optional<uint64_t> run_within(uint64_t most_rated);

  // Of the price, what passed while nothing but latencies did on the way from the first message to the end: of the steps that the last to finish had
  // waited for, each for the one before it.
  uint64_t latency_ns() const { return latency_ns_; }
  // What the links have carried.
  const topology::Traffic& traffic() const { return traffic_; }

 private:
  struct State {
    uint64_t bytes = 0;          // of messages
    uint64_t slice_bytes = 0;    // of what is passed on at a time
    uint64_t left_bytes = 0;     // sends: that have left
    uint64_t piece_bytes = 0;    // sends: of the piece that is leaving; 0: none
    uint64_t latency_ns = 0;     // sends: of that piece
    uint64_t arrived_bytes = 0;  // receives
    uint64_t last_arrival_ns = 0;
    uint64_t chain_ns = 0;       // latencies on the way of what it waited for last
    uint32_t way = topology::kAnyWay;
    uint32_t begin_pending = 0;  // steps that it cannot begin before
    uint32_t end_pending = 0;    // steps that it cannot end before
    bool is_in_pieces = false;   // it streams, or something streams from it
    bool has_first_slice = false;
    bool is_done = false;
  };
  struct Arrival {
    uint64_t at_ns = 0;
    uint32_t node = 0;  // the receive
    uint64_t bytes = 0;
    uint64_t chain_ns = 0;
  };

  static bool is_later(const Arrival& left, const Arrival& right);
  void set_up(uint32_t node, uint64_t bytes);
  // Does what `node` can do now.
  void advance(uint32_t node);
  void send_piece(uint32_t node);
  void begin(uint32_t node);
  // The message is in a gang, whose pieces leave when all of them can.
  void join(uint32_t node);
  void on_departure(uint32_t node);
  void on_arrival(const Arrival& arrival);
  void note_first_slice(uint32_t node);
  void finish(uint32_t node);
  void advance_all();

  Graph graph_;
  const Peers peers_;
  topology::Traffic traffic_;
  std::unordered_map<uint32_t, std::vector<uint32_t>> gangs_;  // by number: nodes whose piece is ready, or leaving
  std::vector<State> states_;      // by node
  std::vector<uint32_t> to_do_;    // nodes that may be able to do something
  std::vector<Arrival> arrivals_;  // a heap
  uint64_t now_ns_ = 0;
  uint64_t latency_ns_ = 0;
  size_t finished_count_ = 0;
};

}  // namespace tutti::cost
