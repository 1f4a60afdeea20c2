// SPDX-License-Identifier: Apache-2.0
// With p ranks, n bytes, a latency and b seconds per byte: allreduce takes 2(p-1)a + 2(p-1)/p nb, its halves allgather
// and reducescatter half of that, which is optimal in bandwidth (Patarasuk and Yuan, "Bandwidth optimal all-reduce
// algorithms for clusters of workstations", JPDC 2009). Broadcast and reduce run a chain through the ranks, (p-1)a + nb
// when sliced finely. On a fabric that is a lattice the ring goes from chip to neighbouring chip. c rings that share no
// link divide nb by c. Nodes of c chips with an adapter each have c rings too, each of which enters and leaves every node
// through another adapter; one ring alone would use one of them.
#include "algorithms/ring/ring.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "algorithms/alone.hpp"
#include "algorithms/hosts.hpp"
#include "algorithms/ranks.hpp"
#include "algorithms/ring/neighbour_exchange.hpp"
#include "schedule/builder.hpp"
#include "topology/circles.hpp"
#include "topology/fitting.hpp"

namespace tutti::algorithms::ring {
namespace {

using namespace schedule;

// A rank, and a ring it is in: all ranks, in the order of their places.
struct Member {
  Member(uint32_t own_rank, std::vector<uint32_t> ring)
      : rank(own_rank),
        order(std::move(ring)),
        place(static_cast<uint32_t>(std::find(order.begin(), order.end(), rank) - order.begin())) {}

  // The rank so many places behind.
  uint32_t behind(uint32_t places) const { return order[Circle{static_cast<uint32_t>(order.size())}.behind(place, places)]; }
  uint32_t next() const { return behind(static_cast<uint32_t>(order.size()) - 1); }
  uint32_t previous() const { return behind(1); }

  uint32_t rank;
  std::vector<uint32_t> order;
  uint32_t place;
};

// Of all rings.
using Members = std::vector<Member>;

// One rank's place in a ring, and its two lanes: what it receives from the previous, what it sends to the next. Lanes
// are advanced in turn, so the receiving one comes first: what it brought leaves at once. Rings that have a hop in common
// take a channel each.
struct Seat {
  Seat(Builder& builder, const Members& members, uint32_t ring_of_seat)
      : ring(ring_of_seat),
        ring_count(static_cast<uint32_t>(members.size())),
        member(members[ring]),
        next(member.next()),
        previous(member.previous()),
        operands(operands_of(member.rank, previous)),
        receives(builder.add_lane(earlier_rings(members, [this](const Member& other) { return other.previous() == previous; }))),
        sends(builder.add_lane(earlier_rings(members, [this](const Member& other) { return other.next() == next; }))) {}

  template <typename IsCounted>
  uint32_t earlier_rings(const Members& members, IsCounted is_counted) const {
    return static_cast<uint32_t>(std::count_if(members.begin(), members.begin() + ring, is_counted));
  }

  // Of a vector: the ring's share of it is cut for the ranks.
  uint32_t share_behind(uint32_t places) const { return ring * static_cast<uint32_t>(member.order.size()) + member.behind(places); }
  // Of blocks: the ring's part of the rank's block.
  uint32_t part_of(uint32_t rank) const { return rank * ring_count + ring; }
  uint32_t part_behind(uint32_t places) const { return part_of(member.behind(places)); }

  uint32_t ring;
  uint32_t ring_count;
  const Member& member;
  uint32_t next;
  uint32_t previous;
  Operands operands;
  LaneId receives;
  LaneId sends;
};

std::vector<Seat> seats_in(Builder& builder, const Members& members) {
  std::vector<Seat> seats;
  for (uint32_t ring = 0; ring < members.size(); ++ring) {
    seats.emplace_back(builder, members, ring);
  }
  return seats;
}

Builder builder_for(const Members& members, uint32_t chunk_count, uint32_t parts = 1) {
  return Builder({.rank = members.front().rank, .chunk_count = chunk_count, .parts = parts});
}

// Chunk c starts behind rank c and collects contributions on its way around to rank c, where it is complete. A chunk's partial
// result waits in its own slot of the output, whose former content, in place, has just gone into it. Then the complete
// chunks travel around once more: each comes back to a slot only because what the slot held has been sent, so nothing
// waits for that.
Schedule all_reduce(const Problem& problem, const Members& members) {
  const uint32_t rounds = problem.rank_count - 1;
  Builder builder = builder_for(members, problem.rank_count * static_cast<uint32_t>(members.size()));
  for (const Seat& seat : seats_in(builder, members)) {
    StepId received;
    for (uint32_t round = 0; round < rounds; ++round) {
      const uint32_t leaving = seat.share_behind(round + 1);
      const uint32_t arriving = seat.share_behind(round + 2);
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
      const uint32_t leaving = seat.share_behind(round);
      const uint32_t arriving = seat.share_behind(round + 1);
      builder.send(seat.sends, seat.next, {leaving}, output(leaving), {.waits = {{received, WaitMode::streaming}}});
      received = builder.receive(seat.receives, seat.previous, {arriving}, output(arriving));
    }
  }
  return std::move(builder).build();
}

// The first turn of all_reduce. Partial results pass through two scratch slots in turn, since the input is not ours to
// write.
Schedule reduce_scatter(const Problem& problem, const Members& members) {
  const uint32_t rounds = problem.rank_count - 1;
  const auto ring_count = static_cast<uint32_t>(members.size());
  Builder builder = builder_for(members, problem.rank_count * ring_count, ring_count);
  for (const Seat& seat : seats_in(builder, members)) {
    const uint32_t slot = builder.add_scratch(std::min(rounds - 1, 2u));
    StepId sent;
    StepId received;
    for (uint32_t round = 0; round < rounds; ++round) {
      const uint32_t leaving = seat.part_behind(round + 1);
      const uint32_t arriving = seat.part_behind(round + 2);
      const bool last = round + 1 == rounds;
      const StepId sent_before = std::exchange(
          sent, round == 0 ? builder.send(seat.sends, seat.next, {leaving}, input(leaving))
                           : builder.send(seat.sends, seat.next, {leaving}, scratch(slot + (round - 1) % 2),
                                          {.waits = {{received, WaitMode::streaming}}}));
      StepOptions options{.operands = seat.operands, .final = last ? Final::yes : Final::no};
      if (round >= 2 && !last) {
        options.waits.push_back({sent_before, WaitMode::complete});  // it read the slot
      }
      received = builder.receive_reduce(
          seat.receives, seat.previous, {arriving},
          {.source = input(arriving), .target = last ? output(seat.ring) : scratch(slot + round % 2)}, std::move(options));
    }
  }
  return std::move(builder).build();
}

Schedule all_gather(const Problem& problem, const Members& members) {
  const auto ring_count = static_cast<uint32_t>(members.size());
  Builder builder = builder_for(members, problem.rank_count * ring_count, ring_count);
  for (const Seat& seat : seats_in(builder, members)) {
    const uint32_t own = seat.part_of(seat.member.rank);
    if (problem.in_place == InPlace::no) {
      builder.copy(builder.add_lane(), {own}, {.source = input(seat.ring), .target = output(own)});
    }
    builder.send(seat.sends, seat.next, {own}, input(seat.ring));
    for (uint32_t round = 1; round < problem.rank_count; ++round) {
      const uint32_t arriving = seat.part_behind(round);
      const StepId received = builder.receive(seat.receives, seat.previous, {arriving}, output(arriving));
      if (arriving != seat.part_of(seat.next)) {
        builder.send(seat.sends, seat.next, {arriving}, output(arriving), {.waits = {{received, WaitMode::streaming}}});
      }
    }
  }
  return std::move(builder).build();
}

// A chain that begins at the root.
Schedule broadcast(const Problem& problem, const Members& members) {
  Builder builder = builder_for(members, static_cast<uint32_t>(members.size()));
  for (const Seat& seat : seats_in(builder, members)) {
    const uint32_t share = seat.ring;
    if (seat.member.rank == problem.root) {
      builder.send(seat.sends, seat.next, {share}, input(share));
      if (problem.in_place == InPlace::no) {
        builder.copy(builder.add_lane(), {share}, {.source = input(share), .target = output(share)});
      }
      continue;
    }
    const StepId received = builder.receive(seat.receives, seat.previous, {share}, output(share));
    if (seat.next != problem.root) {
      builder.send(seat.sends, seat.next, {share}, output(share), {.waits = {{received, WaitMode::streaming}}});
    }
  }
  return std::move(builder).build();
}

// A chain that ends at the root. Ranks in its middle have no output: the vector passes through two scratch slots in
// turn, and is cut so that these take a quarter of its length, more of which then stays in the cache.
Schedule reduce(const Problem& problem, const Members& members) {
  constexpr uint32_t kChunksThroughScratch = 8;
  const uint32_t chunk_count = problem.rank_count == 2 ? 1 : kChunksThroughScratch;
  Builder builder = builder_for(members, chunk_count * static_cast<uint32_t>(members.size()));
  for (const Seat& seat : seats_in(builder, members)) {
    const bool first = seat.previous == problem.root;
    const bool last = seat.member.rank == problem.root;
    const uint32_t first_slot = first || last ? 0 : builder.add_scratch(2);
    std::array<StepId, 2> slot_sent;
    for (uint32_t index = 0; index < chunk_count; ++index) {
      const uint32_t chunk = seat.ring * chunk_count + index;
      if (first) {
        builder.send(seat.sends, seat.next, {chunk}, input(chunk));
      } else if (last) {
        builder.receive_reduce(seat.receives, seat.previous, {chunk}, {.source = input(chunk), .target = output(chunk)},
                               {.operands = seat.operands, .final = Final::yes});
      } else {
        StepOptions options{.operands = seat.operands};
        if (index >= 2) {
          options.waits.push_back({slot_sent[index % 2], WaitMode::complete});
        }
        const Span slot = scratch(first_slot + index % 2);
        const StepId received = builder.receive_reduce(seat.receives, seat.previous, {chunk},
                                                       {.source = input(chunk), .target = slot}, std::move(options));
        slot_sent[index % 2] = builder.send(seat.sends, seat.next, {chunk}, slot, {.waits = {{received, WaitMode::streaming}}});
      }
    }
  }
  return std::move(builder).build();
}

Schedule solve(const Problem& problem, const Members& members) {
  switch (problem.collective) {
    case Collective::all_gather:
      return all_gather(problem, members);
    case Collective::reduce_scatter:
      return reduce_scatter(problem, members);
    case Collective::reduce:
      return reduce(problem, members);
    case Collective::broadcast:
      return broadcast(problem, members);
    default:
      return all_reduce(problem, members);
  }
}

bool ring_applies(const Problem& problem, const topology::Topology&) { return passes_all_ranks(problem); }

Schedule ring_build(const Problem& problem, const topology::Topology& topology, uint32_t rank) {
  return problem.rank_count == 1 ? solve_alone(problem) : solve(problem, {Member(rank, topology::circle_of(topology))});
}

bool rings_apply(const Problem& problem, const topology::Topology& topology) {
  return passes_all_ranks(problem) && !topology::circles_of(topology).empty();
}

Schedule rings_build(const Problem& problem, const topology::Topology& topology, uint32_t rank) {
  Members members;
  for (std::vector<uint32_t>& circle : topology::circles_of(topology)) {
    members.emplace_back(rank, std::move(circle));
  }
  return solve(problem, members);
}

bool neighbours_apply(const Problem& problem, const topology::Topology& topology) {
  return (problem.rank_count == 1 ? problem.collective == Collective::all_gather : neighbour_exchange_solves(problem)) && has_network(topology);
}

constexpr std::array kAlgorithms = {
    planner::Algorithm{.name = "ring",
                       .idea = "chunks travel around a ring of all ranks",
                       .cost = "allreduce 2(p-1) a + 2(p-1)/p nb; allgather and reducescatter half of that; broadcast and reduce (p-1) a + nb",
                       .source = "Patarasuk and Yuan, JPDC 2009",
                       .applies = ring_applies,
                       .build = ring_build,
                       .pattern = schedule::Pattern::ring},
    planner::Algorithm{.name = "rings",
                       .idea = "several rings at once, over different links, each with a share",
                       .cost = "of c rings: as ring, with nb/c",
                       .source = "Patarasuk and Yuan, JPDC 2009",
                       .applies = rings_apply,
                       .build = rings_build,
                       .pattern = schedule::Pattern::rings},
    planner::Algorithm{.name = "neighbour_exchange",
                       .idea = "neighbours in rank order exchange two blocks at a time, to either side in turn",
                       .cost = "p/2 a + (p-1)/p nb",
                       .source = "Chen, Zhang, Zhang and Yuan, HPC Asia 2005",
                       .applies = neighbours_apply,
                       .build = build_for_any<neighbour_exchange>,
                       .pattern = schedule::Pattern::neighbour_exchange},
};

}  // namespace

std::span<const planner::Algorithm> algorithms() { return kAlgorithms; }

}  // namespace tutti::algorithms::ring
