// SPDX-License-Identifier: Apache-2.0
// Plays a graph of steps on the links of a fabric, which messages share (topology/traffic.hpp).
//
// Messages leave as the engine sends them. One that streams, or that others stream from, goes slice by slice, each when what it streams from has come as
// far; of more slices than there is time for the first and the last do, and what lies between goes in larger pieces. Others go in one. Pieces that need not wait for
// one another are one flow. Chips reduce and copy in no time.
#pragma once

#include <compare>
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

// Of a message, those of a chunk of 2 MiB: pipelines' are that long with 32 chunks of 64 MiB. Of many messages fewer, down to the three pieces that any
// message goes in: the first slice, the last, and what lies between.
inline constexpr uint64_t kMostSlices = 16;
inline constexpr uint64_t kMostSlicesOfAll = 100'000;

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

  // What is to be done in an instant is done as engines take turns: rank after rank, of each lane after lane. What concerns a lane that has had its
  // turn waits for the next.
  struct Turn {
    uint32_t number = 0;
    uint32_t rank = 0;
    uint32_t node = 0;
    auto operator<=>(const Turn&) const = default;
  };

  static bool is_later(const Arrival& left, const Arrival& right);
  void set_up(uint32_t node, uint64_t bytes);
  void find_streamed();
  // Does what `node` can do now.
  void advance(uint32_t node);
  void send_piece(uint32_t node);
  // How long it is; 0 if it is not its time.
  uint64_t next_piece_bytes(uint32_t node) const;
  void begin(uint32_t node);
  topology::Traffic::Message piece(uint32_t node) const;
  // The message is in a gang, whose pieces leave when all of them can.
  void join(uint32_t node);
  void on_flow_end(const topology::Flows::Completed& ended);
  void on_departure(uint32_t node);
  void on_arrival(const Arrival& arrival);
  void note_first_slice(uint32_t node);
  // More of it than that.
  void note_progress(uint32_t node);
  // Of a step that others stream from; all of it is kNever.
  uint64_t done_bytes(uint32_t node) const;
  // That a step may move or work on now.
  uint64_t allowed_bytes(uint32_t node) const;
  void finish(uint32_t node);
  void do_soon(uint32_t node);
  void advance_all();

  Graph graph_;
  const Peers peers_;
  const uint64_t most_slices_;  // of a message
  topology::Traffic traffic_;
  std::unordered_map<uint32_t, std::vector<uint32_t>> gangs_;  // by number: nodes whose piece is ready, or leaving
  std::vector<State> states_;      // by node
  // What nodes stream from: those of `node` are streamed_[first_streamed_[node]] and on.
  std::vector<uint32_t> first_streamed_;
  std::vector<uint32_t> streamed_;
  std::vector<Turn> to_do_;        // a heap: nodes that may be able to do something
  Turn doing_;
  std::vector<Arrival> arrivals_;  // a heap
  uint64_t now_ns_ = 0;
  uint64_t latency_ns_ = 0;
  size_t finished_count_ = 0;
};

}  // namespace tutti::cost
