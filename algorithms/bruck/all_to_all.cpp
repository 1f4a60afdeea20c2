// SPDX-License-Identifier: Apache-2.0
#include "algorithms/bruck/all_to_all.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::bruck {
namespace {

using namespace schedule;

// A block that must go j ranks down the circle is called block j, wherever it is. Digits are those of j to the base
// `radix`, from the lowest on; for each value v but 0 that digit k may have, a round moves all blocks with it v radix^k down
// together, each into the place that the block j of the rank there has just left. Arrivals of a round lie in the order of
// j. A block whose highest digit that was has arrived, and came from the rank j ahead, so such arrivals are consecutive in
// the output too.
//
// Blocks being alike, a message's chunks only say how many there are: those of the sender's first blocks.
class Exchange {
 public:
  Exchange(const Problem& problem, uint32_t rank, uint32_t radix)
      : radix_(radix),
        in_place_(problem.in_place == InPlace::yes),
        rank_(rank),
        circle_{problem.rank_count},
        builder_({.rank = rank, .chunk_count = problem.rank_count * problem.rank_count, .parts = 1}) {
    for (uint32_t value = 1; value < std::min(radix, problem.rank_count); ++value) {
      values_.push_back({.sends = builder_.add_lane()});
    }
    for (OfValue& value : values_) {
      value.receives = builder_.add_lane();
    }
    moves_ = builder_.add_lane();
  }

  Schedule build() && {
    for (uint64_t weight = 1; weight < circle_.size; weight *= radix_) {
      const auto first_round = static_cast<uint32_t>(rounds_.size());
      for (uint64_t distance = weight; distance < std::min<uint64_t>(radix_ * weight, circle_.size); distance += weight) {
        rounds_.push_back({.weight = static_cast<uint32_t>(weight), .distance = static_cast<uint32_t>(distance)});
      }
      // Those of one digit are under way together.
      for (uint32_t round = first_round; round < rounds_.size(); ++round) {
        send(round);
      }
      for (uint32_t round = first_round; round < rounds_.size(); ++round) {
        receive(round);
      }
    }
    if (!in_place_) {
      builder_.copy(moves_, blocks_of(rank_, 1), {.source = input(rank_), .target = output(rank_)});
    }
    for (uint32_t round = 0; round < rounds_.size(); ++round) {
      move_arrived(round);
    }
    return std::move(builder_).build();
  }

 private:
  struct Round {
    uint32_t weight = 1;    // of the digit
    uint32_t distance = 1;  // the digit's value times that
  };
  struct Piece {
    Span source;
    uint32_t count;
  };
  // Rounds by the value of their digit.
  struct OfValue {
    LaneId sends = 0;  // among the first lanes, so that no copy delays a message
    LaneId receives = 0;
    uint32_t packed_slot = 0;
    std::optional<StepId> packed = {};  // the last step that packed
  };
  struct Arrivals {
    uint32_t first_slot = 0;  // in scratch
    bool in_output = false;
    StepId received;
  };

  Chunks blocks_of(uint32_t source, uint32_t count) const { return {source * circle_.size, count}; }

  uint64_t period(const Round& round) const { return uint64_t{round.weight} * radix_; }
  OfValue& of_value(const Round& round) { return values_[round.distance / round.weight - 1]; }
  bool moves_in(const Round& round, uint32_t block) const {
    return block % period(round) / round.weight == round.distance / round.weight;
  }
  // Of the blocks below `block`, how many move in a round: where among its arrivals the block lies.
  uint32_t index_of(uint32_t block, const Round& round) const {
    const auto rest = static_cast<uint32_t>(block % period(round));
    const uint32_t of_last = rest > round.distance ? std::min(rest - round.distance, round.weight) : 0;
    return static_cast<uint32_t>(block / period(round)) * round.weight + of_last;
  }
  uint32_t count_of(const Round& round) const { return index_of(circle_.size, round); }
  // Arrivals that go no further: the blocks from `distance` on whose higher digits are 0.
  uint32_t arrived_count(const Round& round) const { return std::min(round.weight, circle_.size - round.distance); }
  bool has_last_digit(const Round& round) const { return period(round) >= circle_.size; }

  Span place_before(const Round& round, uint32_t block) const {
    for (uint32_t before = static_cast<uint32_t>(arrivals_.size()); before-- > 0;) {
      if (rounds_[before].weight < round.weight && moves_in(rounds_[before], block)) {
        return scratch(arrivals_[before].first_slot + index_of(block, rounds_[before]));
      }
    }
    return input(circle_.behind(rank_, block));
  }

  std::vector<Piece> pieces_of(const Round& round) const {
    std::vector<Piece> pieces;
    for (uint32_t block = round.distance; block < circle_.size; ++block) {
      if (!moves_in(round, block)) {
        continue;
      }
      const Span place = place_before(round, block);
      if (!pieces.empty() && place == Span{pieces.back().source.buffer, pieces.back().source.slot + pieces.back().count}) {
        ++pieces.back().count;
      } else {
        pieces.push_back({.source = place, .count = 1});
      }
    }
    return pieces;
  }

  // One scratch area serves all rounds of a value, as the lane packs again only after the send before.
  void send(uint32_t number) {
    const Round& round = rounds_[number];
    OfValue& value = of_value(round);
    const uint32_t peer = circle_.behind(rank_, round.distance);
    const Chunks message = blocks_of(rank_, count_of(round));
    const std::vector<Piece> pieces = pieces_of(round);
    if (pieces.size() == 1 && !in_place_) {  // never an arrival: the first block of a message has not moved
      builder_.send(value.sends, peer, message, pieces.front().source);
      return;
    }
    if (!value.packed) {
      value.packed_slot = builder_.add_scratch(largest_message(round.distance / round.weight));
    }
    uint32_t slot = value.packed_slot;
    std::vector<WaitFor> arrived = last_arrivals();  // taken by the first copy that needs them
    for (const Piece& piece : pieces) {
      const bool is_arrival = piece.source.buffer == Buffer::scratch;
      value.packed = builder_.copy(value.sends, blocks_of(rank_, piece.count), {.source = piece.source, .target = scratch(slot)},
                                   {.waits = is_arrival ? std::exchange(arrived, {}) : std::vector<WaitFor>{}});
      slot += piece.count;
    }
    builder_.send(value.sends, peer, message, scratch(value.packed_slot));
  }

  // Of the digit before, and so, lane by lane, of all before it.
  std::vector<WaitFor> last_arrivals() const {
    std::vector<WaitFor> waits;
    for (size_t back = std::min(values_.size(), arrivals_.size()); back > 0; --back) {
      waits.push_back({arrivals_[arrivals_.size() - back].received});
    }
    return waits;
  }

  uint32_t largest_message(uint32_t value) const {
    uint32_t largest = 0;
    for (uint64_t weight = 1; weight * value < circle_.size; weight *= radix_) {
      largest = std::max(largest, count_of({.weight = static_cast<uint32_t>(weight), .distance = static_cast<uint32_t>(weight * value)}));
    }
    return largest;
  }

  void receive(uint32_t number) {
    const Round& round = rounds_[number];
    const uint32_t peer = circle_.ahead(rank_, round.distance);
    const uint32_t count = count_of(round);
    const bool in_output = has_last_digit(round) && peer + count <= circle_.size;
    Arrivals arrivals{.first_slot = in_output ? 0 : builder_.add_scratch(count), .in_output = in_output, .received = {}};
    arrivals.received = builder_.receive(of_value(round).receives, peer, blocks_of(peer, count),
                                         in_output ? output(peer) : scratch(arrivals.first_slot),
                                         {.waits = in_output ? waits_for_input_read() : std::vector<WaitFor>{}});
    arrivals_.push_back(arrivals);
  }

  // In place, the output is free once the last blocks have been packed.
  std::vector<WaitFor> waits_for_input_read() const {
    std::vector<WaitFor> waits;
    for (const OfValue& value : values_) {
      if (in_place_) {
        waits.push_back({*value.packed});
      }
    }
    return waits;
  }

  void move_arrived(uint32_t round) {
    const Arrivals& arrivals = arrivals_[round];
    if (arrivals.in_output) {
      return;
    }
    std::vector<WaitFor> waits = round == 0 ? waits_for_input_read() : std::vector<WaitFor>{};
    waits.push_back({arrivals.received});
    const uint32_t first = circle_.ahead(rank_, rounds_[round].distance);
    const uint32_t count = arrived_count(rounds_[round]);
    const uint32_t before_end = std::min(count, circle_.size - first);
    builder_.copy(moves_, blocks_of(rank_, before_end), {.source = scratch(arrivals.first_slot), .target = output(first)},
                  {.waits = std::move(waits)});
    if (before_end < count) {
      builder_.copy(moves_, blocks_of(rank_, count - before_end),
                    {.source = scratch(arrivals.first_slot + before_end), .target = output(0)});
    }
  }

  const uint32_t radix_;
  const bool in_place_;
  const uint32_t rank_;
  const Circle circle_;
  std::vector<Round> rounds_;
  Builder builder_;
  std::vector<OfValue> values_;
  LaneId moves_ = 0;
  std::vector<Arrivals> arrivals_;  // by round
};

}  // namespace

Schedule all_to_all(const Problem& problem, uint32_t rank, uint32_t radix) { return Exchange(problem, rank, radix).build(); }

}  // namespace tutti::algorithms::bruck
