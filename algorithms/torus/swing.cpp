// SPDX-License-Identifier: Apache-2.0
// With p ranks, n bytes, d axes, a latency and b seconds per byte of a link: 2 log2(p) steps, and 2 nb/(2d) times what messages that go further than to a
// neighbour put on links, 1.19 on a torus of two axes and 1.03 on one of three (NSDI 2024, table 2). The vector is cut into 2d shares that begin with
// different axes, and one half of them mirrored, so that all links are busy. For axes of other lengths see swing_blocks.hpp.
#include "algorithms/torus/swing.hpp"

#include <array>
#include <utility>
#include <vector>

#include "algorithms/ranks.hpp"
#include "algorithms/torus/lanes.hpp"
#include "algorithms/torus/swing_blocks.hpp"
#include "algorithms/torus/swing_shares.hpp"
#include "schedule/builder.hpp"
#include "topology/swing.hpp"

namespace tutti::algorithms::torus {
namespace {

using namespace schedule;
using topology::Grid;
using topology::Swing;

bool solves_in_halves(const Problem& problem, const Grid& grid) {
  return problem.collective == Collective::all_reduce && problem.blocks == Blocks::equal && grid.wraps() && Swing::fits(grid);
}

}  // namespace

bool swing_solves(const Problem& problem, const Grid& grid) { return solves_in_halves(problem, grid) || swing_ranges_solve(problem, grid); }

// In step s a rank keeps the half of its range that has its own bit, and gives the other; partial results stand in the output. Then the halves come back
// in reverse order, each over what has been given for it.
Schedule swing(const Problem& problem, const Grid& grid, uint32_t rank) {
  if (!solves_in_halves(problem, grid)) {
    return swing_ranges(problem, grid, rank);
  }
  const std::vector<SwingShare> shares = swing_shares_of(grid);
  const uint32_t step_count = shares.front().swing.step_count();
  Builder builder({.rank = rank, .chunk_count = static_cast<uint32_t>(shares.size()) * problem.rank_count, .parts = 1});
  Lanes lanes(builder);
  std::vector<std::vector<WaitFor>> done(shares.size());  // by share: what the whole of its range waits for
  const auto kept = [&](uint32_t share, uint32_t step) {
    const uint32_t size = problem.rank_count >> (step + 1);
    return Chunks{share * problem.rank_count + shares[share].swing.number_of(rank) / size * size, size};
  };
  const auto given = [&](uint32_t share, uint32_t step) {
    const Chunks own = kept(share, step);
    return Chunks{share * problem.rank_count + ((own.first - share * problem.rank_count) ^ own.count), own.count};
  };
  for (uint32_t step = 0; step < step_count; ++step) {
    for (uint32_t share = 0; share < shares.size(); ++share) {
      const uint32_t peer = shares[share].swing.peer(rank, step);
      const Chunks own = kept(share, step);
      const Chunks other = given(share, step);
      const auto place = [&](const Chunks& chunks) { return step == 0 ? input(chunks.first) : output(chunks.first); };
      builder.send(lanes.to(shares[share].channel, peer), peer, other, place(other), {.waits = done[share]});
      const StepId reduced = builder.receive_reduce(lanes.from(shares[share].channel, peer), peer, own,
                                                    {.source = place(own), .target = output(own.first)},
                                                    {.operands = operands_of(rank, peer),
                                                     .final = step + 1 == step_count ? Final::yes : Final::no,
                                                     .waits = done[share]});
      done[share] = {{reduced, WaitMode::complete}};
    }
  }
  for (uint32_t step = step_count; step-- > 0;) {
    for (uint32_t share = 0; share < shares.size(); ++share) {
      const uint32_t peer = shares[share].swing.peer(rank, step);
      const Chunks own = kept(share, step);
      const Chunks other = given(share, step);
      builder.send(lanes.to(shares[share].channel, peer), peer, own, output(own.first), {.waits = done[share]});
      done[share].push_back({builder.receive(lanes.from(shares[share].channel, peer), peer, other, output(other.first)), WaitMode::complete});
    }
  }
  return std::move(builder).build();
}

bool swing_whole_solves(const Problem& problem, const Grid& grid) { return solves_in_halves(problem, grid) && grid.rank_count() >= 4; }

// The last steps first: what a rank has then covers the ranks whose numbers agree in the bits of the steps to come, the same as its partners have, so that all
// reduce in one order. What a share's chunk has grown to leaves in one lane, while in another its successor is made from it in another place: two in turn, and at last the
// output. A place is written again only when it has left.
Schedule swing_whole(const Problem& problem, const Grid& grid, uint32_t rank) {
  const std::vector<SwingShare> shares = swing_shares_of(grid);
  const uint32_t step_count = shares.front().swing.step_count();
  Builder builder({.rank = rank, .chunk_count = static_cast<uint32_t>(shares.size()), .parts = 1});
  Lanes lanes(builder);
  struct Value {
    Span place;
    std::vector<WaitFor> made;
    StepId first_left;  // the sends of the input and of the value before
    StepId left;
    std::array<Span, 2> places;
  };
  std::vector<Value> values;
  for (uint32_t share = 0; share < shares.size(); ++share) {
    const uint32_t slots = builder.add_scratch(step_count == 2 ? 1 : 2);
    values.push_back({.place = input(share), .made = {}, .first_left = {}, .left = {}, .places = {scratch(slots), scratch(step_count == 2 ? slots : slots + 1)}});
  }
  for (uint32_t step = 0; step < step_count; ++step) {
    const bool last = step + 1 == step_count;
    for (uint32_t share = 0; share < shares.size(); ++share) {
      Value& value = values[share];
      const Swing& swing = shares[share].swing;
      const uint32_t peer = swing.peer(rank, step_count - 1 - step);
      const StepId sent = builder.send(lanes.to(shares[share].channel, peer), peer, {share}, value.place, {.waits = value.made});
      value.first_left = step == 0 ? sent : value.first_left;
      StepOptions options{.operands = operands_of(swing.number_of(rank), swing.number_of(peer)),
                          .final = last ? Final::yes : Final::no,
                          .waits = value.made};
      if (last ? problem.in_place == InPlace::yes : step >= 2) {
        options.waits.push_back({last ? value.first_left : value.left, WaitMode::complete});
      }
      const Span target = last ? output(share) : value.places[step % 2];
      const StepId made = builder.receive_reduce(lanes.from(shares[share].channel, peer), peer, {share}, {.source = value.place, .target = target},
                                                 std::move(options));
      value.place = target;
      value.made = {{made, WaitMode::streaming}};
      value.left = sent;
    }
  }
  return std::move(builder).build();
}

}  // namespace tutti::algorithms::torus
