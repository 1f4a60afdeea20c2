// SPDX-License-Identifier: Apache-2.0
// ceil(log2 p) rounds: broadcast and reduce cost log2(p) (a + nb), gather and scatter log2(p) a + (p-1)/p nb with n the
// bytes at the root (Thakur, Rabenseifner and Gropp, "Optimization of collective communication operations in MPICH",
// IJHPCA 2005). With base k, (k-1) ceil(log_k p) messages leave the root in ceil(log_k p) rounds. Negabinary trees send what a
// binomial tree sends, over two thirds of the distance (De Sensi and others, "Bine trees: enhancing collective operations
// by optimizing communication locality", SC 2025).
#include "algorithms/tree/binomial.hpp"

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::tree {
namespace {

using namespace schedule;

// A rank's place in a tree whose subtrees are of consecutive ranks, around the circle.
struct Place {
  struct Child {
    uint32_t rank;
    uint32_t first;  // rank of its subtree
    uint32_t size;   // of its subtree
  };

  // Subtrees as consecutive blocks in a user's buffer, where they do not wrap: one piece or two.
  std::vector<Chunks> pieces(uint32_t first_rank, uint32_t count) const {
    const uint32_t before_end = std::min(count, circle.size - first_rank);
    if (before_end == count) {
      return {{first_rank, count}};
    }
    return {{first_rank, before_end}, {0, count - before_end}};
  }
  // Where in the order of the subtree a rank is.
  uint32_t offset(uint32_t of_rank) const { return circle.distance(first, of_rank); }

  Circle circle;
  bool is_root = false;
  uint32_t first = 0;  // rank of the subtree
  uint32_t size = 1;   // of the subtree
  uint32_t parent = 0;
  std::vector<Child> children = {};  // nearest, smallest first
};

// Positions are steps ahead of the root, and digits those of a position to the base `radix`: a parent lacks its child's lowest digit that is not
// zero. The subtree at position v holds the positions v .. v+size-1.
Place k_nomial_place(const Problem& problem, uint32_t rank, uint32_t radix) {
  Place place{.circle = {problem.rank_count}, .first = rank};
  const uint32_t count = problem.rank_count;
  const uint32_t position = place.circle.distance(problem.root, rank);
  place.is_root = position == 0;
  uint64_t span = 1;  // of the subtree in a tree of any size
  while (place.is_root ? span < count : position % (span * radix) == 0) {
    span *= radix;
  }
  place.size = static_cast<uint32_t>(std::min<uint64_t>(span, count - position));
  place.parent = place.is_root ? rank : place.circle.behind(rank, static_cast<uint32_t>(position / span % radix * span));
  for (uint64_t weight = 1; weight < place.size; weight *= radix) {
    for (uint64_t offset = weight; offset < std::min<uint64_t>(radix * weight, place.size); offset += weight) {
      const uint32_t child = place.circle.ahead(rank, static_cast<uint32_t>(offset));
      place.children.push_back({child, child, static_cast<uint32_t>(std::min<uint64_t>(weight, place.size - offset))});
    }
  }
  return place;
}

// Positions are steps ahead of the root, on a circle of 2^s, and digits those to the base -2. A rank that hears in round i has its parent's position
// but for the last s-i digits, all flipped: by that it is 1/3 of 2^(s-i) away, to either side, where a binomial tree goes 1/2. Its subtree are all that
// differ from it in the last s-i-1 digits, and lie together.
class NegabinaryPlace {
 public:
  NegabinaryPlace(const Problem& problem, uint32_t rank)
      : circle_{problem.rank_count}, root_(problem.root), digit_count_(static_cast<uint32_t>(std::countr_zero(problem.rank_count))), rank_(rank) {}

  Place make() const {
    const uint32_t digits = digits_of(circle_.distance(root_, rank_));
    // Flips of the last digits add up: the longest one shows as the first digit, and each shorter one where digits differ.
    const uint32_t flips = digits ^ (digits >> 1);
    const uint32_t free = flips == 0 ? digit_count_ : static_cast<uint32_t>(std::countr_zero(flips));
    Place place{.circle = circle_, .is_root = flips == 0, .first = first_of(digits, free), .size = uint32_t{1} << free, .parent = rank_};
    if (!place.is_root) {
      place.parent = rank_of(digits ^ ones(free + 1));
    }
    for (uint32_t below = 0; below < free; ++below) {
      const uint32_t child = digits ^ ones(below + 1);
      place.children.push_back({rank_of(child), first_of(child, below), uint32_t{1} << below});
    }
    return place;
  }

 private:
  static uint32_t ones(uint32_t count) { return (uint32_t{1} << count) - 1; }
  // Digits at odd places count -2^k: where they are added once more, and then flipped, plain binary digits become those to the base -2.
  static constexpr uint32_t kOddPlaces = 0xAAAAAAAA;
  uint32_t digits_of(uint32_t position) const { return ((position + kOddPlaces) ^ kOddPlaces) & ones(digit_count_); }
  uint32_t rank_of(uint32_t digits) const {
    return circle_.ahead(root_, ((digits ^ kOddPlaces) - kOddPlaces) & ones(digit_count_));
  }
  // The least of all numbers with other last digits: those at odd places 1, the rest 0.
  uint32_t first_of(uint32_t digits, uint32_t free) const { return rank_of((digits & ~ones(free)) | (kOddPlaces & ones(free))); }

  Circle circle_;
  uint32_t root_;
  uint32_t digit_count_;
  uint32_t rank_;
};

Schedule broadcast(const Problem& problem, uint32_t rank, const Place& place) {
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
Schedule reduce(uint32_t rank, const Place& place) {
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
    for (const Chunks& piece : place.pieces(child.first, child.size)) {
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
Schedule gather(const Problem& problem, uint32_t rank, const Place& place) {
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
        {builder.receive(builder.add_lane(), child.rank, {child.first, child.size}, scratch(place.offset(child.first)))});
  }
  const LaneId sends = builder.add_lane();
  builder.copy(sends, {rank}, {.source = input(0), .target = scratch(place.offset(rank))});
  uint32_t slot = 0;
  const std::vector<Chunks> whole = {{place.first, place.size}};
  for (const Chunks& piece : place.parent == problem.root ? place.pieces(place.first, place.size) : whole) {
    builder.send(sends, place.parent, piece, scratch(slot), {.waits = std::exchange(gathered, {})});
    slot += piece.count;
  }
  return std::move(builder).build();
}

Schedule scatter_at_root(const Problem& problem, const Place& place, Builder builder) {
  std::for_each(place.children.rbegin(), place.children.rend(), [&](const Place::Child& child) {
    const LaneId lane = builder.add_lane();
    for (const Chunks& piece : place.pieces(child.first, child.size)) {
      builder.send(lane, child.rank, piece, input(piece.first));
    }
  });
  if (problem.in_place == InPlace::no) {
    builder.copy(builder.add_lane(), {problem.root}, {.source = input(problem.root), .target = output(0)});
  }
  return std::move(builder).build();
}

Schedule scatter(const Problem& problem, uint32_t rank, const Place& place) {
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
  const std::vector<Chunks> whole = {{place.first, place.size}};
  for (const Chunks& piece : place.parent == problem.root ? place.pieces(place.first, place.size) : whole) {
    arrived = builder.receive(receives, place.parent, piece, scratch(slot));
    slot += piece.count;
  }
  std::for_each(place.children.rbegin(), place.children.rend(), [&](const Place::Child& child) {
    builder.send(builder.add_lane(), child.rank, {child.first, child.size}, scratch(place.offset(child.first)), {.waits = {{arrived}}});
  });
  builder.copy(builder.add_lane(), {rank}, {.source = scratch(place.offset(rank)), .target = output(0)}, {.waits = {{arrived}}});
  return std::move(builder).build();
}

Schedule solve(const Problem& problem, uint32_t rank, const Place& place) {
  switch (problem.collective) {
    case Collective::reduce:
      return reduce(rank, place);
    case Collective::gather:
      return gather(problem, rank, place);
    case Collective::scatter:
      return scatter(problem, rank, place);
    default:
      return broadcast(problem, rank, place);
  }
}

}  // namespace

bool binomial_solves(const Problem& problem) { return problem.blocks == Blocks::equal && is_rooted(problem.collective); }

Schedule k_nomial(const Problem& problem, uint32_t rank, uint32_t radix) { return solve(problem, rank, k_nomial_place(problem, rank, radix)); }

bool bine_solves(const Problem& problem) { return binomial_solves(problem) && std::has_single_bit(problem.rank_count); }

Schedule bine(const Problem& problem, uint32_t rank) { return solve(problem, rank, NegabinaryPlace(problem, rank).make()); }

}  // namespace tutti::algorithms::tree
