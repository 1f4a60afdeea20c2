// SPDX-License-Identifier: Apache-2.0
// ceil(log2 p) rounds: broadcast and reduce cost log2(p) (a + nb), gather and scatter log2(p) a + (p-1)/p nb with n the
// bytes at the root (Thakur, Rabenseifner and Gropp, "Optimization of collective communication operations in MPICH",
// IJHPCA 2005).
#include "algorithms/tree/binomial.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::tree {
namespace {

using namespace schedule;

// A rank's place in the tree. Positions are steps ahead of the root; the subtree at position v holds the positions v ..
// v+size-1.
struct Place {
  struct Child {
    uint32_t rank;
    uint32_t offset;  // from this rank's position
    uint32_t size;    // of its subtree
  };

  Place(const Problem& problem, uint32_t rank) : circle{problem.rank_count} {
    const uint32_t position = circle.distance(problem.root, rank);
    const uint32_t span = position == 0 ? circle.size : lowest_bit(position);
    size = std::min(span, circle.size - position);
    is_root = position == 0;
    parent = is_root ? rank : circle.behind(rank, span);
    for (uint32_t offset = 1; offset < size; offset *= 2) {
      children.push_back({circle.ahead(rank, offset), offset, std::min(offset, size - offset)});
    }
  }

  // Subtrees as consecutive blocks in a user's buffer, where they do not wrap: one piece or two.
  std::vector<Chunks> pieces(uint32_t first, uint32_t count) const {
    const uint32_t before_end = std::min(count, circle.size - first);
    if (before_end == count) {
      return {{first, count}};
    }
    return {{first, before_end}, {0, count - before_end}};
  }

  Circle circle;
  bool is_root = false;
  uint32_t size = 1;  // of the subtree
  uint32_t parent = 0;
  std::vector<Child> children;  // nearest, smallest first
};

Schedule broadcast(const Problem& problem, uint32_t rank) {
  const Place place(problem, rank);
  Builder builder({.rank = rank, .chunk_count = 1, .parts = 1});
  std::vector<WaitFor> arrived;
  if (!place.is_root) {
    arrived.push_back({builder.receive(builder.add_lane(), place.parent, {}, output(0)), WaitMode::streaming});
  }
  // The child with most descendants first.
  std::for_each(place.children.rbegin(), place.children.rend(), [&](const Place::Child& child) {
    builder.send(builder.add_lane(), child.rank, {}, place.is_root ? input(0) : output(0), {.waits = arrived});
  });
  if (place.is_root && problem.in_place == InPlace::no) {
    builder.copy(builder.add_lane(), {}, {.source = input(0), .target = output(0)});
  }
  return std::move(builder).build();
}

// Children are added in the order of their positions, so that the root's result is in rank order, beginning with the
// root's own.
Schedule reduce(const Problem& problem, uint32_t rank) {
  const Place place(problem, rank);
  Builder builder({.rank = rank, .chunk_count = 1, .parts = 1});
  const LaneId receives = builder.add_lane();
  Span value = input(0);
  std::vector<WaitFor> reduced;
  if (!place.children.empty()) {
    const Span target = place.is_root ? output(0) : scratch(builder.add_scratch(1));
    for (const Place::Child& child : place.children) {
      const bool completes = place.is_root && child.rank == place.children.back().rank;
      reduced = {{builder.receive_reduce(receives, child.rank, {}, {.source = value, .target = target},
                                         {.operands = Operands::local_first, .final = completes ? Final::yes : Final::no}),
                  WaitMode::streaming}};
      value = target;
    }
  }
  if (!place.is_root) {
    builder.send(builder.add_lane(), place.parent, {}, value, {.waits = reduced});
  }
  return std::move(builder).build();
}

Schedule gather_at_root(const Problem& problem, const Place& place, Builder builder) {
  for (const Place::Child& child : place.children) {
    const LaneId lane = builder.add_lane();
    for (const Chunks& piece : place.pieces(child.rank, child.size)) {
      builder.receive(lane, child.rank, piece, output(piece.first));
    }
  }
  if (problem.in_place == InPlace::no) {
    builder.copy(builder.add_lane(), {problem.root}, {.source = input(0), .target = output(problem.root)});
  }
  return std::move(builder).build();
}

// Between leaf and root, a subtree's blocks lie in scratch in the order of positions; they wrap around the ranks'
// numbering as they must.
Schedule gather(const Problem& problem, uint32_t rank) {
  const Place place(problem, rank);
  Builder builder({.rank = rank, .chunk_count = problem.rank_count, .parts = 1});
  if (place.is_root) {
    return gather_at_root(problem, place, std::move(builder));
  }
  if (place.children.empty()) {
    builder.send(builder.add_lane(), place.parent, {rank}, input(0));
    return std::move(builder).build();
  }
  builder.add_scratch(place.size);
  std::vector<WaitFor> gathered;
  for (const Place::Child& child : place.children) {
    gathered.push_back(
        {builder.receive(builder.add_lane(), child.rank, {child.rank, child.size}, scratch(child.offset))});
  }
  const LaneId sends = builder.add_lane();
  builder.copy(sends, {rank}, {.source = input(0), .target = scratch(0)});
  uint32_t slot = 0;
  const std::vector<Chunks> whole = {{rank, place.size}};
  for (const Chunks& piece : place.parent == problem.root ? place.pieces(rank, place.size) : whole) {
    builder.send(sends, place.parent, piece, scratch(slot), {.waits = std::exchange(gathered, {})});
    slot += piece.count;
  }
  return std::move(builder).build();
}

Schedule scatter_at_root(const Problem& problem, const Place& place, Builder builder) {
  std::for_each(place.children.rbegin(), place.children.rend(), [&](const Place::Child& child) {
    const LaneId lane = builder.add_lane();
    for (const Chunks& piece : place.pieces(child.rank, child.size)) {
      builder.send(lane, child.rank, piece, input(piece.first));
    }
  });
  if (problem.in_place == InPlace::no) {
    builder.copy(builder.add_lane(), {problem.root}, {.source = input(problem.root), .target = output(0)});
  }
  return std::move(builder).build();
}

Schedule scatter(const Problem& problem, uint32_t rank) {
  const Place place(problem, rank);
  Builder builder({.rank = rank, .chunk_count = problem.rank_count, .parts = 1});
  if (place.is_root) {
    return scatter_at_root(problem, place, std::move(builder));
  }
  const LaneId receives = builder.add_lane();
  if (place.children.empty()) {
    builder.receive(receives, place.parent, {rank}, output(0));
    return std::move(builder).build();
  }
  builder.add_scratch(place.size);
  uint32_t slot = 0;
  StepId arrived;
  const std::vector<Chunks> whole = {{rank, place.size}};
  for (const Chunks& piece : place.parent == problem.root ? place.pieces(rank, place.size) : whole) {
    arrived = builder.receive(receives, place.parent, piece, scratch(slot));
    slot += piece.count;
  }
  std::for_each(place.children.rbegin(), place.children.rend(), [&](const Place::Child& child) {
    builder.send(builder.add_lane(), child.rank, {child.rank, child.size}, scratch(child.offset), {.waits = {{arrived}}});
  });
  builder.copy(builder.add_lane(), {rank}, {.source = scratch(0), .target = output(0)}, {.waits = {{arrived}}});
  return std::move(builder).build();
}

}  // namespace

bool binomial_solves(const Problem& problem) {
  if (problem.blocks == Blocks::variable) {
    return false;
  }
  return is_rooted(problem.collective);
}

Schedule binomial(const Problem& problem, uint32_t rank) {
  switch (problem.collective) {
    case Collective::reduce:
      return reduce(problem, rank);
    case Collective::gather:
      return gather(problem, rank);
    case Collective::scatter:
      return scatter(problem, rank);
    default:
      return broadcast(problem, rank);
  }
}

}  // namespace tutti::algorithms::tree
