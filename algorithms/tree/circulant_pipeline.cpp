// SPDX-License-Identifier: Apache-2.0
// With p ranks, q = ceil(log2 p) and m = 2q^2 chunks of n bytes in all: m-1+q rounds, (m-1+q) (a + nb/m) (schedule/circulant_rounds.hpp). Reduce is the
// same backwards.
#include "algorithms/tree/circulant_pipeline.hpp"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"
#include "schedule/circulant_rounds.hpp"

namespace tutti::algorithms::tree {
namespace {

using namespace schedule;

struct Passing {
  uint32_t round = 0;
  uint32_t chunk = 0;
  uint32_t peer = 0;
};

// What a rank gets and what it passes on, in the order of rounds.
struct Passings {
  Passings(const Problem& problem, uint32_t rank) {
    const Circle circle{problem.rank_count};
    const CirculantSkips skips(problem.rank_count);
    chunk_count = skips.chunk_count();
    const auto round_of = [&](const CirculantArrival& arrival) { return arrival.round % skips.count(); };
    const uint32_t position = circle.distance(problem.root, rank);
    if (position != 0) {
      for (const CirculantArrival& arrival : circulant_arrivals(skips, chunk_count, position)) {
        got.push_back({arrival.round, arrival.chunk, circle.behind(rank, skips[round_of(arrival)])});
      }
    }
    for (uint32_t skip = 0; skip < skips.count(); ++skip) {
      const uint32_t target = circle.ahead(position, skips[skip]);
      if (target == 0) {
        continue;
      }
      for (const CirculantArrival& arrival : circulant_arrivals(skips, chunk_count, target)) {
        if (round_of(arrival) == skip) {
          given.push_back({arrival.round, arrival.chunk, circle.ahead(rank, skips[skip])});
        }
      }
    }
    std::sort(given.begin(), given.end(), [](const Passing& left, const Passing& right) { return left.round < right.round; });
  }

  uint32_t chunk_count = 0;
  std::vector<Passing> got;
  std::vector<Passing> given;
};

// A lane for each peer: what comes later in one may come earlier than what another still lacks.
class PeerLanes {
 public:
  explicit PeerLanes(Builder& builder) : builder_(builder) {}

  LaneId operator[](uint32_t peer) {
    const auto found = lanes_.find(peer);
    return found != lanes_.end() ? found->second : lanes_.emplace(peer, builder_.add_lane()).first->second;
  }

 private:
  Builder& builder_;
  std::map<uint32_t, LaneId> lanes_;
};

Schedule broadcast_in_rounds(const Problem& problem, uint32_t rank) {
  const Passings passings(problem, rank);
  Builder builder({.rank = rank, .chunk_count = passings.chunk_count, .parts = 1});
  PeerLanes receives(builder);
  PeerLanes sends(builder);
  std::vector<std::vector<WaitFor>> there(passings.chunk_count);
  for (const Passing& one : passings.got) {
    there[one.chunk] = {{builder.receive(receives[one.peer], one.peer, {one.chunk}, output(one.chunk)), WaitMode::streaming}};
  }
  for (const Passing& one : passings.given) {
    builder.send(sends[one.peer], one.peer, {one.chunk}, rank == problem.root ? input(one.chunk) : output(one.chunk), {.waits = there[one.chunk]});
  }
  if (rank == problem.root && problem.in_place == InPlace::no) {
    builder.copy(builder.add_lane(), {0, passings.chunk_count}, {.source = input(0), .target = output(0)});
  }
  return std::move(builder).build();
}

Schedule reduce_in_rounds(const Problem& problem, uint32_t rank) {
  const Passings passings(problem, rank);
  Builder builder({.rank = rank, .chunk_count = passings.chunk_count, .parts = 1});
  PeerLanes receives(builder);
  PeerLanes sends(builder);
  struct Partial {
    Span now_at;
    std::vector<WaitFor> made = {};
    uint32_t lacking = 0;  // of others' contributions
  };
  std::vector<Partial> partials(passings.chunk_count);
  for (uint32_t chunk = 0; chunk < passings.chunk_count; ++chunk) {
    partials[chunk].now_at = input(chunk);
  }
  for (const Passing& one : passings.given) {
    ++partials[one.chunk].lacking;
  }
  const bool is_root = rank == problem.root;
  std::for_each(passings.given.rbegin(), passings.given.rend(), [&](const Passing& one) {
    Partial& partial = partials[one.chunk];
    const Span target = is_root ? output(one.chunk) : partial.made.empty() ? scratch(builder.add_scratch(1)) : partial.now_at;
    const bool completes = is_root && --partial.lacking == 0;
    const StepId made = builder.receive_reduce(
        receives[one.peer], one.peer, {one.chunk}, {.source = partial.now_at, .target = target},
        {.operands = operands_of(rank, one.peer), .final = completes ? Final::yes : Final::no, .waits = partial.made});
    partial.now_at = target;
    partial.made = {{made, WaitMode::streaming}};
  });
  std::for_each(passings.got.rbegin(), passings.got.rend(), [&](const Passing& one) {
    builder.send(sends[one.peer], one.peer, {one.chunk}, partials[one.chunk].now_at, {.waits = partials[one.chunk].made});
  });
  return std::move(builder).build();
}

}  // namespace

bool circulant_pipeline_solves(const Problem& problem) {
  return problem.blocks == Blocks::equal && (problem.collective == Collective::broadcast || problem.collective == Collective::reduce);
}

Schedule circulant_pipeline(const Problem& problem, uint32_t rank) {
  return problem.collective == Collective::reduce ? reduce_in_rounds(problem, rank) : broadcast_in_rounds(problem, rank);
}

}  // namespace tutti::algorithms::tree
