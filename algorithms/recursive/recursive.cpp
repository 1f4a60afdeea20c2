// SPDX-License-Identifier: Apache-2.0
#include "algorithms/recursive/recursive.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <utility>
#include <vector>

#include "algorithms/alone.hpp"
#include "algorithms/hosts.hpp"
#include "algorithms/ranks.hpp"
#include "algorithms/recursive/halving.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::recursive {
namespace {

using namespace schedule;

// A value that grows by what peers send: it leaves in one lane while its successor, in another place, is made from it
// in the other. So a round's send and receive never touch the same bytes, and a place is written again only after the
// send that read it. Lanes are advanced in turn, so the receiving one comes first: what it made leaves at once.
class RunningValue {
 public:
  struct Options {
    uint32_t rank = 0;
    uint32_t change_count = 1;  // at least 1
    InPlace in_place = InPlace::no;
  };
  RunningValue(Builder& builder, const Options& options)
      : builder_(builder), options_(options), sends_(builder.add_lane()), receives_(builder.add_lane()), place_(input(0)) {
    const bool single_in_place = options.change_count == 1 && options.in_place == InPlace::yes;
    scratch_ = builder.add_scratch(single_in_place ? 1 : std::min(options.change_count - 1, kScratchPlaces));
    if (single_in_place) {  // the only change is written over the input while the input is being sent
      made_ = builder.copy(receives_, {}, {.source = input(0), .target = scratch(scratch_)});
      place_ = scratch(scratch_);
    }
  }

  void send(uint32_t peer) { sent_ = builder_.send(sends_, peer, {}, place_, {.waits = waits_for(made_)}); }

  void receive_reduce(uint32_t peer) {
    const bool last = ++changes_ == options_.change_count;
    const bool next_was_read = last ? options_.in_place == InPlace::yes : changes_ > kScratchPlaces;
    const Span next = last ? output(0) : scratch(scratch_ + (changes_ - 1) % kScratchPlaces);
    made_ = builder_.receive_reduce(receives_, peer, {}, {.source = place_, .target = next},
                                    {.operands = operands_of(options_.rank, peer),
                                     .final = last ? Final::yes : Final::no,
                                     .waits = waits_for(next_was_read ? sent_before_ : std::nullopt)});
    place_ = next;
    sent_before_ = sent_;
  }

 private:
  static constexpr uint32_t kScratchPlaces = 2;

  static std::vector<WaitFor> waits_for(const std::optional<StepId>& step) {
    return step ? std::vector<WaitFor>{{*step, WaitMode::streaming}} : std::vector<WaitFor>{};
  }

  Builder& builder_;
  const Options options_;
  const LaneId sends_;  // the first, so that nothing is looked for before the peer has been told
  const LaneId receives_;
  uint32_t scratch_ = 0;
  uint32_t changes_ = 0;
  Span place_;
  std::optional<StepId> made_;         // wrote place_
  std::optional<StepId> sent_;         // read place_
  std::optional<StepId> sent_before_;  // read the place before
};

// Of p ranks, the power of two m <= p take part in the rounds; with e = p - m extra ones, the even ranks below 2e only
// lend their vector to their right neighbour. Neighbours stay neighbours, so that every partial result covers
// consecutive ranks in order.
struct Fold {
  explicit Fold(uint32_t rank_count) : core_count(std::bit_floor(rank_count)), extra_count(rank_count - core_count) {}

  bool lends(uint32_t rank) const { return rank < 2 * extra_count && rank % 2 == 0; }
  bool borrows(uint32_t rank) const { return rank < 2 * extra_count && rank % 2 == 1; }
  uint32_t seat_of(uint32_t rank) const { return rank < 2 * extra_count ? rank / 2 : rank - extra_count; }
  uint32_t rank_at(uint32_t seat) const { return seat < extra_count ? 2 * seat + 1 : seat + extra_count; }

  uint32_t core_count;
  uint32_t extra_count;
};

Schedule lend(uint32_t rank) {
  Builder builder({.rank = rank, .chunk_count = 1, .parts = 1});
  const LaneId lane = builder.add_lane();
  builder.send(lane, rank + 1, {}, input(0));
  builder.receive(lane, rank + 1, {}, output(0));
  return std::move(builder).build();
}

// log2(p) (a + nb), two messages more when p is no power of two (Thakur, Rabenseifner and Gropp, "Optimization of collective
// communication operations in MPICH", IJHPCA 2005).
Schedule all_reduce(const Problem& problem, uint32_t rank) {
  const Fold fold(problem.rank_count);
  if (fold.lends(rank)) {
    return lend(rank);
  }
  Builder builder({.rank = rank, .chunk_count = 1, .parts = 1});
  const uint32_t round_count = static_cast<uint32_t>(std::countr_zero(fold.core_count));
  RunningValue value(builder, {.rank = rank,
                               .change_count = round_count + (fold.borrows(rank) ? 1 : 0),
                               .in_place = problem.in_place});
  if (fold.borrows(rank)) {
    value.receive_reduce(rank - 1);
  }
  for (uint32_t round = 0; round < round_count; ++round) {
    const uint32_t partner = fold.rank_at(fold.seat_of(rank) ^ (1u << round));
    value.send(partner);
    value.receive_reduce(partner);
  }
  if (fold.borrows(rank)) {
    value.send(rank - 1);
  }
  return std::move(builder).build();
}

// Powers of two only: in each round partners swap all they have, which lies together. log2(p) a + (p-1)/p nb.
Schedule all_gather(const Problem& problem, uint32_t rank) {
  Builder builder({.rank = rank, .chunk_count = problem.rank_count, .parts = 1});
  const LaneId sends = builder.add_lane();
  const LaneId receives = builder.add_lane();
  std::vector<WaitFor> gathered;  // what the next send waits for; its first waits cover all before
  if (problem.in_place == InPlace::no) {
    gathered.push_back({builder.copy(receives, {rank}, {.source = input(0), .target = output(rank)})});
  }
  for (uint32_t count = 1; count < problem.rank_count; count *= 2) {
    const uint32_t own_first = rank & ~(count - 1);
    const uint32_t partner = rank ^ count;
    const uint32_t partner_first = partner & ~(count - 1);
    const bool own_block_only = count == 1;
    builder.send(sends, partner, {own_first, count}, own_block_only ? input(0) : output(own_first),
                 {.waits = own_block_only ? std::vector<WaitFor>{} : gathered});
    gathered = {{builder.receive(receives, partner, {partner_first, count}, output(partner_first))}};
  }
  return std::move(builder).build();
}

// In round k every rank tells the one 2^k ahead that all it knows of have entered, and hears the same from the one 2^k
// behind: ceil(log2 p) a (Hensgen, Finkel and Manber, "Two algorithms for barrier synchronization", 1988). Messages say
// what they say by arriving, so the waits are for whole steps: a streaming one might not wait for a message without
// bytes.
Schedule barrier(const Problem& problem, uint32_t rank) {
  Builder builder({.rank = rank, .chunk_count = 1, .parts = 1});
  const Circle circle{problem.rank_count};
  const LaneId sends = builder.add_lane();
  const LaneId receives = builder.add_lane();
  std::vector<WaitFor> heard;
  for (uint32_t distance = 1; distance < problem.rank_count; distance *= 2) {
    builder.send(sends, circle.ahead(rank, distance), {}, input(0), {.waits = heard});
    heard = {{builder.receive(receives, circle.behind(rank, distance), {}, output(0)), WaitMode::complete}};
  }
  return std::move(builder).build();
}

bool doubling_solves(const Problem& problem) {
  if (problem.blocks == Blocks::variable) {
    return false;
  }
  return problem.collective == Collective::all_reduce ||
         (problem.collective == Collective::all_gather && std::has_single_bit(problem.rank_count));
}

Schedule doubling(const Problem& problem, uint32_t rank) {
  return problem.collective == Collective::all_gather ? all_gather(problem, rank) : all_reduce(problem, rank);
}

bool dissemination_solves(const Problem& problem) { return problem.collective == Collective::barrier && problem.blocks == Blocks::equal; }

constexpr std::array kAlgorithms = {
    planner::Algorithm{.name = "recursive_doubling",
                       .idea = "partners at distances 1, 2, 4, ... exchange all they have",
                       .cost = "allreduce log2(p) (a + nb), two messages more if p is no power of two; allgather log2(p) a + (p-1)/p nb",
                       .source = "Thakur, Rabenseifner and Gropp, IJHPCA 2005",
                       .applies = applies_anywhere<doubling_solves>,
                       .build = build_for_any<doubling>,
                       .pattern = schedule::Pattern::recursive_doubling},
    planner::Algorithm{.name = "dissemination",
                       .idea = "tokens to the ranks 1, 2, 4, ... ahead",
                       .cost = "ceil(log2 p) a",
                       .source = "Hensgen, Finkel and Manber, IJPP 1988",
                       .applies = applies_anywhere<dissemination_solves>,
                       .build = build_for_any<barrier>,
                       .pattern = schedule::Pattern::dissemination},
    planner::Algorithm{.name = "recursive_halving",
                       .idea = "partners at distances 1, 2, 4, ... share out what they reduce, then exchange the results",
                       .cost = "reducescatter log2(p) a + (p-1)/p nb; allreduce twice that",
                       .source = "Rabenseifner, ICCS 2004",
                       .applies = applies_to_networks<halving_solves>,
                       .build = build_for_any<halving>,
                       .pattern = schedule::Pattern::recursive_halving,
                       .halves = {"recursive_halving", "recursive_doubling"}},
    planner::Algorithm{.name = "circulant",
                       .idea = "each rank passes on the farther half of what it has, p/2, p/4, ... ahead, and back",
                       .cost = "reducescatter ceil(log2 p) a + (p-1)/p nb; allreduce twice that",
                       .source = "Träff, arXiv 2410.14234, 2024",
                       .applies = applies_to_networks<circulant_solves>,
                       .build = build_for_any<circulant>,
                       .pattern = schedule::Pattern::circulant,
                       .halves = {"circulant", "bruck"}},
};

}  // namespace

std::span<const planner::Algorithm> algorithms() { return kAlgorithms; }

}  // namespace tutti::algorithms::recursive
