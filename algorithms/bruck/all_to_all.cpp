// SPDX-License-Identifier: Apache-2.0
#include "algorithms/bruck/all_to_all.hpp"

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>
#include <vector>

#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::bruck {
namespace {

using namespace schedule;

// A block that must go j ranks down the circle is called block j, wherever it is. In round k all blocks j with bit k
// move 2^k down together, each into the place that the block j of the rank there has just left. Arrivals of a round lie
// in the order of j. A block whose highest bit was k has arrived, and came from the rank j ahead, so such arrivals are
// consecutive in the output too.
//
// Blocks being alike, a message's chunks only say how many there are: those of the sender's first blocks.
class Exchange {
 public:
  Exchange(const Problem& problem, uint32_t rank)
      : in_place_(problem.in_place == InPlace::yes),
        rank_(rank),
        circle_{problem.rank_count},
        round_count_(static_cast<uint32_t>(std::bit_width(problem.rank_count - 1))),
        builder_({.rank = rank, .chunk_count = problem.rank_count * problem.rank_count, .parts = 1}),
        sends_(builder_.add_lane()),
        receives_(builder_.add_lane()),
        moves_(builder_.add_lane()) {}

  Schedule build() && {
    for (uint32_t round = 0; round < round_count_; ++round) {
      send(round);
      receive(round);
    }
    if (!in_place_) {
      builder_.copy(moves_, blocks_of(rank_, 1), {.source = input(rank_), .target = output(rank_)});
    }
    for (uint32_t round = 0; round < round_count_; ++round) {
      move_arrived(round);
    }
    return std::move(builder_).build();
  }

 private:
  struct Piece {
    Span source;
    uint32_t count;
  };
  struct Arrivals {
    uint32_t first_slot = 0;  // in scratch
    bool in_output = false;
    StepId received;
  };

  Chunks blocks_of(uint32_t source, uint32_t count) const { return {source * circle_.size, count}; }

  // Of the blocks below `block`, how many have bit `round`: where among a round's arrivals the block lies.
  static uint32_t index_of(uint32_t block, uint32_t round) {
    const uint32_t bit = 1u << round;
    const uint32_t rest = block & (2 * bit - 1);
    return ((block >> (round + 1)) << round) + (rest > bit ? rest - bit : 0);
  }
  uint32_t count_of(uint32_t round) const { return index_of(circle_.size, round); }
  // Arrivals that go no further: the blocks 2^k, 2^k + 1, ... below 2^(k+1).
  uint32_t arrived_count(uint32_t round) const { return std::min(1u << round, circle_.size - (1u << round)); }

  Span place_before(uint32_t round, uint32_t block) const {
    const uint32_t moved = block & ((1u << round) - 1);
    if (moved == 0) {
      return input(circle_.behind(rank_, block));
    }
    const uint32_t last_round = static_cast<uint32_t>(std::bit_width(moved)) - 1;
    return scratch(arrivals_[last_round].first_slot + index_of(block, last_round));
  }

  std::vector<Piece> pieces_of(uint32_t round) const {
    std::vector<Piece> pieces;
    for (uint32_t block = 1u << round; block < circle_.size; block = (block + 1) | (1u << round)) {
      const Span place = place_before(round, block);
      if (!pieces.empty() && place == Span{pieces.back().source.buffer, pieces.back().source.slot + pieces.back().count}) {
        ++pieces.back().count;
      } else {
        pieces.push_back({.source = place, .count = 1});
      }
    }
    return pieces;
  }

  // One scratch area serves all rounds, as the lane packs again only after the send before.
  void send(uint32_t round) {
    const uint32_t peer = circle_.behind(rank_, 1u << round);
    const Chunks message = blocks_of(rank_, count_of(round));
    const std::vector<Piece> pieces = pieces_of(round);
    if (pieces.size() == 1 && !in_place_) {  // never an arrival: the first block of a message has not moved
      builder_.send(sends_, peer, message, pieces.front().source);
      return;
    }
    if (!packed_) {
      packed_slot_ = builder_.add_scratch(largest_message());
    }
    uint32_t slot = packed_slot_;
    std::vector<WaitFor> arrived;  // taken by the first copy that needs it
    if (round > 0) {
      arrived.push_back({arrivals_.back().received});
    }
    for (const Piece& piece : pieces) {
      const bool is_arrival = piece.source.buffer == Buffer::scratch;
      packed_ = builder_.copy(sends_, blocks_of(rank_, piece.count), {.source = piece.source, .target = scratch(slot)},
                              {.waits = is_arrival ? std::exchange(arrived, {}) : std::vector<WaitFor>{}});
      slot += piece.count;
    }
    builder_.send(sends_, peer, message, scratch(packed_slot_));
  }

  uint32_t largest_message() const {
    uint32_t largest = 0;
    for (uint32_t round = 0; round < round_count_; ++round) {
      largest = std::max(largest, count_of(round));
    }
    return largest;
  }

  void receive(uint32_t round) {
    const uint32_t peer = circle_.ahead(rank_, 1u << round);
    const uint32_t count = count_of(round);
    const bool in_output = round + 1 == round_count_ && peer + count <= circle_.size;
    Arrivals arrivals{.first_slot = in_output ? 0 : builder_.add_scratch(count), .in_output = in_output, .received = {}};
    arrivals.received = builder_.receive(receives_, peer, blocks_of(peer, count),
                                         in_output ? output(peer) : scratch(arrivals.first_slot),
                                         {.waits = in_output ? waits_for_input_read() : std::vector<WaitFor>{}});
    arrivals_.push_back(arrivals);
  }

  // In place, the output is free once the last blocks have been packed.
  std::vector<WaitFor> waits_for_input_read() const {
    return in_place_ ? std::vector<WaitFor>{{*packed_}} : std::vector<WaitFor>{};
  }

  void move_arrived(uint32_t round) {
    const Arrivals& arrivals = arrivals_[round];
    if (arrivals.in_output) {
      return;
    }
    std::vector<WaitFor> waits = round == 0 ? waits_for_input_read() : std::vector<WaitFor>{};
    waits.push_back({arrivals.received});
    const uint32_t first = circle_.ahead(rank_, 1u << round);
    const uint32_t count = arrived_count(round);
    const uint32_t before_end = std::min(count, circle_.size - first);
    builder_.copy(moves_, blocks_of(rank_, before_end), {.source = scratch(arrivals.first_slot), .target = output(first)},
                  {.waits = std::move(waits)});
    if (before_end < count) {
      builder_.copy(moves_, blocks_of(rank_, count - before_end),
                    {.source = scratch(arrivals.first_slot + before_end), .target = output(0)});
    }
  }

  const bool in_place_;
  const uint32_t rank_;
  const Circle circle_;
  const uint32_t round_count_;
  Builder builder_;
  LaneId sends_;  // the first lane, so that no copy delays a message
  LaneId receives_;
  LaneId moves_;
  uint32_t packed_slot_ = 0;
  std::optional<StepId> packed_;    // the last step that packed
  std::vector<Arrivals> arrivals_;  // by round
};

}  // namespace

Schedule all_to_all(const Problem& problem, uint32_t rank) { return Exchange(problem, rank).build(); }

}  // namespace tutti::algorithms::bruck
