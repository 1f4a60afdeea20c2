// SPDX-License-Identifier: Apache-2.0
// One rank's lanes to and from every other, and what both algorithms do with them.
#pragma once

#include <utility>
#include <vector>

#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::direct {

// A lane to each peer and a lane from each, so that no peer delays another. Peers are visited beginning with the next rank up when sending and
// the next rank down when receiving, so that the ranks do not all crowd one receiver first.
class Mesh {
 public:
  Mesh(const schedule::Problem& problem, uint32_t rank, uint32_t chunk_count)
      : rank_(rank),
        circle_{problem.rank_count},
        builder_({.rank = rank, .chunk_count = chunk_count, .parts = 1}),
        send_lanes_(problem.rank_count),
        receive_lanes_(problem.rank_count) {
    for (const uint32_t peer : send_order()) {
      send_lanes_[peer] = builder_.add_lane();
    }
    local_lane_ = builder_.add_lane();
    for (const uint32_t peer : receive_order()) {
      receive_lanes_[peer] = builder_.add_lane();
    }
  }

  Mesh(const Mesh&) = delete;
  Mesh& operator=(const Mesh&) = delete;

  uint32_t rank() const { return rank_; }
  const Circle& circle() const { return circle_; }
  schedule::Builder& builder() { return builder_; }
  schedule::LaneId to(uint32_t peer) const { return send_lanes_[peer]; }
  schedule::LaneId from(uint32_t peer) const { return receive_lanes_[peer]; }
  // For copies and reductions.
  schedule::LaneId local() const { return local_lane_; }

  std::vector<uint32_t> send_order() const {
    std::vector<uint32_t> peers;
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
  // Receives every other rank's contribution to one chunk and reduces all of them in rank order in one pass. `before_writing`: what must be
  // done with the target's former content. With two ranks the received data are reduced on arrival. Returns the step that completes the
  // chunk.
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
    return builder_.reduce(local_lane_, contribution.chunk, sources, contribution.target,
                           {.final = Final::yes, .waits = std::move(waits)});
  }

  schedule::Schedule build() && { return std::move(builder_).build(); }

 private:
  uint32_t rank_;
  Circle circle_;
  schedule::Builder builder_;
  std::vector<schedule::LaneId> send_lanes_;
  std::vector<schedule::LaneId> receive_lanes_;
  schedule::LaneId local_lane_ = 0;
};

}  // namespace tutti::algorithms::direct
