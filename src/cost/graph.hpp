// SPDX-License-Identifier: Apache-2.0
// The steps of several ranks as one graph: who comes after whom, and which send meets which receive.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "schedule/schedule.hpp"

namespace tutti::cost {

inline constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();

// Whether the ranks at the other ends of messages are in the graph too.
enum class Peers : uint8_t { present, absent };

struct Graph {
  struct Node {
    const schedule::Step* step = nullptr;
    uint32_t rank = 0;
    uint32_t channel = 0;
    uint32_t successor = kNone;     // next in the lane
    uint32_t match = kNone;         // of a send its receive, of a receive its send
    uint32_t pair = 0;              // messages: number of the (source, target) pair
    uint32_t pending = 0;           // steps and messages that must come before
    uint32_t first_waiter = kNone;  // into `waiters`
  };
  struct Waiter {
    uint32_t node = 0;
    schedule::WaitMode mode = schedule::WaitMode::complete;
    uint32_t next = kNone;  // into `waiters`
  };

  Graph() = default;
  Graph(std::span<const schedule::Schedule> schedules, Peers peers);

  std::vector<Node> nodes;  // rank after rank, in the order of Schedule::steps
  std::vector<Waiter> waiters;
  uint32_t pair_count = 0;

 private:
  void add_steps(const schedule::Schedule& schedule);
  void match_messages(uint32_t rank_count);
  void number_pairs_without_matches();
};

}  // namespace tutti::cost
