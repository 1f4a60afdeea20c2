// SPDX-License-Identifier: Apache-2.0
// A root that sends to everybody keeps its links busy for p-1 messages, a tree takes a latency for each of its levels. Here a rank hears through another if by
// that it still hears before the farthest one does. Where a hop takes as long whoever forwards, these are all that are no neighbours of the root: a tree of
// shortest ways. Where a message has a latency of its own, as where software sends it, there are few or none, and the root sends to the farthest first.
//
// A reduction goes the same ways back. There nothing holds back what comes from near while the root's links are needed for what comes from far, so that all of
// it takes as long as the farthest and all bytes: those between take a third more time, and what they bring together saves its bytes.
#include "algorithms/direct/relay_tree.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "algorithms/direct/latencies.hpp"
#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::direct {
namespace {

using namespace schedule;

// Ways from each rank to many others are looked up.
constexpr uint32_t kMostRanksOfRelays = 2048;
constexpr uint64_t kNever = UINT64_MAX;

class RelayTree {
 public:
  RelayTree(const Problem& problem, const topology::Topology& topology)
      : topology_(topology),
        fabric_(*topology.fabric()),
        root_(problem.root),
        is_broadcast_(problem.collective == Collective::broadcast),
        ranks_(problem.rank_count),
        least_ns_(ranks_, kNever),
        takes_ns_(ranks_, 0),
        parents_(ranks_, root_),
        messages_(fabric_.link_count(), 0) {
    find_least();
    const uint64_t farthest_ns = *std::ranges::max_element(least_ns_);
    most_ns_ = is_broadcast_ ? farthest_ns : farthest_ns + farthest_ns / 3;
    std::vector<uint32_t> nearest_first;
    for (uint32_t rank = 0; rank < ranks_; ++rank) {
      if (rank != root_) {
        nearest_first.push_back(rank);
      }
    }
    std::ranges::stable_sort(nearest_first, [&](uint32_t left, uint32_t right) { return least_ns_[left] < least_ns_[right]; });
    for (auto rank = nearest_first.begin(); rank != nearest_first.end(); ++rank) {
      add(*rank, {nearest_first.begin(), rank});
    }
    find_children(nearest_first);
  }

  bool is_root(uint32_t rank) const { return rank == root_; }
  uint32_t parent(uint32_t rank) const { return parents_[rank]; }
  // What has farthest to go first.
  const std::vector<uint32_t>& children(uint32_t rank) const { return children_[rank]; }
  // First links that lead to them.
  uint32_t links(uint32_t rank) const {
    std::set<topology::LinkId> links;
    topology::Route route;
    for (const uint32_t child : children_[rank]) {
      fabric_.route(rank, child, 0, &route);
      links.insert(route.links.front());
    }
    return static_cast<uint32_t>(links.size());
  }

 private:
  // As a message of the collective goes between a rank and one that is nearer to the root.
  uint64_t between_ns(uint32_t inner, uint32_t outer) {
    return is_broadcast_ ? latency_ns(fabric_, inner, outer, &route_) : latency_ns(fabric_, outer, inner, &route_);
  }
  bool are_joined(uint32_t inner, uint32_t outer) const {
    return is_broadcast_ ? topology_.carries(inner, outer) : topology_.carries(outer, inner);
  }

  // Straight, or if the machine does not carry that, by as many others as it takes.
  void find_least() {
    least_ns_[root_] = 0;
    for (uint32_t rank = 0; rank < ranks_; ++rank) {
      if (rank != root_ && are_joined(root_, rank)) {
        least_ns_[rank] = between_ns(root_, rank);
      }
    }
    if (std::ranges::find(least_ns_, kNever) == least_ns_.end()) {
      return;
    }
    std::vector<bool> is_done(ranks_, false);
    for (uint32_t count = 0; count < ranks_; ++count) {
      uint32_t next = ranks_;
      for (uint32_t rank = 0; rank < ranks_; ++rank) {
        next = !is_done[rank] && (next == ranks_ || least_ns_[rank] < least_ns_[next]) ? rank : next;
      }
      is_done[next] = true;
      for (uint32_t rank = 0; rank < ranks_; ++rank) {
        if (!is_done[rank] && are_joined(next, rank)) {
          least_ns_[rank] = std::min(least_ns_[rank], least_ns_[next] + between_ns(next, rank));
        }
      }
    }
  }

  // Of those that are nearer the one that has it first, or if several have, of the nearest of those one whose links are least used.
  void add(uint32_t rank, std::span<const uint32_t> nearer) {
    struct Way {
      uint64_t there_ns = kNever;
      uint64_t last_ns = kNever;
      uint32_t used = UINT32_MAX;
      auto operator<=>(const Way&) const = default;
    };
    Way best;
    const bool may_be_straight = are_joined(root_, rank);
    for (auto next = nearer.rbegin(); next != nearer.rend(); ++next) {
      const uint32_t relay = *next;
      // Ways take long to look up. Some are too late however short their last message is; others are no earlier than the best, and their last message is longer.
      const bool is_too_late = may_be_straight && takes_ns_[relay] + least_ns_[nearer.front()] > most_ns_;
      const bool is_no_better = best.there_ns <= least_ns_[rank] && takes_ns_[relay] + best.last_ns < best.there_ns;
      if (is_too_late || is_no_better || !are_joined(relay, rank) || (may_be_straight && least_ns_[relay] == least_ns_[rank])) {
        continue;
      }
      const uint64_t last_ns = between_ns(relay, rank);
      const Way way{.there_ns = takes_ns_[relay] + last_ns, .last_ns = last_ns, .used = most_used()};
      if (way < best && (!may_be_straight || (last_ns < least_ns_[rank] && way.there_ns <= most_ns_))) {
        best = way;
        parents_[rank] = relay;
      }
    }
    takes_ns_[rank] = best.there_ns != kNever ? best.there_ns : least_ns_[rank];
    between_ns(parents_[rank], rank);
    for (const topology::LinkId link : route_.links) {
      ++messages_[link];
    }
  }
  // By messages so far, of the links of route_.
  uint32_t most_used() const {
    uint32_t most = 0;
    for (const topology::LinkId link : route_.links) {
      most = std::max(most, messages_[link]);
    }
    return most;
  }

  // By when all below a child have heard.
  void find_children(const std::vector<uint32_t>& nearest_first) {
    std::vector<uint64_t> end_ns = takes_ns_;
    children_.resize(ranks_);
    for (auto rank = nearest_first.rbegin(); rank != nearest_first.rend(); ++rank) {
      end_ns[parents_[*rank]] = std::max(end_ns[parents_[*rank]], end_ns[*rank]);
      children_[parents_[*rank]].push_back(*rank);
    }
    for (std::vector<uint32_t>& children : children_) {
      std::ranges::stable_sort(children, [&](uint32_t left, uint32_t right) { return end_ns[left] > end_ns[right]; });
    }
  }

  const topology::Topology& topology_;
  const topology::Fabric& fabric_;
  uint32_t root_;
  bool is_broadcast_;
  uint32_t ranks_;
  uint64_t most_ns_ = 0;
  std::vector<uint64_t> least_ns_;  // by rank: from the root or to it
  std::vector<uint64_t> takes_ns_;  // in the tree
  std::vector<uint32_t> parents_;
  std::vector<std::vector<uint32_t>> children_;
  std::vector<uint32_t> messages_;  // by link
  topology::Route route_;
};

// Of one rank, for all of whose schedules somebody asks.
struct Place {
  bool is_root = false;
  uint32_t parent = 0;
  std::vector<uint32_t> children;
  uint32_t sends_at_once = 1;
};

std::vector<Place> places_of(const Problem& problem, const topology::Topology& topology) {
  const RelayTree tree(problem, topology);
  std::vector<Place> places;
  for (uint32_t rank = 0; rank < problem.rank_count; ++rank) {
    places.push_back({.is_root = tree.is_root(rank), .parent = tree.parent(rank), .children = tree.children(rank), .sends_at_once = kSendsOfLink * tree.links(rank)});
  }
  return places;
}

// Whoever prices a problem asks for the schedules of all ranks, one after another.
Place place_of(const Problem& problem, const topology::Topology& topology, uint32_t rank) {
  struct Remembered {
    std::weak_ptr<const topology::Fabric> fabric;
    topology::Messages messages;
    Collective collective;
    uint32_t root;
    std::vector<Place> places;
  };
  thread_local std::optional<Remembered> last;
  if (!last || last->fabric.lock() != topology.fabric() || last->messages != topology.messages || last->collective != problem.collective ||
      last->root != problem.root) {
    last = {topology.fabric(), topology.messages, problem.collective, problem.root, places_of(problem, topology)};
  }
  return last->places[rank];
}

Schedule broadcast_down(const Problem& problem, uint32_t rank, const Place& place) {
  Builder builder({.rank = rank, .chunk_count = 1, .parts = 1});
  std::vector<WaitFor> came;
  if (!place.is_root) {
    came = {{builder.receive(builder.add_lane(), place.parent, {}, output(0)), WaitMode::streaming}};
  }
  std::vector<LaneId> sending;
  for (size_t index = 0; index < place.children.size(); ++index) {
    if (index < place.sends_at_once) {
      sending.push_back(builder.add_lane());
    }
    builder.send(sending[index % sending.size()], place.children[index], {}, place.is_root ? input(0) : output(0), {.waits = came});
  }
  if (place.is_root && problem.in_place == InPlace::no) {
    builder.copy(builder.add_lane(), {}, {.source = input(0), .target = output(0)});
  }
  return std::move(builder).build();
}

// What comes is put aside, and all of it reduced in one pass, in the order of the ranks it comes from.
Schedule reduce_up(uint32_t rank, const Place& place) {
  Builder builder({.rank = rank, .chunk_count = 1, .parts = 1});
  const Final final = place.is_root ? Final::yes : Final::no;
  const Span target = place.is_root ? output(0) : place.children.empty() ? input(0) : scratch(builder.add_scratch(1));
  std::vector<WaitFor> reduced;
  if (place.children.size() == 1) {
    const uint32_t child = place.children.front();
    reduced = {{builder.receive_reduce(builder.add_lane(), child, {}, {.source = input(0), .target = target}, {.operands = operands_of(rank, child), .final = final}),
                WaitMode::streaming}};
  } else if (!place.children.empty()) {
    std::vector<uint32_t> in_order = place.children;
    std::ranges::sort(in_order);
    std::vector<Span> sources;
    std::vector<WaitFor> came;
    for (const uint32_t child : in_order) {
      if (rank < child && sources.size() == came.size()) {
        sources.push_back(input(0));
      }
      sources.push_back(scratch(builder.add_scratch(1)));
      came.push_back({builder.receive(builder.add_lane(), child, {}, sources.back()), WaitMode::streaming});
    }
    if (sources.size() == came.size()) {
      sources.push_back(input(0));
    }
    reduced = {{builder.reduce(builder.add_lane(), {}, sources, target, {.final = final, .waits = std::move(came)}), WaitMode::streaming}};
  }
  if (!place.is_root) {
    builder.send(builder.add_lane(), place.parent, {}, target, {.waits = reduced});
  }
  return std::move(builder).build();
}

}  // namespace

bool relay_tree_solves(const Problem& problem, const topology::Topology& topology) {
  return (problem.collective == Collective::broadcast || problem.collective == Collective::reduce) && problem.blocks == Blocks::equal &&
         problem.rank_count <= kMostRanksOfRelays && has_far_and_near(problem, topology);
}

Schedule relay_tree(const Problem& problem, const topology::Topology& topology, uint32_t rank) {
  const Place place = place_of(problem, topology, rank);
  return problem.collective == Collective::broadcast ? broadcast_down(problem, rank, place) : reduce_up(rank, place);
}

}  // namespace tutti::algorithms::direct
