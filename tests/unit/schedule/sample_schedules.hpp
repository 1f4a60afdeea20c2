// SPDX-License-Identifier: Apache-2.0
// Correct schedules, one plain algorithm for each collective, for tests to print, verify and break.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "schedule/builder.hpp"

namespace tutti::schedule::samples {

inline constexpr Buffer kInput = Buffer::input;
inline constexpr Buffer kOutput = Buffer::output;
inline constexpr Buffer kScratch = Buffer::scratch;

using Schedules = std::vector<Schedule>;

inline Schedules for_each_rank(const Problem& problem, const std::function<Schedule(uint32_t rank)>& make) {
  Schedules schedules;
  for (uint32_t rank = 0; rank < problem.rank_count; ++rank) {
    schedules.push_back(make(rank));
  }
  return schedules;
}

// One lane sends to the right, one receives from the left; each chunk goes around twice.
inline Schedules ring_all_reduce(const Problem& problem) {
  const uint32_t ranks = problem.rank_count;
  return for_each_rank(problem, [&](uint32_t rank) {
    Builder builder({.rank = rank, .chunk_count = ranks});
    const uint32_t right = (rank + 1) % ranks;
    const uint32_t left = (rank + ranks - 1) % ranks;
    const LaneId sending = builder.add_lane();
    const LaneId receiving = builder.add_lane();
    StepId last;
    for (uint32_t hop = 0; hop < 2 * (ranks - 1); ++hop) {
      const uint32_t sent = (rank + 2 * ranks - hop) % ranks;
      const uint32_t received = (rank + 2 * ranks - hop - 1) % ranks;
      const std::vector<WaitFor> waits = hop == 0 ? std::vector<WaitFor>{} : std::vector<WaitFor>{{last, WaitMode::streaming}};
      builder.send(sending, right, {.first = sent}, {hop == 0 ? kInput : kOutput, sent}, {.waits = waits});
      if (hop < ranks - 1) {
        last = builder.receive_reduce(receiving, left, {.first = received}, {.source = {kInput, received}, .target = {kOutput, received}},
                                      {.operands = Operands::received_first, .final = hop == ranks - 2 ? Final::yes : Final::no});
      } else {
        last = builder.receive(receiving, left, {.first = received}, {kOutput, received});
      }
    }
    return std::move(builder).build();
  });
}

// All send to rank 0 in one gang, which reduces and sends the result to all in another. Rank 0's steps: a receive from each, the reduce, a send to
// each; the others': a send, a receive.
inline Schedules ganged_all_reduce(const Problem& problem) {
  const uint32_t others = problem.rank_count - 1;
  return for_each_rank(problem, [&](uint32_t rank) {
    Builder builder({.rank = rank});
    if (rank != 0) {
      builder.send(builder.add_lane(), 0, {}, {kInput, 0}, {.gang = {.number = 0, .message_count = others}});
      builder.receive(builder.add_lane(), 0, {}, {kOutput, 0});
      return std::move(builder).build();
    }
    std::vector<Span> sources = {{kInput, 0}};
    std::vector<WaitFor> received;
    for (uint32_t peer = 1; peer <= others; ++peer) {
      sources.push_back({kScratch, builder.add_scratch(1)});
      received.push_back({builder.receive(builder.add_lane(), peer, {}, sources.back()), WaitMode::streaming});
    }
    const StepId reduced = builder.reduce(builder.add_lane(), {}, sources, {kOutput, 0}, {.final = Final::yes, .waits = received});
    for (uint32_t peer = 1; peer <= others; ++peer) {
      builder.send(builder.add_lane(), peer, {}, {kOutput, 0},
                   {.waits = {{reduced, WaitMode::streaming}}, .gang = {.number = 1, .message_count = others}});
    }
    return std::move(builder).build();
  });
}

// Every rank sends its block to every other rank, a lane for each direction and peer.
inline Schedules direct_all_gather(const Problem& problem, uint32_t parts = 1) {
  return for_each_rank(problem, [&](uint32_t rank) {
    Builder builder({.rank = rank, .chunk_count = problem.rank_count * parts, .parts = parts});
    const LaneId local = builder.add_lane();
    for (uint32_t part = 0; part < parts; ++part) {
      if (problem.in_place == InPlace::no) {
        builder.copy(local, {.first = rank * parts + part}, {.source = {kInput, part}, .target = {kOutput, rank * parts + part}});
      }
    }
    for (uint32_t peer = 0; peer < problem.rank_count; ++peer) {
      if (peer == rank) {
        continue;
      }
      const LaneId sending = builder.add_lane();
      const LaneId receiving = builder.add_lane();
      for (uint32_t part = 0; part < parts; ++part) {
        builder.send(sending, peer, {.first = rank * parts + part}, {kInput, part});
        builder.receive(receiving, peer, {.first = peer * parts + part}, {kOutput, peer * parts + part});
      }
    }
    return std::move(builder).build();
  });
}

// Three ranks; the ranges of the second round are two chunks that wrap around the numbering.
inline Schedules wrapping_all_gather() {
  return for_each_rank({.collective = Collective::all_gather, .rank_count = 3}, [](uint32_t rank) {
    Builder builder({.rank = rank, .chunk_count = 3});
    const uint32_t scratch = builder.add_scratch(3);
    const LaneId lane = builder.add_lane();
    const uint32_t next = (rank + 1) % 3;
    const uint32_t previous = (rank + 2) % 3;
    // Scratch holds chunks rank, rank+1, rank+2 in this order.
    const StepId own = builder.copy(lane, {.first = rank}, {.source = {kInput, 0}, .target = {kScratch, scratch}});
    builder.send(builder.add_lane(), previous, {.first = rank}, {kScratch, scratch}, {.waits = {{own}}});
    const StepId one = builder.receive(lane, next, {.first = next}, {kScratch, scratch + 1});
    builder.send(builder.add_lane(1), previous, {.first = rank, .count = 2}, {kScratch, scratch}, {.waits = {{one}}});
    // Its first chunk is here already: the second round brings next's and the one after it to a place of their own.
    const uint32_t pair = builder.add_scratch(2);
    const StepId received = builder.receive(builder.add_lane(1), next, {.first = next, .count = 2}, {kScratch, pair});
    const LaneId last = builder.add_lane();
    builder.copy(last, {.first = rank}, {.source = {kScratch, scratch}, .target = {kOutput, rank}}, {.waits = {{own}}});
    builder.copy(last, {.first = next}, {.source = {kScratch, pair}, .target = {kOutput, next}}, {.waits = {{received}}});
    builder.copy(last, {.first = previous}, {.source = {kScratch, pair + 1}, .target = {kOutput, previous}});
    return std::move(builder).build();
  });
}

// From the root along the ranks in order.
inline Schedules chain_broadcast(const Problem& problem, uint32_t chunks) {
  const uint32_t ranks = problem.rank_count;
  return for_each_rank(problem, [&](uint32_t rank) {
    Builder builder({.rank = rank, .chunk_count = chunks});
    const uint32_t place = (rank + ranks - problem.root) % ranks;
    const LaneId receiving = builder.add_lane();
    const LaneId sending = builder.add_lane();
    for (uint32_t chunk = 0; chunk < chunks; ++chunk) {
      std::vector<WaitFor> waits;
      if (place > 0) {
        waits = {{builder.receive(receiving, (rank + ranks - 1) % ranks, {.first = chunk}, {kOutput, chunk}), WaitMode::streaming}};
      } else if (problem.in_place == InPlace::no) {
        builder.copy(receiving, {.first = chunk}, {.source = {kInput, chunk}, .target = {kOutput, chunk}});
      }
      if (place + 1 < ranks) {
        builder.send(sending, (rank + 1) % ranks, {.first = chunk}, {place == 0 ? kInput : kOutput, chunk}, {.waits = waits});
      }
    }
    return std::move(builder).build();
  });
}

// All send to the root, which reduces all at once, in rank order.
inline Schedules star_reduce(const Problem& problem) {
  return for_each_rank(problem, [&](uint32_t rank) {
    Builder builder({.rank = rank});
    if (rank != problem.root) {
      builder.send(builder.add_lane(), problem.root, {}, {kInput, 0});
      return std::move(builder).build();
    }
    const uint32_t scratch = builder.add_scratch(problem.rank_count);
    std::vector<Span> sources;
    StepOptions options{.final = Final::yes};
    for (uint32_t peer = 0; peer < problem.rank_count; ++peer) {
      sources.push_back(peer == rank ? Span{kInput, 0} : Span{kScratch, scratch + peer});
      if (peer != rank) {
        options.waits.push_back({builder.receive(builder.add_lane(), peer, {}, sources.back())});
      }
    }
    builder.reduce(builder.add_lane(), {}, sources, {kOutput, 0}, options);
    return std::move(builder).build();
  });
}

inline Schedules direct_reduce_scatter(const Problem& problem) {
  return for_each_rank(problem, [&](uint32_t rank) {
    Builder builder({.rank = rank, .chunk_count = problem.rank_count});
    const uint32_t scratch = builder.add_scratch(problem.rank_count);
    std::vector<Span> sources;
    StepOptions options{.final = Final::yes};
    for (uint32_t peer = 0; peer < problem.rank_count; ++peer) {
      sources.push_back(peer == rank ? Span{kInput, rank} : Span{kScratch, scratch + peer});
      if (peer != rank) {
        builder.send(builder.add_lane(), peer, {.first = peer}, {kInput, peer});
        options.waits.push_back({builder.receive(builder.add_lane(), peer, {.first = rank}, sources.back())});
      }
    }
    builder.reduce(builder.add_lane(), {.first = rank}, sources, {kOutput, 0}, options);
    return std::move(builder).build();
  });
}

// Through scratch, so that it is right in place too.
inline Schedules direct_all_to_all(const Problem& problem) {
  const uint32_t ranks = problem.rank_count;
  return for_each_rank(problem, [&](uint32_t rank) {
    Builder builder({.rank = rank, .chunk_count = ranks * ranks});
    const uint32_t scratch = builder.add_scratch(ranks);
    if (problem.in_place == InPlace::no) {
      builder.copy(builder.add_lane(), {.first = rank * ranks + rank}, {.source = {kInput, rank}, .target = {kOutput, rank}});
    }
    for (uint32_t peer = 0; peer < ranks; ++peer) {
      if (peer == rank) {
        continue;
      }
      const StepId sent = builder.send(builder.add_lane(), peer, {.first = rank * ranks + peer}, {kInput, peer});
      const LaneId receiving = builder.add_lane();
      const Chunks chunk{.first = peer * ranks + rank};
      builder.receive(receiving, peer, chunk, {kScratch, scratch + peer});
      builder.copy(receiving, chunk, {.source = {kScratch, scratch + peer}, .target = {kOutput, peer}}, {.waits = {{sent}}});
    }
    return std::move(builder).build();
  });
}

inline Schedules star_gather(const Problem& problem) {
  return for_each_rank(problem, [&](uint32_t rank) {
    Builder builder({.rank = rank, .chunk_count = problem.rank_count});
    if (rank != problem.root) {
      builder.send(builder.add_lane(), problem.root, {.first = rank}, {kInput, 0});
      return std::move(builder).build();
    }
    for (uint32_t peer = 0; peer < problem.rank_count; ++peer) {
      if (peer != rank) {
        builder.receive(builder.add_lane(), peer, {.first = peer}, {kOutput, peer});
      } else if (problem.in_place == InPlace::no) {
        builder.copy(builder.add_lane(), {.first = rank}, {.source = {kInput, 0}, .target = {kOutput, rank}});
      }
    }
    return std::move(builder).build();
  });
}

inline Schedules star_scatter(const Problem& problem) {
  return for_each_rank(problem, [&](uint32_t rank) {
    Builder builder({.rank = rank, .chunk_count = problem.rank_count});
    if (rank != problem.root) {
      builder.receive(builder.add_lane(), problem.root, {.first = rank}, {kOutput, 0});
      return std::move(builder).build();
    }
    for (uint32_t peer = 0; peer < problem.rank_count; ++peer) {
      if (peer != rank) {
        builder.send(builder.add_lane(), peer, {.first = peer}, {kInput, peer});
      } else if (problem.in_place == InPlace::no) {
        builder.copy(builder.add_lane(), {.first = rank}, {.source = {kInput, rank}, .target = {kOutput, 0}});
      }
    }
    return std::move(builder).build();
  });
}

// In round k, to the rank 2^k further on.
inline Schedules dissemination_barrier(const Problem& problem) {
  const uint32_t ranks = problem.rank_count;
  return for_each_rank(problem, [&](uint32_t rank) {
    Builder builder({.rank = rank});
    const LaneId sending = builder.add_lane();
    const LaneId receiving = builder.add_lane();
    std::vector<WaitFor> waits;
    for (uint32_t distance = 1; distance < ranks; distance *= 2) {
      builder.send(sending, (rank + distance) % ranks, {}, {}, {.waits = waits});
      waits = {{builder.receive(receiving, (rank + ranks - distance) % ranks, {}, {})}};
    }
    return std::move(builder).build();
  });
}

inline Span of(uint32_t rank, Buffer buffer, uint32_t slot) { return {.buffer = buffer, .slot = slot, .rank = rank}; }

// One lane signals all peers, one awaits them, each beginning with the neighbour.
class Signals {
 public:
  explicit Signals(Builder& builder, uint32_t rank, uint32_t ranks)
      : builder_(builder), rank_(rank), ranks_(ranks), signalling_(builder.add_lane()), working_(builder.add_lane()) {}

  LaneId working() const { return working_; }
  uint32_t behind(uint32_t distance) const { return (rank_ + ranks_ - distance) % ranks_; }
  void signal_all(const std::vector<WaitFor>& waits = {}) {
    for (uint32_t distance = 1; distance < ranks_; ++distance) {
      builder_.signal(signalling_, (rank_ + distance) % ranks_, {.waits = waits});
    }
  }
  void await_all() {
    for (uint32_t distance = 1; distance < ranks_; ++distance) {
      builder_.await(working_, behind(distance));
    }
  }

 private:
  Builder& builder_;
  uint32_t rank_;
  uint32_t ranks_;
  LaneId signalling_;
  LaneId working_;
};

// Each rank reduces its chunk of all inputs, into all outputs that it can write to; the others fetch it. Steps of each of 3 ranks: 0..5 signals,
// 6..7 await, 8 reduce, 9..10 await, 11..12 copy, 13..14 await.
inline Schedules shared_all_reduce(const Problem& problem) {
  const uint32_t ranks = problem.rank_count;
  return for_each_rank(problem, [&](uint32_t rank) {
    Builder builder({.rank = rank, .chunk_count = ranks});
    Signals signals(builder, rank, ranks);
    std::vector<Span> sources;
    StepOptions options{.final = Final::yes};
    for (uint32_t peer = 0; peer < ranks; ++peer) {
      sources.push_back(peer == rank ? Span{kInput, rank} : of(peer, kInput, rank));
      if (peer != rank) {
        options.further_targets.push_back(of(peer, kOutput, rank));
      }
    }
    signals.signal_all();
    signals.await_all();
    signals.signal_all({{builder.reduce(signals.working(), {.first = rank}, sources, {kOutput, rank}, options)}});
    signals.await_all();
    StepId last;
    for (uint32_t distance = 1; distance < ranks; ++distance) {
      const uint32_t peer = signals.behind(distance);
      last = builder.copy(signals.working(), {.first = peer}, {.source = of(peer, kOutput, peer), .target = {kOutput, peer}},
                          {.if_private = true});
    }
    signals.signal_all({{last}});
    signals.await_all();
    return std::move(builder).build();
  });
}

// Each rank copies the others' blocks. Steps of each of 3 ranks: 0..3 signals, then a copy if not in place, 2 awaits, 2 copies, 2 awaits.
inline Schedules shared_all_gather(const Problem& problem) {
  const uint32_t ranks = problem.rank_count;
  return for_each_rank(problem, [&](uint32_t rank) {
    Builder builder({.rank = rank, .chunk_count = ranks});
    Signals signals(builder, rank, ranks);
    signals.signal_all();
    if (problem.in_place == InPlace::no) {
      builder.copy(signals.working(), {.first = rank}, {.source = {kInput, 0}, .target = {kOutput, rank}});
    }
    signals.await_all();
    StepId last;
    for (uint32_t distance = 1; distance < ranks; ++distance) {
      const uint32_t peer = signals.behind(distance);
      last = builder.copy(signals.working(), {.first = peer}, {.source = of(peer, kInput, 0), .target = {kOutput, peer}});
    }
    signals.signal_all({{last}});
    signals.await_all();
    return std::move(builder).build();
  });
}

// All copy their block into the root's output; what it does not share, it fetches. On the root of 3 ranks: steps 0..3 signals, then a copy if not
// in place, 2 awaits, 2 copies. On the others: 0 signal, 1 await, 2 copy, 3 await.
inline Schedules shared_gather(const Problem& problem) {
  const uint32_t ranks = problem.rank_count;
  const uint32_t root = problem.root;
  return for_each_rank(problem, [&](uint32_t rank) {
    Builder builder({.rank = rank, .chunk_count = ranks});
    const LaneId signalling = builder.add_lane();
    const LaneId working = builder.add_lane();
    if (rank != root) {
      builder.await(working, root);
      const StepId copied = builder.copy(working, {.first = rank}, {.source = {kInput, 0}, .target = of(root, kOutput, rank)});
      builder.signal(signalling, root, {.waits = {{copied}}});
      builder.await(working, root);
      return std::move(builder).build();
    }
    for (uint32_t peer = 0; peer < ranks; ++peer) {
      if (peer != rank) {
        builder.signal(signalling, peer);
      } else if (problem.in_place == InPlace::no) {
        builder.copy(working, {.first = rank}, {.source = {kInput, 0}, .target = {kOutput, rank}});
      }
    }
    for (uint32_t peer = 0; peer < ranks; ++peer) {
      if (peer != rank) {
        builder.await(working, peer);
        const StepId copied = builder.copy(working, {.first = peer}, {.source = of(peer, kInput, 0), .target = {kOutput, peer}},
                                           {.if_private = true});
        builder.signal(signalling, peer, {.waits = {{copied}}});
      }
    }
    return std::move(builder).build();
  });
}

struct Sample {
  std::string name;
  Problem problem;
  Schedules schedules;
};

// Every collective, in and out of place, over small rank counts and all roots.
inline std::vector<Sample> all_samples() {
  std::vector<Sample> samples;
  const auto add = [&](std::string name, const Problem& problem, Schedules schedules) {
    samples.push_back({std::move(name) + ": " + to_string(problem), problem, std::move(schedules)});
  };
  for (const InPlace in_place : {InPlace::no, InPlace::yes}) {
    for (uint32_t ranks = 2; ranks <= 9; ++ranks) {
      for (uint32_t root = 0; root < ranks; ++root) {
        const auto rooted = [&](Collective collective) {
          return Problem{.collective = collective, .rank_count = ranks, .root = root, .in_place = in_place};
        };
        add("chain", rooted(Collective::broadcast), chain_broadcast(rooted(Collective::broadcast), 3));
        add("star", rooted(Collective::reduce), star_reduce(rooted(Collective::reduce)));
        add("star", rooted(Collective::gather), star_gather(rooted(Collective::gather)));
        add("star", rooted(Collective::scatter), star_scatter(rooted(Collective::scatter)));
        add("shared", rooted(Collective::gather), shared_gather(rooted(Collective::gather)));
      }
      const auto unrooted = [&](Collective collective) {
        return Problem{.collective = collective, .rank_count = ranks, .in_place = in_place};
      };
      add("ring", unrooted(Collective::all_reduce), ring_all_reduce(unrooted(Collective::all_reduce)));
      add("direct", unrooted(Collective::all_gather), direct_all_gather(unrooted(Collective::all_gather)));
      add("direct in 3 parts", unrooted(Collective::all_gather), direct_all_gather(unrooted(Collective::all_gather), 3));
      add("direct", unrooted(Collective::reduce_scatter), direct_reduce_scatter(unrooted(Collective::reduce_scatter)));
      add("direct", unrooted(Collective::all_to_all), direct_all_to_all(unrooted(Collective::all_to_all)));
      add("shared", unrooted(Collective::all_reduce), shared_all_reduce(unrooted(Collective::all_reduce)));
      add("shared", unrooted(Collective::all_gather), shared_all_gather(unrooted(Collective::all_gather)));
      add("dissemination", unrooted(Collective::barrier), dissemination_barrier(unrooted(Collective::barrier)));
    }
  }
  add("wrapping", {.collective = Collective::all_gather, .rank_count = 3}, wrapping_all_gather());
  return samples;
}

}  // namespace tutti::schedule::samples
