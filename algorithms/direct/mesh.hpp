// SPDX-License-Identifier: Apache-2.0
// One rank's lanes to and from every other, and what both algorithms do with them.
#pragma once

#include <utility>
#include <vector>

#include "algorithms/travel.hpp"
#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::direct {

// In which order lanes are advanced in turn: first what others wait for, or first what makes something to send.
enum class Order : uint8_t { sends_first, receives_first };

// A lane to each peer and a lane from each, so that no peer delays another unless that is asked for. Peers are visited beginning with the next
// rank up when sending and the next rank down when receiving, so that the ranks do not all crowd one receiver first.
class Mesh {
 public:
  struct Options {
    uint32_t rank = 0;
    uint32_t chunk_count = 1;
    Order order = Order::sends_first;
    Travel travel = Travel::alone;
    std::vector<uint32_t> peers = {};      // all others, in the order in which they are sent to; empty: from the next rank up on
    uint32_t sends_at_once = UINT32_MAX;  // what goes to more peers follows when the first have left
  };
  Mesh(const schedule::Problem& problem, const Options& options)
      : rank_(options.rank),
        travel_(options.travel),
        peers_(options.peers),
        sends_at_once_(options.sends_at_once),
        circle_{problem.rank_count},
        builder_({.rank = options.rank, .chunk_count = options.chunk_count, .parts = 1}),
        send_lanes_(problem.rank_count),
        receive_lanes_(problem.rank_count) {
    preparing_lane_ = builder_.add_lane();
    if (options.order == Order::sends_first) {
      add_send_lanes();
      add_receive_lanes();
    } else {
      add_receive_lanes();
      add_send_lanes();
    }
  }

  Mesh(const Mesh&) = delete;
  Mesh& operator=(const Mesh&) = delete;

  uint32_t rank() const { return rank_; }
  const Circle& circle() const { return circle_; }
  schedule::Builder& builder() { return builder_; }
  schedule::LaneId to(uint32_t peer) const { return send_lanes_[peer]; }
  schedule::LaneId from(uint32_t peer) const { return receive_lanes_[peer]; }
  // Of the messages to `target` from all others, which are reduced there.
  Gang gang_to(uint32_t target) const { return gang(target, circle_.size - 1); }
  // Of those from `source` to all others, which are the same.
  Gang gang_from(uint32_t source) const { return gang(circle_.size + source, circle_.size - 1); }
  // Of all messages, where everybody sends the same to everybody and reduces what comes.
  Gang gang_of_all() const { return gang(0, circle_.size * (circle_.size - 1)); }
  // For copies that sends wait for.
  schedule::LaneId preparing() const { return preparing_lane_; }
  // For copies that nothing waits for.
  schedule::LaneId copying() const { return copying_lane_; }

  std::vector<uint32_t> send_order() const {
    std::vector<uint32_t> peers = peers_;
    if (!peers.empty()) {
      return peers;
    }
    for (uint32_t distance = 1; distance < circle_.size; ++distance) {
      peers.push_back(circle_.ahead(rank_, distance));
    }
    return peers;
  }
  std::vector<uint32_t> receive_order() const {
    const std::vector<uint32_t> peers = send_order();
    return {peers.rbegin(), peers.rend()};
  }

  struct Contribution {
    schedule::Chunks chunk;
    schedule::Span own;
    schedule::Span target;
  };
  // Receives every other rank's contribution to one chunk and reduces all of them in rank order in one pass.
  // `before_writing`: what must be done with the target's former content. With two ranks the received data are reduced
  // on arrival. Returns the step that completes the chunk.
  schedule::StepId reduce_from_all(const Contribution& contribution, std::vector<schedule::WaitFor> before_writing = {}) {
    using namespace schedule;
    if (circle_.size == 2) {
      const uint32_t peer = 1 - rank_;
      return builder_.receive_reduce(from(peer), peer, contribution.chunk,
                                     {.source = contribution.own, .target = contribution.target},
                                     {.operands = operands_of(rank_, peer),
                                      .final = Final::yes,
                                      .waits = std::move(before_writing)});
    }
    const uint32_t first_slot = builder_.add_scratch(circle_.size - 1);
    std::vector<Span> sources(circle_.size, contribution.own);
    std::vector<WaitFor> waits = std::move(before_writing);
    for (const uint32_t peer : receive_order()) {
      sources[peer] = scratch(first_slot + (peer < rank_ ? peer : peer - 1));
      waits.push_back({builder_.receive(from(peer), peer, contribution.chunk, sources[peer]), WaitMode::streaming});
    }
    return builder_.reduce(reducing_lane_, contribution.chunk, sources, contribution.target,
                           {.final = Final::yes, .waits = std::move(waits)});
  }

  schedule::Schedule build() && { return std::move(builder_).build(); }

 private:
  void add_send_lanes() {
    const std::vector<uint32_t> peers = send_order();
    for (size_t index = 0; index < peers.size(); ++index) {
      send_lanes_[peers[index]] = index < sends_at_once_ ? builder_.add_lane() : send_lanes_[peers[index - sends_at_once_]];
    }
    copying_lane_ = builder_.add_lane();
  }
  void add_receive_lanes() {
    for (const uint32_t peer : receive_order()) {
      receive_lanes_[peer] = builder_.add_lane();
    }
    reducing_lane_ = builder_.add_lane();
  }

  Gang gang(uint32_t number, uint32_t message_count) const {
    return travel_ == Travel::alone || circle_.size == 2 ? Gang{} : Gang{.number = number, .message_count = message_count};
  }

  uint32_t rank_;
  Travel travel_;
  std::vector<uint32_t> peers_;
  uint32_t sends_at_once_;
  Circle circle_;
  schedule::Builder builder_;
  std::vector<schedule::LaneId> send_lanes_;
  std::vector<schedule::LaneId> receive_lanes_;
  schedule::LaneId preparing_lane_ = 0;
  schedule::LaneId copying_lane_ = 0;
  schedule::LaneId reducing_lane_ = 0;
};

}  // namespace tutti::algorithms::direct
