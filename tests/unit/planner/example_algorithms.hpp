// SPDX-License-Identifier: Apache-2.0
// Small algorithms to plan with: correct in shape, so that they can be priced, and simple enough to price by hand.
#pragma once

#include <array>
#include <atomic>

#include "planner/algorithm.hpp"
#include "schedule/builder.hpp"

namespace tutti::planner::example {

// How often build() of any of them has run.
inline std::atomic<int> build_count = 0;

inline bool is_broadcast(const schedule::Problem& problem, const topology::Topology&) {
  return problem.collective == schedule::Collective::broadcast;
}

inline schedule::Span input() { return {schedule::Buffer::input, 0}; }
inline schedule::Span output() { return {schedule::Buffer::output, 0}; }

// The root sends the whole vector to each of the others.
inline schedule::Schedule build_flat(const schedule::Problem& problem, const topology::Topology&, uint32_t rank) {
  ++build_count;
  schedule::Builder builder({.rank = rank});
  const schedule::LaneId lane = builder.add_lane();
  if (rank != problem.root) {
    builder.receive(lane, problem.root, {}, output());
  }
  for (uint32_t peer = 0; rank == problem.root && peer < problem.rank_count; ++peer) {
    if (peer != rank) {
      builder.send(lane, peer, {}, input());
    }
  }
  return std::move(builder).build();
}

// The vector travels from rank to rank, each passing on what has come.
inline schedule::Schedule build_chain(const schedule::Problem& problem, const topology::Topology&, uint32_t rank) {
  ++build_count;
  schedule::Builder builder({.rank = rank});
  const uint32_t place = (rank + problem.rank_count - problem.root) % problem.rank_count;
  std::vector<schedule::WaitFor> waits;
  if (place > 0) {
    const uint32_t previous = (rank + problem.rank_count - 1) % problem.rank_count;
    waits.push_back({builder.receive(builder.add_lane(), previous, {}, output()), schedule::WaitMode::streaming});
  }
  if (place + 1 < problem.rank_count) {
    builder.send(builder.add_lane(), (rank + 1) % problem.rank_count, {}, place == 0 ? input() : output(), {.waits = waits});
  }
  return std::move(builder).build();
}

// The same, chunk after chunk.
inline schedule::Schedule build_long_chain(const schedule::Problem& problem, const topology::Topology&, uint32_t rank) {
  constexpr uint32_t kChunks = 1000;
  ++build_count;
  schedule::Builder builder({.rank = rank, .chunk_count = kChunks});
  const uint32_t place = (rank + problem.rank_count - problem.root) % problem.rank_count;
  const schedule::LaneId from = builder.add_lane();
  const schedule::LaneId to = builder.add_lane();
  for (uint32_t chunk = 0; chunk < kChunks; ++chunk) {
    std::vector<schedule::WaitFor> waits;
    if (place > 0) {
      waits.push_back({builder.receive(from, (rank + problem.rank_count - 1) % problem.rank_count, {chunk}, {schedule::Buffer::output, chunk})});
    }
    if (place + 1 < problem.rank_count) {
      const schedule::Span source{place == 0 ? schedule::Buffer::input : schedule::Buffer::output, chunk};
      builder.send(to, (rank + 1) % problem.rank_count, {chunk}, source, {.waits = waits});
    }
  }
  return std::move(builder).build();
}

inline bool is_small_barrier(const schedule::Problem& problem, const topology::Topology&) {
  return problem.collective == schedule::Collective::barrier && problem.rank_count <= 4;
}

inline schedule::Schedule build_nothing(const schedule::Problem&, const topology::Topology&, uint32_t rank) {
  ++build_count;
  schedule::Schedule schedule;
  schedule.rank = rank;
  return schedule;
}

inline constexpr Algorithm kFlat{.name = "flat", .idea = "the root sends to each rank", .applies = is_broadcast, .build = build_flat};
inline constexpr Algorithm kChain{.name = "chain", .idea = "the vector travels from rank to rank", .applies = is_broadcast, .build = build_chain};
inline constexpr Algorithm kLongChain{
    .name = "long_chain", .idea = "the vector travels from rank to rank, chunk after chunk", .applies = is_broadcast, .build = build_long_chain};
inline constexpr Algorithm kCopyOfFlat{.name = "also_flat", .idea = "as flat", .applies = is_broadcast, .build = build_flat};
inline constexpr Algorithm kTrust{.name = "trust", .idea = "everyone is here anyway", .applies = is_small_barrier, .build = build_nothing};

}  // namespace tutti::planner::example
