// SPDX-License-Identifier: Apache-2.0
// With p ranks, q = ceil(log2 p) and m = 2q^2 chunks of n bytes in all: m-1+q rounds, (m-1+q) (a + nb/m), the fewest in which each
// rank sends and receives one chunk a round (Träff, "Optimal broadcast schedules in logarithmic time with applications to
// broadcast, all-broadcast, reduction and all-reduction", arXiv 2407.18004, 2024). Reduce is the same backwards.
#include "algorithms/tree/circulant_pipeline.hpp"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::tree {
namespace {

using namespace schedule;

// In round i everybody sends to the one skip(i mod q) ahead. Positions are steps ahead of the root.
class Skips {
 public:
  explicit Skips(uint32_t rank_count) {
    for (skips_ = {rank_count}; skips_.back() > 1;) {
      skips_.push_back((skips_.back() + 1) / 2);
    }
    std::reverse(skips_.begin(), skips_.end());
  }

  // Of q + 1: 1, ..., p.
  uint32_t operator[](uint32_t index) const { return skips_[index]; }
  uint32_t count() const { return static_cast<uint32_t>(skips_.size()) - 1; }
  // Of the vector: enough that the q - 1 rounds in which a rank has nothing to do are few beside them.
  uint32_t chunk_count() const { return 2 * count() * count(); }

 private:
  std::vector<uint32_t> skips_;
};

// Which chunks a position gets in q rounds, relative to the first that is new to all in them: one that is new, the `base`, and of those of the q
// rounds before all others, as -1 .. -q. They are found by looking, in the order in which they are sent, for ways along different skips to the
// positions whence this one hears.
class Hearing {
 public:
  Hearing(const Skips& skips, uint32_t position)
      : skips_(skips), position_(skips[skips.count()] + position), after_(skips.count() + 2), before_(skips.count() + 2) {
    const auto count = static_cast<int32_t>(skips.count());
    for (int32_t skip = -1; skip <= count; ++skip) {
      after(skip) = skip == -1 ? count : skip - 1;
      before(skip) = skip == count ? -1 : skip + 1;
    }
    const int32_t base = base_of(position);
    leave_out(base);
    search(0, 2 * skips[skips.count()], count);
    for (int32_t& chunk : heard_) {
      chunk = chunk == count ? base : chunk - count;
    }
  }

  const std::vector<int32_t>& chunks() const { return heard_; }

 private:
  // The last skip on the way from the root by the largest skips.
  int32_t base_of(uint32_t position) const {
    for (uint32_t skip = skips_.count(); skip-- > 0;) {
      if (skips_[skip] == position) {
        return static_cast<int32_t>(skip);
      }
      position -= skips_[skip] < position ? skips_[skip] : 0;
    }
    return static_cast<int32_t>(skips_.count());
  }

  // Skips still to be looked at, as a list that begins and ends at -1.
  int32_t& after(int32_t skip) { return after_[static_cast<size_t>(skip + 1)]; }
  int32_t& before(int32_t skip) { return before_[static_cast<size_t>(skip + 1)]; }
  void leave_out(int32_t skip) {
    after(before(skip)) = after(skip);
    before(after(skip)) = before(skip);
  }

  // From `there` on along the skips from `skip` downwards, to what is below `limit`. The depth is that of the skips.
  void search(uint32_t there, uint32_t limit, int32_t skip) {
    const auto source = [&](size_t round) { return position_ - skips_[static_cast<uint32_t>(round)]; };
    for (; skip != -1; skip = after(skip)) {
      const uint32_t next = there + skips_[static_cast<uint32_t>(skip)];
      if (heard_.size() == skips_.count() || next > source(heard_.size()) || next >= limit) {
        continue;
      }
      if (next <= source(heard_.size() + 1)) {
        search(next, limit, skip);
      }
      if (heard_.size() == skips_.count() || there > source(heard_.size() + 1)) {
        return;
      }
      limit = next;
      heard_.push_back(skip);
      leave_out(skip);
    }
  }

  const Skips& skips_;
  uint32_t position_;  // once around more, so that nothing is negative
  std::vector<int32_t> after_;
  std::vector<int32_t> before_;
  std::vector<int32_t> heard_;  // by round
};

struct Arrival {
  uint32_t round = 0;
  uint32_t chunk = 0;
};

// What a position other than the root's gets in all rounds: every chunk once.
std::vector<Arrival> arrivals_at(const Skips& skips, uint32_t position) {
  const uint32_t period = skips.count();
  const uint32_t last = skips.chunk_count() - 1;
  const uint32_t round_count = last + period;
  const uint32_t idle = (period - round_count % period) % period;  // rounds before the first, so that the last is the end of a period
  const std::vector<int32_t> heard = Hearing(skips, position).chunks();
  std::vector<Arrival> arrivals;
  bool has_last = false;
  for (uint32_t round = idle; round < idle + round_count; ++round) {
    const int64_t chunk = int64_t{heard[round % period]} + round / period * period - idle;
    if (chunk < 0 || (chunk >= last && std::exchange(has_last, true))) {
      continue;
    }
    arrivals.push_back({round, static_cast<uint32_t>(std::min<int64_t>(chunk, last))});
  }
  return arrivals;
}

struct Passing {
  uint32_t round = 0;
  uint32_t chunk = 0;
  uint32_t peer = 0;
};

// What a rank gets and what it passes on, in the order of rounds.
struct Passings {
  Passings(const Problem& problem, uint32_t rank) {
    const Circle circle{problem.rank_count};
    const Skips skips(problem.rank_count);
    chunk_count = skips.chunk_count();
    const auto round_of = [&](const Arrival& arrival) { return arrival.round % skips.count(); };
    const uint32_t position = circle.distance(problem.root, rank);
    if (position != 0) {
      for (const Arrival& arrival : arrivals_at(skips, position)) {
        got.push_back({arrival.round, arrival.chunk, circle.behind(rank, skips[round_of(arrival)])});
      }
    }
    for (uint32_t skip = 0; skip < skips.count(); ++skip) {
      const uint32_t target = circle.ahead(position, skips[skip]);
      if (target == 0) {
        continue;
      }
      for (const Arrival& arrival : arrivals_at(skips, target)) {
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
