// SPDX-License-Identifier: Apache-2.0
// A set S of nodes that leaves out a chip has to let out what its chips have to say, once at least: with B(S) bytes per second of links out of it, an
// allgather of n bytes takes max over S of |S|/p n/B(S) at least. Trees from all chips, packed so that no link is in more of them than it has room for, reach
// that (algorithms/forest/packing.hpp); a reducescatter goes the same ways back, an allreduce is both, and from or to one root there are trees of that root
// alone. Vectors are cut into pieces that follow one another down a tree, in an order in which links wait for as little as they can (timetable.hpp).
#include "algorithms/forest/forest.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "algorithms/forest/packed_trees.hpp"
#include "algorithms/forest/plans.hpp"
#include "algorithms/forest/timetable.hpp"
#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"
#include "topology/grid.hpp"

namespace tutti::algorithms::forest {
namespace {

using namespace schedule;
using topology::Topology;

constexpr uint32_t kFewestRanks = 3;
constexpr uint32_t kMostRanks = 32;
// Links that a plan may look at: a fifth of a second at most.
constexpr uint64_t kMostWork = 30'000'000;
// More would cost more to price than they gain.
constexpr Pieces kPieces = {.most = 16, .most_passages = 6'000, .idle_per_mille = 30};

// The same for all ranks.
std::optional<Timetable> plan_anew(const std::optional<Network>& network, Root root) {
  if (!network) {
    return std::nullopt;
  }
  Weights weights(network->chip_count, root ? 0 : 1);
  if (root) {
    weights[*root] = 1;
  }
  Work work{.left = kMostWork};
  const std::optional<Packing> packing = pack(*network, weights, {.most_trees = 12, .slacks_per_mille = {0, 10, 20, 50, 100}}, work);
  return packing ? std::optional(timetable_of(*packing, kPieces)) : std::nullopt;
}

const std::optional<Timetable>& plan_of(const Topology& topology, Root root) {
  thread_local Plans<Timetable> plans(plan_anew);
  return plans.of(topology, root);
}

Root root_of(const Problem& problem) { return is_rooted(problem.collective) ? Root(problem.root) : Root(); }

// A rank's lanes, one to and one from each peer, made when they are needed.
class Lanes {
 public:
  explicit Lanes(Builder& builder) : builder_(builder) {}
  LaneId to(uint32_t peer) { return find(sending_, peer); }
  LaneId from(uint32_t peer) { return find(receiving_, peer); }

 private:
  LaneId find(std::map<uint32_t, LaneId>& lanes, uint32_t peer) {
    const auto [lane, is_new] = lanes.try_emplace(peer, 0);
    if (is_new) {
      lane->second = builder_.add_lane();
    }
    return lane->second;
  }
  Builder& builder_;
  std::map<uint32_t, LaneId> sending_;
  std::map<uint32_t, LaneId> receiving_;
};

// What a rank does with chunks as they come up and go down.
class Weaver {
 public:
  Weaver(const Problem& problem, const Timetable& table, uint32_t rank)
      : problem_(problem),
        table_(table),
        rank_(rank),
        builder_({.rank = rank, .chunk_count = chunk_count(), .parts = is_cut_vector(problem.collective) ? 1 : table.parts}),
        lanes_(builder_),
        last_(chunk_count()),
        slots_(chunk_count()) {}

  Schedule run() {
    switch (problem_.collective) {
      case Collective::all_reduce:
        collect();
        spread();  // on the same lanes: what goes down would only delay what others wait for
        break;
      case Collective::reduce:
      case Collective::reduce_scatter:
        collect();
        break;
      default:
        copy_own();
        spread();
    }
    return std::move(builder_).build();
  }

 private:
  // A place where partial results pass, and until when.
  struct Slot {
    uint64_t free_at = 0;
    std::optional<StepId> sent;
  };

  uint32_t chunk_count() const { return table_.parts * (is_rooted(problem_.collective) ? 1 : problem_.rank_count); }
  uint32_t part(uint32_t chunk) const { return chunk % table_.parts; }

  // Where a contribution, a result, or what a root tells lies.
  Span own(const Passage& passage) const { return input(problem_.collective == Collective::all_gather ? part(passage.chunk) : passage.chunk); }
  Span result(const Passage& passage) const { return output(problem_.collective == Collective::reduce_scatter ? part(passage.chunk) : passage.chunk); }

  void collect() {
    std::vector<uint32_t> to_come(chunk_count(), 0);
    for (const Passage& passage : table_.up) {
      to_come[passage.chunk] += passage.target == rank_ ? 1 : 0;
    }
    for (const Passage& passage : table_.up) {
      if (passage.target == rank_) {
        --to_come[passage.chunk];
        receive_reduce(passage, to_come[passage.chunk] == 0);
      } else if (passage.source == rank_) {
        send_up(passage);
      }
    }
  }

  void receive_reduce(const Passage& passage, bool is_last) {
    std::optional<StepId>& before = last_[passage.chunk];
    StepOptions options{.operands = operands_of(rank_, passage.source), .final = is_last && passage.root == rank_ ? Final::yes : Final::no};
    const bool is_first = !before;
    const Span target = is_first ? take_place(passage, options) : place_of(passage);
    if (before) {
      options.waits.push_back({*before, WaitMode::streaming});
    }
    before = builder_.receive_reduce(lanes_.from(passage.source), passage.source, {passage.chunk},
                                     {.source = is_first ? own(passage) : target, .target = target}, std::move(options));
  }

  bool has_result(const Passage& passage) const { return passage.root == rank_ || problem_.collective == Collective::all_reduce; }

  Span place_of(const Passage& passage) const { return has_result(passage) ? result(passage) : scratch(slots_[passage.chunk]); }

  // Of a partial result: a slot from which what was there will have been sent, if there is one.
  Span take_place(const Passage& passage, StepOptions& options) {
    if (has_result(passage)) {
      return result(passage);
    }
    auto slot = std::ranges::find_if(places_, [&](const Slot& each) { return each.sent && each.free_at <= passage.begin; });
    if (slot == places_.end()) {
      builder_.add_scratch(1);
      slot = places_.insert(places_.end(), Slot{});
    } else {
      options.waits.push_back({*slot->sent, WaitMode::complete});
      slot->sent.reset();
    }
    slots_[passage.chunk] = static_cast<uint32_t>(slot - places_.begin());
    return scratch(slots_[passage.chunk]);
  }

  void send_up(const Passage& passage) {
    const std::optional<StepId>& reduced = last_[passage.chunk];
    StepOptions options;
    if (reduced) {
      options.waits.push_back({*reduced, WaitMode::streaming});
    }
    const StepId sent = builder_.send(lanes_.to(passage.target), passage.target, {passage.chunk}, reduced ? place_of(passage) : own(passage), std::move(options));
    if (reduced && !has_result(passage)) {
      places_[slots_[passage.chunk]] = {passage.end, sent};
    }
  }

  void copy_own() {
    const bool is_root = !is_rooted(problem_.collective) || problem_.root == rank_;
    if (problem_.in_place == InPlace::yes || !is_root) {
      return;
    }
    const bool is_vector = problem_.collective == Collective::broadcast;
    const LaneId lane = builder_.add_lane();
    for (uint32_t part = 0; part < table_.parts; ++part) {
      const uint32_t chunk = is_vector ? part : rank_ * table_.parts + part;
      builder_.copy(lane, {chunk}, {.source = input(part), .target = output(chunk)});
    }
  }

  void spread() {
    for (const Passage& passage : table_.down) {
      if (passage.target == rank_) {
        last_[passage.chunk] = builder_.receive(lanes_.from(passage.source), passage.source, {passage.chunk}, output(passage.chunk));
      } else if (passage.source == rank_) {
        const std::optional<StepId>& came = last_[passage.chunk];
        StepOptions options;
        if (came) {
          options.waits.push_back({*came, WaitMode::streaming});
        }
        builder_.send(lanes_.to(passage.target), passage.target, {passage.chunk}, came ? output(passage.chunk) : own(passage), std::move(options));
      }
    }
  }

  const Problem& problem_;
  const Timetable& table_;
  uint32_t rank_;
  Builder builder_;
  Lanes lanes_;
  std::vector<std::optional<StepId>> last_;  // by chunk: the step that brings what is to go on
  std::vector<uint32_t> slots_;              // by chunk: its place, into places_
  std::vector<Slot> places_;
};

// Where all links are alike, and others use them as well as can be.
bool is_one_network(const Topology& topology) { return is_crossbar(topology) || topology::Grid::of(topology).has_value(); }

bool applies(const Problem& problem, const Topology& topology) {
  return passes_all_ranks(problem) && topology.fabric() != nullptr && !topology.fabric()->levels().empty() && topology.rank_count() >= kFewestRanks &&
         topology.rank_count() <= kMostRanks && !is_one_network(topology) && plan_of(topology, root_of(problem)).has_value();
}

Schedule build(const Problem& problem, const Topology& topology, uint32_t rank) {
  return Weaver(problem, *plan_of(topology, root_of(problem)), rank).run();
}

constexpr std::array kAlgorithms = {
    planner::Algorithm{.name = "forest",
                       .idea = "trees from every chip, packed so that no link is in more of them than it has room for",
                       .cost = "the least there is: max over cuts, of s chips with B bytes/s out, of 2s/p n/B; allgather and reducescatter half of that",
                       .source = "Zhao and others, ForestColl, arXiv 2402.06787",
                       .applies = applies,
                       .build = build},
    planner::Algorithm{.name = "packed_trees",
                       .idea = "shares of the vector go up trees over all links and, as they are reduced, down again; or only up, or down",
                       .cost = "k trees that span p chips, c of them on a link: c/k nb and O(depth) a; on l links c/k is (p-1)/l where it is least, from one root 1/its links",
                       .source = "Edmonds, Matroid partition, 1968, and Edge-disjoint branchings, 1973; Nash-Williams, J. London Math. Soc. 1961",
                       .applies = packed_trees_apply,
                       .build = packed_trees},
};

}  // namespace

std::span<const planner::Algorithm> algorithms() { return kAlgorithms; }

}  // namespace tutti::algorithms::forest
