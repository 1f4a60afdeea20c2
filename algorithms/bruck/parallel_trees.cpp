// SPDX-License-Identifier: Apache-2.0
#include "algorithms/bruck/parallel_trees.hpp"

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"
#include "schedule/composition.hpp"

namespace tutti::algorithms::bruck {
namespace {

using namespace schedule;

// In the tree of a block, a place is how far ahead of the block's own rank one is. A place passes the block on by each power of two below its own
// lowest bit, the largest first, as far as the circle goes: those are its children.
class ParallelTrees {
 public:
  ParallelTrees(const Problem& problem, uint32_t rank)
      : problem_(problem),
        rank_(rank),
        circle_{problem.rank_count},
        largest_(std::bit_floor(problem.rank_count - 1)),
        builder_({.rank = rank, .chunk_count = problem.rank_count, .parts = 1}),
        sends_(builder_.add_lane()),
        receives_(builder_.add_lane()) {}

  Schedule all_gather() && {
    if (problem_.in_place == InPlace::no) {
      builder_.copy(builder_.add_lane(), {rank_}, {.source = input(0), .target = output(rank_)});
    }
    std::vector<StepId> received(circle_.size);  // by place
    for (uint32_t distance = largest_; distance > 0; distance /= 2) {
      for_each_parent(distance, [&](uint32_t place) {
        const uint32_t block = block_at(place);
        const std::vector<WaitFor> there = place == 0 ? std::vector<WaitFor>{} : std::vector<WaitFor>{{received[place], WaitMode::streaming}};
        builder_.send(sends_, circle_.ahead(rank_, distance), {block}, place == 0 ? input(0) : output(block), {.waits = there});
      });
      for_each_parent(distance, [&](uint32_t place) {
        const uint32_t block = block_at(place + distance);
        received[place + distance] = builder_.receive(receives_, circle_.behind(rank_, distance), {block}, output(block));
      });
    }
    return std::move(builder_).build();
  }

  // The same backwards: partial results go to their trees' roots.
  Schedule reduce_scatter() && {
    std::vector<Partial> partials(circle_.size);  // by place
    for (uint32_t place = 0; place < circle_.size; ++place) {
      partials[place].now_at = input(block_at(place));
    }
    for (uint32_t distance = 1; distance <= largest_; distance *= 2) {
      for_each_parent(distance, [&](uint32_t place) {
        const Partial& partial = partials[place + distance];
        builder_.send(sends_, circle_.behind(rank_, distance), {block_at(place + distance)}, partial.now_at, {.waits = partial.made});
      });
      for_each_parent(distance, [&](uint32_t place) {
        Partial& partial = partials[place];
        const Span target = place == 0 ? output(0) : partial.made.empty() ? scratch(builder_.add_scratch(1)) : partial.now_at;
        const uint32_t peer = circle_.ahead(rank_, distance);
        const StepId made = builder_.receive_reduce(receives_, peer, {block_at(place)}, {.source = partial.now_at, .target = target},
                                                    {.operands = operands_of(rank_, peer),
                                                     .final = place == 0 && distance == largest_ ? Final::yes : Final::no});
        partial = {.now_at = target, .made = {{made, WaitMode::streaming}}};
      });
    }
    return std::move(builder_).build();
  }

 private:
  struct Partial {
    Span now_at;
    std::vector<WaitFor> made = {};
  };

  // Places from which a block goes so far.
  template <typename Visit>
  void for_each_parent(uint32_t distance, const Visit& visit) const {
    for (uint32_t place = 0; place + distance < circle_.size; place += 2 * distance) {
      visit(place);
    }
  }
  uint32_t block_at(uint32_t place) const { return circle_.behind(rank_, place); }

  const Problem& problem_;
  const uint32_t rank_;
  const Circle circle_;
  const uint32_t largest_;
  Builder builder_;
  const LaneId sends_;
  const LaneId receives_;
};

}  // namespace

bool parallel_trees_solve(const Problem& problem) {
  // Each block is a message of its own: of more ranks a rank would send too many.
  constexpr uint32_t kMostRanks = 1024;
  if (problem.rank_count > kMostRanks) {
    return false;
  }
  return problem.collective == Collective::all_gather || problem.collective == Collective::reduce_scatter ||
         (problem.collective == Collective::all_reduce && problem.blocks == Blocks::equal);
}

Schedule parallel_trees(const Problem& problem, uint32_t rank) {
  if (problem.collective == Collective::all_reduce) {
    Problem first = problem;
    first.collective = Collective::reduce_scatter;
    Problem second = problem;
    second.collective = Collective::all_gather;
    second.in_place = InPlace::yes;
    return all_reduce_of({parallel_trees(first, rank), parallel_trees(second, rank)});
  }
  ParallelTrees trees(problem, rank);
  return problem.collective == Collective::all_gather ? std::move(trees).all_gather() : std::move(trees).reduce_scatter();
}

}  // namespace tutti::algorithms::bruck
