// SPDX-License-Identifier: Apache-2.0
// With p ranks, blocks of n bytes, d axes of k chips, a latency and b seconds per byte of a link: (d(k-1) + 1)a + (p-1) nb/(2d) on a torus, since every block
// has a part for each tree and the root's links are all busy all the time. Chips between put parts aside, in few places, and pass them on: to the root
// those of the nearest first, from it those for the farthest.
#include "algorithms/torus/tree_blocks.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "algorithms/ranks.hpp"
#include "algorithms/torus/axis_tree.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::torus {
namespace {

using namespace schedule;
using topology::Grid;

constexpr uint32_t kMostRanksOfTrees = 512;
// Of what passes from one neighbour to another.
constexpr size_t kSlots = 4;

// A rank that sends or gets what passes here, and the child on the way to it; of this rank itself there is none.
struct Below {
  uint32_t rank = 0;
  std::optional<uint32_t> child;
};

// This rank first, then those below it in the tree, by turns of its children, about the nearest first. All that is below a child comes in the child's order.
std::vector<Below> below_in_turn(const AxisTree& tree, uint32_t rank) {
  std::vector<Below> found = {{.rank = rank, .child = std::nullopt}};
  std::vector<std::vector<Below>> of_children;
  size_t longest = 0;
  const std::vector<uint32_t> children = tree.children(rank);
  for (const uint32_t child : children) {
    of_children.push_back(below_in_turn(tree, child));
    longest = std::max(longest, of_children.back().size());
  }
  for (size_t index = 0; index < longest; ++index) {
    for (size_t child = 0; child < children.size(); ++child) {
      if (index < of_children[child].size()) {
        found.push_back({.rank = of_children[child][index].rank, .child = children[child]});
      }
    }
  }
  return found;
}

// Places in scratch that are used in turn: a step that writes one waits for the send that has read what was there before.
class Slots {
 public:
  explicit Slots(Builder& builder) : builder_(builder) {}

  std::pair<Span, std::vector<WaitFor>> take() {
    if (places_.size() < kSlots) {
      places_.push_back(scratch(builder_.add_scratch(1)));
      return {places_.back(), {}};
    }
    return {places_[left_.size() % kSlots], {{left_[left_.size() - kSlots], WaitMode::complete}}};
  }
  // What has read the place taken last.
  void give_back(StepId sent) { left_.push_back(sent); }

 private:
  Builder& builder_;
  std::vector<Span> places_;
  std::vector<StepId> left_;
};

class Passing {
 public:
  Passing(const Problem& problem, const Grid& grid, uint32_t rank)
      : problem_(problem),
        rank_(rank),
        trees_(axis_trees_of(grid, problem.root)),
        parts_(static_cast<uint32_t>(trees_.size())),
        builder_({.rank = rank, .chunk_count = problem.rank_count * parts_, .parts = parts_}) {}

  Schedule build() && {
    const bool gathers = problem_.collective == Collective::gather;
    for (uint32_t part = 0; part < parts_; ++part) {
      gathers ? gather(part) : scatter(part);
    }
    const LaneId copying = builder_.add_lane();
    for (uint32_t part = 0; rank_ == problem_.root && problem_.in_place == InPlace::no && part < parts_; ++part) {
      const Chunks own = chunk(rank_, part);
      builder_.copy(copying, own, gathers ? Builder::Copy{.source = input(part), .target = output(own.first)}
                                          : Builder::Copy{.source = input(own.first), .target = output(part)});
    }
    return std::move(builder_).build();
  }

 private:
  Chunks chunk(uint32_t block, uint32_t part) const { return {block * parts_ + part}; }

  void gather(uint32_t part) {
    const AxisTree& tree = trees_[part];
    const std::optional<uint32_t> parent = tree.parent(rank_);
    std::map<uint32_t, LaneId> from;
    std::map<uint32_t, Slots> slots;
    for (const uint32_t child : tree.children(rank_)) {
      from.emplace(child, builder_.add_lane(channel_of(tree)));
      slots.emplace(child, Slots(builder_));
    }
    const LaneId sending = builder_.add_lane(channel_of(tree));
    for (const Below& below : below_in_turn(tree, rank_)) {
      const Chunks passed = chunk(below.rank, part);
      if (!below.child) {
        if (parent) {
          builder_.send(sending, *parent, passed, input(part));
        }
      } else if (!parent) {
        builder_.receive(from.at(*below.child), *below.child, passed, output(passed.first));
      } else {
        Slots& places = slots.at(*below.child);
        auto [place, free] = places.take();
        const StepId received = builder_.receive(from.at(*below.child), *below.child, passed, place, {.waits = std::move(free)});
        places.give_back(builder_.send(sending, *parent, passed, place, {.waits = {{received, WaitMode::streaming}}}));
      }
    }
  }

  void scatter(uint32_t part) {
    const AxisTree& tree = trees_[part];
    const std::optional<uint32_t> parent = tree.parent(rank_);
    std::map<uint32_t, LaneId> to;
    for (const uint32_t child : tree.children(rank_)) {
      to.emplace(child, builder_.add_lane(channel_of(tree)));
    }
    const LaneId receiving = builder_.add_lane(channel_of(tree));
    Slots places(builder_);
    std::vector<Below> farthest_first = below_in_turn(tree, rank_);
    std::reverse(farthest_first.begin(), farthest_first.end());
    for (const Below& below : farthest_first) {
      const Chunks passed = chunk(below.rank, part);
      if (!parent) {
        if (below.child) {
          builder_.send(to.at(*below.child), *below.child, passed, input(passed.first));
        }
      } else if (!below.child) {
        builder_.receive(receiving, *parent, passed, output(part));
      } else {
        auto [place, free] = places.take();
        const StepId received = builder_.receive(receiving, *parent, passed, place, {.waits = std::move(free)});
        places.give_back(builder_.send(to.at(*below.child), *below.child, passed, place, {.waits = {{received, WaitMode::streaming}}}));
      }
    }
  }

  const Problem& problem_;
  uint32_t rank_;
  std::vector<AxisTree> trees_;
  uint32_t parts_;
  Builder builder_;
};

}  // namespace

bool tree_blocks_solve(const Problem& problem, const Grid&) {
  return (problem.collective == Collective::gather || problem.collective == Collective::scatter) && problem.blocks == Blocks::equal &&
         problem.rank_count <= kMostRanksOfTrees;
}

Schedule tree_blocks(const Problem& problem, const Grid& grid, uint32_t rank) { return Passing(problem, grid, rank).build(); }

}  // namespace tutti::algorithms::torus
