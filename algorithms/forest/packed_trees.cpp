// SPDX-License-Identifier: Apache-2.0
// A reducescatter and an allgather one after the other use the two directions of a corner's links in turn. A tree uses both at once: while one slice is on its way up,
// another is on its way down. With k trees, of which c at most share a link, an allreduce takes c/k nb.
#include "algorithms/forest/packed_trees.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "algorithms/forest/place.hpp"
#include "algorithms/forest/plans.hpp"
#include "algorithms/forest/rooted_trees.hpp"
#include "algorithms/forest/spanning.hpp"
#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::forest {
namespace {

using namespace schedule;
using topology::Topology;

constexpr uint32_t kFewestSpanned = 3;
constexpr uint32_t kMostSpanned = 160;
// Up a tree and down it, the first slice takes one part in so many of what all take.
constexpr uint32_t kSlicesOfHop = 16;
// Links that a plan may look at: a tenth of a second at most.
constexpr uint64_t kMostSpanningWork = 20'000'000;

std::optional<SpanningTrees> spanning_of(const std::optional<Network>& network, Root /*root*/) {
  Work work{.left = kMostSpanningWork};
  return network ? pack_spanning(*network, work) : std::nullopt;
}

std::optional<RootedTrees> rooted_of(const std::optional<Network>& network, Root root) { return network ? rooted_trees_of(*network, *root) : std::nullopt; }

const std::optional<SpanningTrees>& spanning_trees_of(const Topology& topology) {
  thread_local Plans<SpanningTrees> plans(spanning_of);
  return plans.of(topology, Root());
}

const std::optional<RootedTrees>& rooted_plan_of(const Problem& problem, const Topology& topology) {
  thread_local Plans<RootedTrees> plans(rooted_of);
  return plans.of(topology, problem.root);
}

// Whether links or single switches join the first chip to all that no third chip stands between.
bool is_joined_directly(const Topology& topology) {
  constexpr size_t kMostLinks = 2;
  const topology::Fabric& fabric = *topology.fabric();
  topology::Route route;
  for (uint32_t target = 1; target < topology.rank_count(); ++target) {
    if (fabric.is_adjacent(0, target)) {
      fabric.route(0, target, 0, &route);
      if (route.links.size() > kMostLinks) {
        return false;
      }
    }
  }
  return true;
}

// One rank's part in one tree, which carries the chunk of its number.
class Branch {
 public:
  Branch(const Tree& tree, uint32_t chunk, uint32_t rank) : chunk_(chunk), rank_(rank), place_(place_in(tree, rank)) {}

  // `channels`: by peer, how many have been used.
  void add_to(Builder& builder, std::vector<uint32_t>& channels) const {
    Span place = input(chunk_);
    std::vector<WaitFor> written;
    for (const uint32_t child : place_.children) {
      const bool completes = !place_.parent && child == place_.children.back();
      const StepId reduced = builder.receive_reduce(builder.add_lane(channels[child]), child, {chunk_}, {.source = place, .target = output(chunk_)},
                                                    {.operands = operands_of(rank_, child),
                                                     .final = completes ? Final::yes : Final::no,
                                                     .waits = written});
      place = output(chunk_);
      written = {{reduced, WaitMode::streaming}};
    }
    // What comes down replaces in the output what has gone up; it comes because that has gone up, so nothing waits for that.
    if (place_.parent) {
      builder.send(builder.add_lane(channels[*place_.parent]), *place_.parent, {chunk_}, place, {.waits = written});
      written = {{builder.receive(builder.add_lane(channels[*place_.parent]++), *place_.parent, {chunk_}, output(chunk_)), WaitMode::streaming}};
    }
    for (auto child = place_.children.rbegin(); child != place_.children.rend(); ++child) {
      builder.send(builder.add_lane(channels[*child]++), *child, {chunk_}, output(chunk_), {.waits = written});
    }
  }

 private:
  uint32_t chunk_;
  uint32_t rank_;
  Place place_;
};

}  // namespace

bool packed_trees_apply(const Problem& problem, const Topology& topology) {
  if (problem.blocks != Blocks::equal || topology.fabric() == nullptr || topology.fabric()->levels().empty() || topology.rank_count() < kFewestSpanned ||
      topology.rank_count() > kMostSpanned || is_crossbar(topology) || !is_joined_directly(topology)) {
    return false;
  }
  switch (problem.collective) {
    case Collective::all_reduce: return spanning_trees_of(topology).has_value();
    case Collective::broadcast:
    case Collective::reduce: return rooted_plan_of(problem, topology).has_value();
    default: return false;
  }
}

Schedule packed_trees(const Problem& problem, const Topology& topology, uint32_t rank) {
  if (problem.collective != Collective::all_reduce) {
    return rooted_trees(problem, *rooted_plan_of(problem, topology), rank);
  }
  const SpanningTrees& spanning = *spanning_trees_of(topology);
  const auto tree_count = static_cast<uint32_t>(spanning.trees.size());
  Builder builder({.rank = rank, .chunk_count = tree_count, .parts = 1});
  std::vector<uint32_t> channels(topology.rank_count(), 0);
  for (uint32_t tree = 0; tree < tree_count; ++tree) {
    Branch(spanning.trees[tree], tree, rank).add_to(builder, channels);
  }
  Schedule schedule = std::move(builder).build();
  schedule.channel_count = spanning.trees_of_a_link;  // of which the links of some ranks need fewer: the channels after these are the next call's, on all
  schedule.least_slices = kSlicesOfHop * 2 * spanning.depth;
  return schedule;
}

}  // namespace tutti::algorithms::forest
