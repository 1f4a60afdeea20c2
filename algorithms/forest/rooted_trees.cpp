// SPDX-License-Identifier: Apache-2.0
#include "algorithms/forest/rooted_trees.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "algorithms/forest/place.hpp"
#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::forest {
namespace {

using namespace schedule;

// Links that a plan may look at: a fifth of a second at most.
constexpr uint64_t kMostRootedWork = 40'000'000;
// What links must differ by, around the chip that has least, for trees to gain by it.
constexpr uint64_t kLeastUnevenPerMille = 50;
// Partial results pass through two slots in turn, so that of a vector these take a quarter.
constexpr uint32_t kPiecesInTurn = 8;
// The first slice takes one part in so many of what all take, for each link on the way.
constexpr uint32_t kSlicesOfLink = 16;

bool is_even(const Network& network) {
  uint64_t least_sum = UINT64_MAX;
  uint64_t least_alike = 0;
  for (uint32_t chip = 0; chip < network.chip_count; ++chip) {
    uint64_t sum = 0;
    uint64_t slowest = UINT64_MAX;
    uint64_t links = 0;
    for (uint32_t node = 0; node < network.node_count; ++node) {
      if (const uint64_t bytes_per_s = network.at(chip, node); bytes_per_s != 0) {
        sum += bytes_per_s;
        slowest = std::min(slowest, bytes_per_s);
        ++links;
      }
    }
    if (sum < least_sum) {
      least_sum = sum;
      least_alike = slowest * links;
    }
  }
  return network.node_count == network.chip_count && (least_sum - least_alike) * 1'000 < least_sum * kLeastUnevenPerMille;
}

// How many trees so far have used a way to or from each peer: each has a channel of its own there.
using Channels = std::vector<uint32_t>;

Schedule broadcast(const Problem& problem, const RootedTrees& rooted, uint32_t rank) {
  const auto tree_count = static_cast<uint32_t>(rooted.trees.size());
  Builder builder({.rank = rank, .chunk_count = tree_count, .parts = 1});
  Channels to(problem.rank_count, 0);
  Channels from(problem.rank_count, 0);
  for (uint32_t chunk = 0; chunk < tree_count; ++chunk) {
    const Place place = place_in(rooted.trees[chunk], rank);
    Span source = input(chunk);
    std::vector<WaitFor> came;
    if (place.parent) {
      came = {{builder.receive(builder.add_lane(from[*place.parent]++), *place.parent, {chunk}, output(chunk)), WaitMode::streaming}};
      source = output(chunk);
    }
    for (auto child = place.children.rbegin(); child != place.children.rend(); ++child) {
      builder.send(builder.add_lane(to[*child]++), *child, {chunk}, source, {.waits = came});
    }
  }
  if (rank == problem.root && problem.in_place == InPlace::no) {
    builder.copy(builder.add_lane(), {0, tree_count}, {.source = input(0), .target = output(0)});
  }
  return std::move(builder).build();
}

// One rank's part in one tree of a reduction.
class Reduction {
 public:
  Reduction(Builder& builder, uint32_t rank, Place place) : builder_(builder), rank_(rank), place_(std::move(place)) {}

  void add(uint32_t tree, Channels& to, Channels& from) {
    for (const uint32_t child : place_.children) {
      receiving_.push_back(builder_.add_lane(from[child]++));
    }
    if (place_.parent) {
      sending_ = builder_.add_lane(to[*place_.parent]++);
      slots_ = place_.children.empty() ? 0 : builder_.add_scratch(2);
    }
    for (uint32_t piece = 0; piece < kPiecesInTurn; ++piece) {
      add_piece(tree * kPiecesInTurn + piece, piece);
    }
  }

 private:
  void add_piece(uint32_t chunk, uint32_t piece) {
    Span source = input(chunk);
    std::vector<WaitFor> waits;
    if (place_.parent && piece >= 2 && !place_.children.empty()) {
      waits.push_back({left_[piece % 2], WaitMode::complete});
    }
    const Span target = place_.parent ? scratch(slots_ + piece % 2) : output(chunk);
    for (size_t child = 0; child < place_.children.size(); ++child) {
      const uint32_t peer = place_.children[child];
      const bool completes = !place_.parent && child + 1 == place_.children.size();
      const StepId reduced = builder_.receive_reduce(receiving_[child], peer, {chunk}, {.source = source, .target = target},
                                                     {.operands = operands_of(rank_, peer),
                                                      .final = completes ? Final::yes : Final::no,
                                                      .waits = std::move(waits)});
      waits = {{reduced, WaitMode::streaming}};
      source = target;
    }
    if (place_.parent) {
      left_[piece % 2] = builder_.send(sending_, *place_.parent, {chunk}, source, {.waits = std::move(waits)});
    }
  }

  Builder& builder_;
  uint32_t rank_;
  Place place_;
  std::vector<LaneId> receiving_;  // by child
  LaneId sending_ = 0;
  uint32_t slots_ = 0;
  std::array<StepId, 2> left_;
};

Schedule reduce(const Problem& problem, const RootedTrees& rooted, uint32_t rank) {
  const auto tree_count = static_cast<uint32_t>(rooted.trees.size());
  Builder builder({.rank = rank, .chunk_count = tree_count * kPiecesInTurn, .parts = 1});
  Channels to(problem.rank_count, 0);
  Channels from(problem.rank_count, 0);
  for (uint32_t tree = 0; tree < tree_count; ++tree) {
    Reduction(builder, rank, place_in(rooted.trees[tree], rank)).add(tree, to, from);
  }
  return std::move(builder).build();
}

}  // namespace

std::optional<RootedTrees> rooted_trees_of(const Network& network, uint32_t root) {
  Work work{.left = kMostRootedWork};
  return is_even(network) ? std::nullopt : pack_rooted(network, root, work);
}

Schedule rooted_trees(const Problem& problem, const RootedTrees& rooted, uint32_t rank) {
  const bool is_broadcast = problem.collective == Collective::broadcast;
  Schedule schedule = is_broadcast ? broadcast(problem, rooted, rank) : reduce(problem, rooted, rank);
  schedule.channel_count = rooted.trees_of_a_link;
  schedule.least_slices = kSlicesOfLink * rooted.depth / (is_broadcast ? 1 : kPiecesInTurn);
  return schedule;
}

}  // namespace tutti::algorithms::forest
