// SPDX-License-Identifier: Apache-2.0
// With p ranks and n bytes: reducescatter ceil(log2 p) a + (p-1)/p nb, allreduce twice that. On powers of two by halving
// and doubling (Rabenseifner, "Optimization of collective reduction operations", ICCS 2004), the longest messages between
// the nearest; on any number on a circulant graph (Träff, "Optimal, non-pipelined reduce-scatter and allreduce
// algorithms", arXiv 2410.14234, 2024).
#include "algorithms/recursive/halving.hpp"

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>
#include <vector>

#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::recursive {
namespace {

using namespace schedule;

// Partial results of the chunks `sent` leave to one peer; those of `kept` are added to what another sends. Ranges may wrap around.
struct Round {
  uint32_t to = 0;
  Chunks sent;
  uint32_t from = 0;
  Chunks kept;
};
// The last one keeps the rank's own chunk alone.
using Rounds = std::vector<Round>;

// Chunks are given to ranks by their number backwards, bit by bit, so that what is kept stays together though the nearest
// partners come first.
Rounds near_first(uint32_t rank_count, uint32_t rank) {
  Rounds rounds;
  uint32_t first = 0;
  uint32_t count = rank_count;
  for (uint32_t distance = 1; distance < rank_count; distance *= 2) {
    count /= 2;
    const uint32_t low = first;
    const uint32_t high = first + count;
    const bool keeps_low = (rank & distance) == 0;
    const uint32_t partner = rank ^ distance;
    rounds.push_back({.to = partner, .sent = {keeps_low ? high : low, count}, .from = partner, .kept = {keeps_low ? low : high, count}});
    first = rounds.back().kept.first;
  }
  return rounds;
}

// Chunks of a reducescatter are those of the ranks, so that the farthest partners come first.
Rounds far_first(uint32_t rank_count, uint32_t rank) {
  Rounds rounds;
  for (uint32_t distance = rank_count / 2; distance > 0; distance /= 2) {
    const uint32_t partner = rank ^ distance;
    rounds.push_back({.to = partner, .sent = {partner & ~(distance - 1), distance}, .from = partner, .kept = {rank & ~(distance - 1), distance}});
  }
  return rounds;
}

// A rank that still has the chunks of the s ranks from itself on sends the farther half of them to the rank where they begin.
Rounds circulant_rounds(uint32_t rank_count, uint32_t rank) {
  const Circle circle{rank_count};
  Rounds rounds;
  for (uint32_t span = rank_count; span > 1; span = (span + 1) / 2) {
    const uint32_t distance = (span + 1) / 2;
    const uint32_t count = span - distance;
    const uint32_t to = circle.ahead(rank, distance);
    rounds.push_back({.to = to, .sent = {to, count}, .from = circle.behind(rank, distance), .kept = {rank, count}});
  }
  return rounds;
}

class Halving {
 public:
  Halving(const Problem& problem, uint32_t rank, const Rounds& rounds)
      : problem_(problem),
        rank_(rank),
        circle_{problem.rank_count},
        rounds_(rounds),
        builder_({.rank = rank, .chunk_count = problem.rank_count, .parts = 1}),
        sends_(builder_.add_lane()),
        receives_(builder_.add_lane()) {}

  // Partial results lie in their own slots of the output, whose former content, in place, has gone into them.
  Schedule all_reduce() && {
    const auto in_output = [](uint32_t chunk) { return output(chunk); };
    fetch_left_over([&](uint32_t chunk) { return problem_.in_place == InPlace::no ? std::optional(output(chunk)) : std::nullopt; });
    reduce_rounds(in_output, in_output);
    for (auto round = rounds_.rbegin(); round != rounds_.rend(); ++round) {
      send(round->from, round->kept, in_output, Split::at_end);
      for (const Chunks& piece : pieces(round->sent, Split::at_end)) {
        made_ = {builder_.receive(receives_, round->to, piece, output(piece.first))};
        made_chunks_ = piece;
      }
    }
    return std::move(builder_).build();
  }

  // Partial results lie in scratch, in the order of their ranks, this one's first or where halving leaves it.
  Schedule reduce_scatter() && {
    const uint32_t first = rounds_.front().kept.first;
    if (rounds_.size() > 1) {
      scratch_ = builder_.add_scratch(circle_.size - rounds_.front().sent.count);
    }
    const auto in_scratch = [&](uint32_t chunk) { return scratch(scratch_ + circle_.distance(first, chunk)); };
    fetch_left_over([&](uint32_t chunk) { return std::optional(in_scratch(chunk)); });
    reduce_rounds(in_scratch, [](uint32_t) { return output(0); });
    return std::move(builder_).build();
  }

 private:
  // `at_end`: between the last chunk and the first, which are no neighbours in memory.
  enum class Split : uint8_t { no, at_end };

  std::vector<Chunks> pieces(const Chunks& chunks, Split split) const {
    std::vector<Chunks> pieces;
    if (problem_.blocks == Blocks::variable) {
      for (uint32_t index = 0; index < chunks.count; ++index) {
        pieces.push_back({circle_.ahead(chunks.first, index), 1});
      }
      return pieces;
    }
    const uint32_t before_end = split == Split::at_end ? std::min(chunks.count, circle_.size - chunks.first) : chunks.count;
    pieces.push_back({chunks.first, before_end});
    if (before_end < chunks.count) {
      pieces.push_back({0, chunks.count - before_end});
    }
    return pieces;
  }

  // Of an odd number of chunks the first round leaves one as it was: it is put where the others are.
  template <typename PlaceOf>
  void fetch_left_over(const PlaceOf& place_of) {
    const Round& first = rounds_.front();
    if (first.sent.count + first.kept.count == circle_.size) {
      return;
    }
    const uint32_t chunk = circle_.ahead(first.kept.first, first.kept.count);
    if (const std::optional<Span> place = place_of(chunk)) {
      left_over_ = builder_.copy(builder_.add_lane(), {chunk}, {.source = input(chunk), .target = *place});
    }
  }

  template <typename PlaceOf, typename ResultOf>
  void reduce_rounds(const PlaceOf& place_of, const ResultOf& result_of) {
    for (const Round& round : rounds_) {
      const bool is_first = &round == &rounds_.front();
      const bool is_last = &round == &rounds_.back();
      const Split split = is_first || is_cut_vector(problem_.collective) ? Split::at_end : Split::no;
      const auto now_at = [&](uint32_t chunk) { return is_first ? input(chunk) : place_of(chunk); };
      send(round.to, round.sent, now_at, split);
      for (const Chunks& piece : pieces(round.kept, split)) {
        made_ = {builder_.receive_reduce(receives_, round.from, piece,
                                         {.source = now_at(piece.first), .target = is_last ? result_of(piece.first) : place_of(piece.first)},
                                         {.operands = operands_of(rank_, round.from), .final = is_last ? Final::yes : Final::no})};
        made_chunks_ = piece;
      }
    }
  }

  template <typename PlaceOf>
  void send(uint32_t peer, const Chunks& chunks, const PlaceOf& place_of, Split split) {
    for (const Chunks& piece : pieces(chunks, split)) {
      std::vector<WaitFor> waits;
      if (made_) {
        const bool is_same = made_chunks_.first == piece.first && made_chunks_.count == piece.count;
        waits.push_back({*made_, is_same ? WaitMode::streaming : WaitMode::complete});
      }
      if (made_ && left_over_) {
        waits.push_back({*std::exchange(left_over_, std::nullopt)});
      }
      builder_.send(sends_, peer, piece, place_of(piece.first), {.waits = std::move(waits)});
    }
  }

  const Problem& problem_;
  const uint32_t rank_;
  const Circle circle_;
  const Rounds& rounds_;
  Builder builder_;
  LaneId sends_;  // the first lane, so that nothing is looked for before the peer has been told
  LaneId receives_;
  uint32_t scratch_ = 0;
  std::optional<StepId> made_;  // the last step that received, and what
  Chunks made_chunks_;
  std::optional<StepId> left_over_;
};

Schedule solve(const Problem& problem, uint32_t rank, const Rounds& rounds) {
  Halving solution(problem, rank, rounds);
  return problem.collective == Collective::all_reduce ? std::move(solution).all_reduce() : std::move(solution).reduce_scatter();
}

}  // namespace

bool halving_solves(const Problem& problem) {
  return problem.blocks == Blocks::equal && std::has_single_bit(problem.rank_count) &&
         (problem.collective == Collective::all_reduce || problem.collective == Collective::reduce_scatter);
}

Schedule halving(const Problem& problem, uint32_t rank) {
  const bool is_whole = problem.collective == Collective::all_reduce;
  return solve(problem, rank, is_whole ? near_first(problem.rank_count, rank) : far_first(problem.rank_count, rank));
}

bool circulant_solves(const Problem& problem) {
  return problem.collective == Collective::reduce_scatter ||
         (problem.collective == Collective::all_reduce && problem.blocks == Blocks::equal);
}

Schedule circulant(const Problem& problem, uint32_t rank) { return solve(problem, rank, circulant_rounds(problem.rank_count, rank)); }

}  // namespace tutti::algorithms::recursive
