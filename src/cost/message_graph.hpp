// SPDX-License-Identifier: Apache-2.0
// Messages, and what each waits for: what can be played on a fabric (cost/fabric_player.hpp) without schedules to build.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "cost/graph.hpp"
#include "schedule/schedule.hpp"

namespace tutti::cost {

// Not thread-safe.
class MessageGraph {
 public:
  explicit MessageGraph(uint32_t rank_count);
  MessageGraph(const MessageGraph&) = delete;
  MessageGraph& operator=(const MessageGraph&) = delete;

  struct Message {
    uint32_t source = 0;
    uint32_t target = 0;
    uint64_t bytes = 0;
    // Of the source's: it leaves when the one before in the lane has left. And of the target's: it has come when the one before in the lane has.
    uint32_t send_lane = 0;
    uint32_t receive_lane = 0;
  };
  // Returns its number.
  uint32_t add(const Message& message);
  // Its source passes on what `earlier` brings.
  void wait(uint32_t message, uint32_t earlier, schedule::WaitMode mode);

  uint32_t message_count() const { return static_cast<uint32_t>(bytes_.size()); }
  const Graph& graph() const { return graph_; }
  uint64_t bytes_of_node(uint32_t node) const { return bytes_[node / 2]; }

 private:
  using Lanes = std::unordered_map<uint64_t, uint32_t>;  // by rank and lane: the last node
  uint32_t add_node(const schedule::Step& step, uint32_t rank, uint64_t lane, Lanes& lanes);

  // By peer. Nodes point to them.
  std::vector<schedule::Step> sends_;
  std::vector<schedule::Step> receives_;
  Graph graph_;  // the send of each message, and its receive
  std::vector<uint64_t> bytes_;
  Lanes send_lanes_;
  Lanes receive_lanes_;
};

}  // namespace tutti::cost
