// SPDX-License-Identifier: Apache-2.0
// A reducescatter and an allgather one after the other use the two directions of a corner's links in turn. A tree uses both at once: while one slice is on its way up,
// another is on its way down. With k trees, of which c at most share a link, an allreduce takes c/k nb.
#include "algorithms/forest/packed_trees.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "algorithms/forest/plans.hpp"
#include "algorithms/forest/spanning.hpp"
#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::forest {
namespace {

using namespace schedule;
using topology::Topology;

constexpr uint32_t kFewestSpanned = 3;
constexpr uint32_t kMostSpanned = 128;
// Links that a plan may look at: a tenth of a second at most.
constexpr uint64_t kMostSpanningWork = 20'000'000;

std::optional<SpanningTrees> spanning_of(const std::optional<Network>& network, Root /*root*/) {
  Work work{.left = kMostSpanningWork};
  return network ? pack_spanning(*network, work) : std::nullopt;
}

const std::optional<SpanningTrees>& spanning_trees_of(const Topology& topology) {
  thread_local Plans<SpanningTrees> plans(spanning_of);
  return plans.of(topology, Root());
}

// Whether the first chip has a link to another.
bool is_wired(const Topology& topology) {
  const topology::Fabric& fabric = *topology.fabric();
  topology::Route route;
  for (uint32_t target = 1; target < topology.rank_count(); ++target) {
    fabric.route(0, target, 0, &route);
    if (route.links.size() == 1) {
      return true;
    }
  }
  return false;
}

// One rank's part in one tree, which carries the chunk of its number.
class Branch {
 public:
  Branch(const Tree& tree, uint32_t chunk, uint32_t rank) : chunk_(chunk), rank_(rank) {
    const auto chip_count = static_cast<uint32_t>(tree.parents.size());
    std::vector<uint32_t> heights(chip_count, 0);
    for (uint32_t chip = 0; chip < chip_count; ++chip) {
      uint32_t links = 0;
      for (uint32_t at = chip; at != kNobody; at = tree.parents[at]) {
        heights[at] = std::max(heights[at], links++);
      }
    }
    for (uint32_t chip = 0; chip < chip_count; ++chip) {
      if (tree.parents[chip] == rank) {
        children_.push_back(chip);
      }
    }
    // What has less far to come is there first.
    std::ranges::stable_sort(children_, {}, [&](uint32_t chip) { return heights[chip]; });
    if (tree.parents[rank] != kNobody) {
      parent_ = tree.parents[rank];
    }
  }

  // `channels`: by peer, how many have been used.
  void add_to(Builder& builder, std::vector<uint32_t>& channels) const {
    Span place = input(chunk_);
    std::vector<WaitFor> written;
    for (const uint32_t child : children_) {
      const bool completes = !parent_ && child == children_.back();
      const StepId reduced = builder.receive_reduce(builder.add_lane(channels[child]), child, {chunk_}, {.source = place, .target = output(chunk_)},
                                                    {.operands = operands_of(rank_, child),
                                                     .final = completes ? Final::yes : Final::no,
                                                     .waits = written});
      place = output(chunk_);
      written = {{reduced, WaitMode::streaming}};
    }
    // What comes down replaces in the output what has gone up; it comes because that has gone up, so nothing waits for that.
    if (parent_) {
      builder.send(builder.add_lane(channels[*parent_]), *parent_, {chunk_}, place, {.waits = written});
      written = {{builder.receive(builder.add_lane(channels[*parent_]++), *parent_, {chunk_}, output(chunk_)), WaitMode::streaming}};
    }
    for (auto child = children_.rbegin(); child != children_.rend(); ++child) {
      builder.send(builder.add_lane(channels[*child]++), *child, {chunk_}, output(chunk_), {.waits = written});
    }
  }

 private:
  uint32_t chunk_;
  uint32_t rank_;
  std::optional<uint32_t> parent_;
  std::vector<uint32_t> children_;
};

}  // namespace

bool packed_trees_apply(const Problem& problem, const Topology& topology) {
  return problem.collective == Collective::all_reduce && problem.blocks == Blocks::equal && topology.fabric() != nullptr &&
         !topology.fabric()->levels().empty() && topology.rank_count() >= kFewestSpanned && topology.rank_count() <= kMostSpanned && !is_crossbar(topology) &&
         is_wired(topology) && spanning_trees_of(topology).has_value();
}

Schedule packed_trees(const Problem& /*problem*/, const Topology& topology, uint32_t rank) {
  const SpanningTrees& spanning = *spanning_trees_of(topology);
  const auto tree_count = static_cast<uint32_t>(spanning.trees.size());
  Builder builder({.rank = rank, .chunk_count = tree_count, .parts = 1});
  std::vector<uint32_t> channels(topology.rank_count(), 0);
  for (uint32_t tree = 0; tree < tree_count; ++tree) {
    Branch(spanning.trees[tree], tree, rank).add_to(builder, channels);
  }
  Schedule schedule = std::move(builder).build();
  schedule.channel_count = spanning.trees_of_a_link;  // of which the links of some ranks need fewer: the channels after these are the next call's, on all
  return schedule;
}

}  // namespace tutti::algorithms::forest
