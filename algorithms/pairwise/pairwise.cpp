// SPDX-License-Identifier: Apache-2.0
// p-1 rounds, each a permutation of the ranks: (p-1)a + (p-1)/p nb, n bytes being what a rank sends in all.
#include "algorithms/pairwise/pairwise.hpp"

#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "algorithms/alone.hpp"
#include "algorithms/hosts.hpp"
#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::pairwise {
namespace {

using namespace schedule;

// Rounds come in couples of distances k and p-k: first every rank sends k ahead and receives from k behind, then back
// the other way. So in place only one block of the couple has to be put aside, the one for the rank k behind, before
// the first round overwrites it; the second round overwrites what the first has sent. The messages are the same in
// place or not.
class Exchange {
 public:
  Exchange(const Problem& problem, uint32_t rank)
      : circle_{problem.rank_count},
        rank_(rank),
        in_place_(problem.in_place),
        builder_({.rank = rank, .chunk_count = problem.rank_count * problem.rank_count, .parts = 1}),
        sends_(builder_.add_lane()),
        receives_(builder_.add_lane()) {}

  Schedule build() && {
    for (uint32_t distance = 1; 2 * distance <= circle_.size; ++distance) {
      const uint32_t ahead = circle_.ahead(rank_, distance);
      const uint32_t behind = circle_.behind(rank_, distance);
      if (ahead == behind) {
        swap(ahead);
      } else {
        swap(ahead, behind);
      }
    }
    if (in_place_ == InPlace::no) {
      builder_.copy(builder_.add_lane(), block(rank_, rank_), {.source = input(rank_), .target = output(rank_)});
    }
    return std::move(builder_).build();
  }

 private:
  using Waits = std::vector<WaitFor>;
  static constexpr uint32_t kAsideSlots = 2;  // the next couple's block is put aside while this couple's is being sent

  Chunks block(uint32_t source, uint32_t target) const { return {source * circle_.size + target}; }

  void swap(uint32_t ahead, uint32_t behind) {
    const std::optional<StepId> aside = put_aside(behind);
    const StepId sent_ahead = builder_.send(sends_, ahead, block(rank_, ahead), input(ahead));
    builder_.receive(receives_, behind, block(behind, rank_), output(behind));
    send_aside(behind, aside);
    builder_.receive(receives_, ahead, block(ahead, rank_), output(ahead),
                     {.waits = aside ? Waits{{sent_ahead, WaitMode::complete}} : Waits{}});
  }

  void swap(uint32_t opposite) {
    send_aside(opposite, put_aside(opposite));
    builder_.receive(receives_, opposite, block(opposite, rank_), output(opposite));
  }

  std::optional<StepId> put_aside(uint32_t target) {
    if (in_place_ == InPlace::no) {
      return std::nullopt;
    }
    if (aside_count_ < kAsideSlots) {
      builder_.add_scratch(1);
    }
    return builder_.copy(receives_, block(rank_, target), {.source = input(target), .target = aside_slot()});
  }

  void send_aside(uint32_t target, const std::optional<StepId>& aside) {
    if (!aside) {
      builder_.send(sends_, target, block(rank_, target), input(target));
      return;
    }
    builder_.send(sends_, target, block(rank_, target), aside_slot(), {.waits = {{*aside, WaitMode::streaming}}});
    ++aside_count_;
  }

  // A block is put aside after a receive that waited for a send of the couple before; the slot's last block was sent
  // before that.
  Span aside_slot() const { return scratch(aside_count_ % kAsideSlots); }

  Circle circle_;
  uint32_t rank_;
  InPlace in_place_;
  Builder builder_;
  LaneId sends_;
  LaneId receives_;
  uint32_t aside_count_ = 0;
};

bool exchange_solves(const Problem& problem) { return problem.collective == Collective::all_to_all; }

Schedule exchange(const Problem& problem, uint32_t rank) { return Exchange(problem, rank).build(); }

constexpr std::array kAlgorithms = {
    planner::Algorithm{.name = "pairwise",
                       .idea = "each round sends to one rank and receives from one",
                       .cost = "(p-1) a + (p-1)/p nb",
                       .source = "Thakur, Rabenseifner and Gropp, IJHPCA 2005",
                       .applies = applies_anywhere<exchange_solves>,
                       .build = build_for_any<exchange>,
                       .pattern = schedule::Pattern::pairwise},
};

}  // namespace

std::span<const planner::Algorithm> algorithms() { return kAlgorithms; }

}  // namespace tutti::algorithms::pairwise
