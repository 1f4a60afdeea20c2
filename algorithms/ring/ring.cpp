// SPDX-License-Identifier: Apache-2.0
// With p ranks, n bytes, a latency and b seconds per byte: allreduce takes 2(p-1)a + 2(p-1)/p nb, its halves allgather
// and reducescatter half of that, which is optimal in bandwidth (Patarasuk and Yuan, "Bandwidth optimal all-reduce
// algorithms for clusters of workstations", JPDC 2009). Broadcast and reduce run a chain through the ranks, (p-1)a + nb
// when sliced finely. On a fabric that is a lattice the ring goes from chip to neighbouring chip.
#include "algorithms/ring/ring.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "algorithms/alone.hpp"
#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"
#include "topology/fitting.hpp"

namespace tutti::algorithms::ring {
namespace {

using namespace schedule;

// A rank, and the ring it is in: the ranks in the order of their places.
struct Member {
  Member(const topology::Topology& topology, uint32_t own_rank)
      : rank(own_rank),
        order(topology::circle_of(topology)),
        place(static_cast<uint32_t>(std::find(order.begin(), order.end(), rank) - order.begin())) {}

  uint32_t rank;
  std::vector<uint32_t> order;
  uint32_t place;
};

// One rank's place in the ring, and its two lanes: what it receives from the previous, what it sends to the next. Lanes
// are advanced in turn, so the receiving one comes first: what it brought leaves at once.
struct Seat {
  Seat(Builder& builder, const Member& whose)
      : member(whose),
        ring{static_cast<uint32_t>(member.order.size())},
        next(behind(ring.size - 1)),
        previous(behind(1)),
        operands(operands_of(member.rank, previous)),
        receives(builder.add_lane()),
        sends(builder.add_lane()) {}

  // The rank so many places behind, and by this the chunk that begins or ends there.
  uint32_t behind(uint32_t places) const { return member.order[ring.behind(member.place, places)]; }

  const Member& member;
  Circle ring;
  uint32_t next;
  uint32_t previous;
  Operands operands;
  LaneId receives;
  LaneId sends;
};

// Chunk c starts behind rank c and collects contributions on its way around to rank c, where it is complete. A chunk's partial
// result waits in its own slot of the output, whose former content, in place, has just gone into it. Then the complete
// chunks travel around once more: each comes back to a slot only because what the slot held has been sent, so nothing
// waits for that.
Schedule all_reduce(const Problem& problem, const Member& member) {
  const uint32_t rounds = problem.rank_count - 1;
  Builder builder({.rank = member.rank, .chunk_count = problem.rank_count, .parts = 1});
  const Seat seat(builder, member);

  StepId received;
  for (uint32_t round = 0; round < rounds; ++round) {
    const uint32_t leaving = seat.behind(round + 1);
    const uint32_t arriving = seat.behind(round + 2);
    if (round == 0) {
      builder.send(seat.sends, seat.next, {leaving}, input(leaving));
    } else {
      builder.send(seat.sends, seat.next, {leaving}, output(leaving), {.waits = {{received, WaitMode::streaming}}});
    }
    received = builder.receive_reduce(
        seat.receives, seat.previous, {arriving}, {.source = input(arriving), .target = output(arriving)},
        {.operands = seat.operands, .final = round + 1 == rounds ? Final::yes : Final::no});
  }
  for (uint32_t round = 0; round < rounds; ++round) {
    const uint32_t leaving = seat.behind(round);
    const uint32_t arriving = seat.behind(round + 1);
    builder.send(seat.sends, seat.next, {leaving}, output(leaving), {.waits = {{received, WaitMode::streaming}}});
    received = builder.receive(seat.receives, seat.previous, {arriving}, output(arriving));
  }
  return std::move(builder).build();
}

// The first turn of all_reduce. Partial results pass through two scratch slots in turn, since the input is not ours to
// write.
Schedule reduce_scatter(const Problem& problem, const Member& member) {
  const uint32_t rounds = problem.rank_count - 1;
  Builder builder({.rank = member.rank, .chunk_count = problem.rank_count, .parts = 1});
  const Seat seat(builder, member);
  builder.add_scratch(std::min(rounds - 1, 2u));

  StepId sent;
  StepId received;
  for (uint32_t round = 0; round < rounds; ++round) {
    const uint32_t leaving = seat.behind(round + 1);
    const uint32_t arriving = seat.behind(round + 2);
    const bool last = round + 1 == rounds;
    const StepId sent_before = std::exchange(
        sent, round == 0 ? builder.send(seat.sends, seat.next, {leaving}, input(leaving))
                         : builder.send(seat.sends, seat.next, {leaving}, scratch((round - 1) % 2),
                                        {.waits = {{received, WaitMode::streaming}}}));
    StepOptions options{.operands = seat.operands, .final = last ? Final::yes : Final::no};
    if (round >= 2 && !last) {
      options.waits.push_back({sent_before, WaitMode::complete});  // it read the slot
    }
    received = builder.receive_reduce(seat.receives, seat.previous, {arriving},
                                      {.source = input(arriving), .target = last ? output(0) : scratch(round % 2)},
                                      std::move(options));
  }
  return std::move(builder).build();
}

Schedule all_gather(const Problem& problem, const Member& member) {
  Builder builder({.rank = member.rank, .chunk_count = problem.rank_count, .parts = 1});
  const Seat seat(builder, member);
  if (problem.in_place == InPlace::no) {
    builder.copy(builder.add_lane(), {member.rank}, {.source = input(0), .target = output(member.rank)});
  }
  builder.send(seat.sends, seat.next, {member.rank}, input(0));
  for (uint32_t round = 1; round < problem.rank_count; ++round) {
    const uint32_t arriving = seat.behind(round);
    const StepId received = builder.receive(seat.receives, seat.previous, {arriving}, output(arriving));
    if (arriving != seat.next) {
      builder.send(seat.sends, seat.next, {arriving}, output(arriving), {.waits = {{received, WaitMode::streaming}}});
    }
  }
  return std::move(builder).build();
}

// A chain that begins at the root.
Schedule broadcast(const Problem& problem, const Member& member) {
  Builder builder({.rank = member.rank, .chunk_count = 1, .parts = 1});
  const Seat seat(builder, member);
  if (member.rank == problem.root) {
    builder.send(seat.sends, seat.next, {}, input(0));
    if (problem.in_place == InPlace::no) {
      builder.copy(builder.add_lane(), {}, {.source = input(0), .target = output(0)});
    }
    return std::move(builder).build();
  }
  const StepId received = builder.receive(seat.receives, seat.previous, {}, output(0));
  if (seat.next != problem.root) {
    builder.send(seat.sends, seat.next, {}, output(0), {.waits = {{received, WaitMode::streaming}}});
  }
  return std::move(builder).build();
}

// A chain that ends at the root. Ranks in its middle have no output: the vector passes through two scratch slots in
// turn, and is cut so that these take a quarter of its length, more of which then stays in the cache.
Schedule reduce(const Problem& problem, const Member& member) {
  constexpr uint32_t kChunksThroughScratch = 8;
  const uint32_t chunk_count = problem.rank_count == 2 ? 1 : kChunksThroughScratch;
  Builder builder({.rank = member.rank, .chunk_count = chunk_count, .parts = 1});
  const Seat seat(builder, member);
  const bool first = seat.previous == problem.root;
  const bool last = member.rank == problem.root;
  if (!first && !last) {
    builder.add_scratch(2);
  }
  std::array<StepId, 2> slot_sent;
  for (uint32_t chunk = 0; chunk < chunk_count; ++chunk) {
    const uint32_t slot = chunk % 2;
    if (first) {
      builder.send(seat.sends, seat.next, {chunk}, input(chunk));
    } else if (last) {
      builder.receive_reduce(seat.receives, seat.previous, {chunk}, {.source = input(chunk), .target = output(chunk)},
                             {.operands = seat.operands, .final = Final::yes});
    } else {
      StepOptions options{.operands = seat.operands};
      if (chunk >= 2) {
        options.waits.push_back({slot_sent[slot], WaitMode::complete});
      }
      const StepId received = builder.receive_reduce(
          seat.receives, seat.previous, {chunk}, {.source = input(chunk), .target = scratch(slot)}, std::move(options));
      slot_sent[slot] =
          builder.send(seat.sends, seat.next, {chunk}, scratch(slot), {.waits = {{received, WaitMode::streaming}}});
    }
  }
  return std::move(builder).build();
}

bool applies(const Problem& problem, const topology::Topology&) {
  switch (problem.collective) {
    case Collective::all_gather:
    case Collective::reduce_scatter:
      return true;
    case Collective::all_reduce:
    case Collective::reduce:
    case Collective::broadcast:
      return problem.blocks == Blocks::equal;
    default:
      return false;
  }
}

Schedule build(const Problem& problem, const topology::Topology& topology, uint32_t rank) {
  if (problem.rank_count == 1) {
    return solve_alone(problem);
  }
  const Member member(topology, rank);
  switch (problem.collective) {
    case Collective::all_gather:
      return all_gather(problem, member);
    case Collective::reduce_scatter:
      return reduce_scatter(problem, member);
    case Collective::reduce:
      return reduce(problem, member);
    case Collective::broadcast:
      return broadcast(problem, member);
    default:
      return all_reduce(problem, member);
  }
}

constexpr std::array kAlgorithms = {
    planner::Algorithm{.name = "ring",
                       .idea = "chunks travel around a ring of all ranks",
                       .applies = applies,
                       .build = build,
                       .pattern = schedule::Pattern::ring},
};

}  // namespace

std::span<const planner::Algorithm> algorithms() { return kAlgorithms; }

}  // namespace tutti::algorithms::ring
