// SPDX-License-Identifier: Apache-2.0
// Each block is reduced up a tree of its own, whose edges are exchanges of Swing (topology::Swing::leaves), and gathered down the same. Either each block is
// a message of its own, which goes on as soon as it is there; or an allreduce numbers blocks so that few ranges of them pass in each step. On axes of odd length
// some exchange with several in a step, one after another.
#include "algorithms/torus/swing_blocks.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "algorithms/ranks.hpp"
#include "algorithms/torus/lanes.hpp"
#include "algorithms/torus/swing_shares.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::torus {
namespace {

using namespace schedule;
using topology::Grid;
using topology::Swing;

// All have a say about the blocks of all; in messages of their own, all steps together are many.
constexpr uint32_t kMostRanksOfRanges = 512;
constexpr uint32_t kMostRanksOfBlocks = 64;

// What there is of a block at this rank.
struct Value {
  Span place;
  std::vector<WaitFor> waits;
};

// An exchange of a rank: with a peer of its in a step. All of one rank have numbers in their order.
constexpr uint32_t kMostPeers = Swing::kMostLength;
uint32_t number_of(uint32_t step, size_t peer_index) { return step * kMostPeers + static_cast<uint32_t>(peer_index); }

// Of one share, with whom blocks leave a rank to be reduced. Blocks have the numbers of ranks, or their order in ranges.
class Trees {
 public:
  Trees(const Swing& swing, std::vector<uint32_t> owners) : swing_(swing), owners_(std::move(owners)) {}

  const Swing& swing() const { return swing_; }
  std::vector<Swing::Exchange> leaves(uint32_t rank) const {
    std::vector<Swing::Exchange> exchanges;
    for (const uint32_t owner : owners_) {
      exchanges.push_back(swing_.leaves(rank, owner));
    }
    return exchanges;
  }
  // By block the first of a rank's exchanges in which it comes, and the last; kNever if it never does.
  static constexpr uint32_t kNever = UINT32_MAX;
  struct Arrivals {
    std::vector<uint32_t> first;
    std::vector<uint32_t> last;
  };
  Arrivals arrives(uint32_t rank) const {
    Arrivals arrivals{std::vector<uint32_t>(owners_.size(), kNever), std::vector<uint32_t>(owners_.size(), kNever)};
    for (uint32_t step = 0; step < swing_.step_count(); ++step) {
      const std::vector<uint32_t> peers = swing_.peers(rank, step);
      for (size_t index = 0; index < peers.size(); ++index) {
        for (uint32_t block = 0; block < owners_.size(); ++block) {
          if (swing_.leaves(peers[index], owners_[block]) == Swing::Exchange{step, rank}) {
            arrivals.last[block] = number_of(step, index);
            arrivals.first[block] = std::min(arrivals.first[block], arrivals.last[block]);
          }
        }
      }
    }
    return arrivals;
  }

 private:
  const Swing& swing_;
  std::vector<uint32_t> owners_;  // by block
};

std::vector<uint32_t> ranks_in_order(uint32_t rank_count) {
  std::vector<uint32_t> ranks(rank_count);
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    ranks[rank] = rank;
  }
  return ranks;
}

std::vector<uint32_t> blocks_of(const std::vector<Swing::Exchange>& leaves, const Swing::Exchange& exchange) {
  std::vector<uint32_t> blocks;
  for (uint32_t block = 0; block < leaves.size(); ++block) {
    if (leaves[block] == exchange) {
      blocks.push_back(block);
    }
  }
  return blocks;
}

// ---- Blocks of ranks ----

class OfBlocks {
 public:
  OfBlocks(const Problem& problem, const Grid& grid, uint32_t rank)
      : problem_(problem),
        rank_(rank),
        shares_(swing_shares_of(grid)),
        parts_(static_cast<uint32_t>(shares_.size())),
        is_vector_(problem.collective == Collective::all_reduce),
        builder_({.rank = rank, .chunk_count = problem.rank_count * parts_, .parts = is_vector_ ? 1 : parts_}),
        lanes_(builder_),
        values_(size_t{problem.rank_count} * parts_) {
    for (const SwingShare& share : shares_) {
      completes_.push_back(Trees(share.swing, {rank}).arrives(rank).last.front());
    }
  }

  Schedule build() && {
    const uint32_t steps = shares_.front().swing.step_count();
    if (problem_.collective == Collective::all_gather) {
      take_own();
    } else {
      for (uint32_t chunk = 0; chunk < values_.size(); ++chunk) {
        values_[chunk] = {input(chunk), {}};
      }
      for (uint32_t step = 0; step < steps; ++step) {
        reduce_in(step);
      }
    }
    for (uint32_t step = problem_.collective == Collective::reduce_scatter ? 0 : steps; step-- > 0;) {
      gather_in(step);
    }
    return std::move(builder_).build();
  }

 private:
  uint32_t chunk_of(uint32_t block, uint32_t share) const { return block * parts_ + share; }

  // take() gets the number of the exchange.
  template <typename Give, typename Take>
  void exchange(uint32_t step, bool gives_what_leaves, Give give, Take take) {
    for (uint32_t share = 0; share < parts_; ++share) {
      const Trees trees(shares_[share].swing, ranks_in_order(problem_.rank_count));
      const std::vector<Swing::Exchange> leaves = trees.leaves(rank_);
      const std::vector<uint32_t> peers = shares_[share].swing.peers(rank_, step);
      for (size_t index = 0; index < peers.size(); ++index) {
        const std::vector<uint32_t> mine = blocks_of(leaves, {step, peers[index]});
        const std::vector<uint32_t> theirs = blocks_of(trees.leaves(peers[index]), {step, rank_});
        for (const uint32_t block : gives_what_leaves ? mine : theirs) {
          give(share, peers[index], block);
        }
        for (const uint32_t block : gives_what_leaves ? theirs : mine) {
          take(share, peers[index], block, number_of(step, index));
        }
      }
    }
  }

  void send(uint32_t share, uint32_t peer, uint32_t block) {
    const Value& value = values_[chunk_of(block, share)];
    builder_.send(lanes_.to(shares_[share].channel, peer), peer, {chunk_of(block, share)}, value.place, {.waits = value.waits});
  }

  // Partial results of a vector stand in the output. Of blocks, those of others stand in scratch, those of the own where it is to be.
  void reduce_in(uint32_t step) {
    const auto take = [&](uint32_t share, uint32_t peer, uint32_t block, uint32_t exchange) {
      Value& value = values_[chunk_of(block, share)];
      Span target = value.place;
      if (is_vector_) {
        target = output(chunk_of(block, share));
      } else if (block == rank_) {
        target = output(share);
      } else if (target.buffer == Buffer::input) {
        target = scratch(builder_.add_scratch(1));
      }
      const StepId reduced = builder_.receive_reduce(
          lanes_.from(shares_[share].channel, peer), peer, {chunk_of(block, share)}, {.source = value.place, .target = target},
          {.operands = operands_of(rank_, peer), .final = block == rank_ && exchange == completes_[share] ? Final::yes : Final::no, .waits = value.waits});
      value = {target, {{reduced, WaitMode::streaming}}};
    };
    exchange(step, true, [&](uint32_t share, uint32_t peer, uint32_t block) { send(share, peer, block); }, take);
  }

  void take_own() {
    const LaneId copying = builder_.add_lane();
    for (uint32_t share = 0; share < parts_; ++share) {
      const uint32_t chunk = chunk_of(rank_, share);
      values_[chunk] = {input(share), {}};
      if (problem_.in_place == InPlace::no) {
        builder_.copy(copying, {chunk}, {.source = input(share), .target = output(chunk)});
      }
    }
  }

  void gather_in(uint32_t step) {
    const auto take = [&](uint32_t share, uint32_t peer, uint32_t block, uint32_t) {
      const uint32_t chunk = chunk_of(block, share);
      const StepId received = builder_.receive(lanes_.from(shares_[share].channel, peer), peer, {chunk}, output(chunk));
      values_[chunk] = {output(chunk), {{received, WaitMode::streaming}}};
    };
    exchange(step, false, [&](uint32_t share, uint32_t peer, uint32_t block) { send(share, peer, block); }, take);
  }

  const Problem& problem_;
  uint32_t rank_;
  std::vector<SwingShare> shares_;
  uint32_t parts_;
  bool is_vector_;
  Builder builder_;
  Lanes lanes_;
  std::vector<Value> values_;         // by chunk
  std::vector<uint32_t> completes_;   // by share: the exchange in which the last of the own block comes
};

// ---- Vectors ----

class OfVector {
 public:
  OfVector(const Problem& problem, const Grid& grid, uint32_t rank)
      : rank_(rank),
        rank_count_(problem.rank_count),
        shares_(swing_shares_of(grid)),
        builder_({.rank = rank, .chunk_count = problem.rank_count * static_cast<uint32_t>(shares_.size()), .parts = 1}),
        lanes_(builder_) {
    for (const SwingShare& share : shares_) {
      const std::vector<uint32_t> numbers = share.swing.numbers();
      std::vector<uint32_t> owners(numbers.size());
      for (uint32_t owner = 0; owner < numbers.size(); ++owner) {
        owners[numbers[owner]] = owner;
      }
      trees_.emplace_back(share.swing, std::move(owners));
      leaves_.push_back(trees_.back().leaves(rank));
      arrives_.push_back(trees_.back().arrives(rank));
      written_.emplace_back(numbers.size(), kNothing);
    }
  }

  Schedule build() && {
    const uint32_t steps = shares_.front().swing.step_count();
    for (uint32_t step = 0; step < steps; ++step) {
      for (uint32_t share = 0; share < shares_.size(); ++share) {
        reduce_in(step, share);
      }
    }
    for (uint32_t step = steps; step-- > 0;) {
      for (uint32_t share = 0; share < shares_.size(); ++share) {
        gather_in(step, share);
      }
    }
    return std::move(builder_).build();
  }

 private:
  static constexpr uint32_t kNothing = UINT32_MAX;

  // Ranges of the blocks that leave in the exchange, cut where `differ` is true of neighbours.
  template <typename Differ>
  static std::vector<Chunks> ranges_of(const std::vector<Swing::Exchange>& leaves, const Swing::Exchange& exchange, Differ differ) {
    std::vector<Chunks> ranges;
    for (const uint32_t block : blocks_of(leaves, exchange)) {
      if (!ranges.empty() && ranges.back().first + ranges.back().count == block && !differ(block - 1, block)) {
        ++ranges.back().count;
      } else {
        ranges.push_back({block, 1});
      }
    }
    return ranges;
  }

  // What has been reduced here before an exchange stands in the output, the rest in the input, so that both partners cut ranges where either changes from one
  // to the other.
  void reduce_in(uint32_t step, uint32_t share) {
    const Swing& swing = shares_[share].swing;
    const std::vector<uint32_t> peers = swing.peers(rank_, step);
    const std::vector<uint32_t>& mine = arrives_[share].first;
    for (size_t index = 0; index < peers.size(); ++index) {
      const uint32_t peer = peers[index];
      const uint32_t own_number = number_of(step, index);
      const std::vector<uint32_t> peers_of_peer = swing.peers(peer, step);
      const uint32_t peers_number = number_of(step, static_cast<size_t>(std::ranges::find(peers_of_peer, rank_) - peers_of_peer.begin()));
      const std::vector<uint32_t> theirs = trees_[share].arrives(peer).first;
      const auto differ = [&](uint32_t one, uint32_t other) {
        return (mine[one] < own_number) != (mine[other] < own_number) || (theirs[one] < peers_number) != (theirs[other] < peers_number);
      };
      const auto place = [&](const Chunks& range) {
        const uint32_t chunk = share * rank_count_ + range.first;
        return mine[range.first] < own_number ? output(chunk) : input(chunk);
      };
      for (const Chunks& range : ranges_of(leaves_[share], {step, peer}, differ)) {
        builder_.send(lanes_.to(shares_[share].channel, peer), peer, chunks_of(share, range), place(range), {.waits = waits_of(share, range)});
      }
      std::vector<std::pair<Chunks, StepId>> reduced;
      for (const Chunks& range : ranges_of(trees_[share].leaves(peer), {step, rank_}, differ)) {
        const Chunks chunks = chunks_of(share, range);
        const bool completes = arrives_[share].last[range.first] == own_number && leaves_[share][range.first].step == swing.step_count();
        reduced.emplace_back(range, builder_.receive_reduce(lanes_.from(shares_[share].channel, peer), peer, chunks,
                                                            {.source = place(range), .target = output(chunks.first)},
                                                            {.operands = operands_of(rank_, peer),
                                                             .final = completes ? Final::yes : Final::no,
                                                             .waits = waits_of(share, range)}));
      }
      note(share, reduced);
    }
  }

  void gather_in(uint32_t step, uint32_t share) {
    for (const uint32_t peer : shares_[share].swing.peers(rank_, step)) {
      const auto never = [](uint32_t, uint32_t) { return false; };
      for (const Chunks& range : ranges_of(trees_[share].leaves(peer), {step, rank_}, never)) {
        const Chunks chunks = chunks_of(share, range);
        builder_.send(lanes_.to(shares_[share].channel, peer), peer, chunks, output(chunks.first), {.waits = waits_of(share, range)});
      }
      std::vector<std::pair<Chunks, StepId>> received;
      for (const Chunks& range : ranges_of(leaves_[share], {step, peer}, never)) {
        const Chunks chunks = chunks_of(share, range);
        received.emplace_back(range, builder_.receive(lanes_.from(shares_[share].channel, peer), peer, chunks, output(chunks.first)));
      }
      note(share, received);
    }
  }

  Chunks chunks_of(uint32_t share, const Chunks& range) const { return {share * rank_count_ + range.first, range.count}; }

  std::vector<WaitFor> waits_of(uint32_t share, const Chunks& range) const {
    std::vector<uint32_t> steps(written_[share].begin() + range.first, written_[share].begin() + range.first + range.count);
    std::sort(steps.begin(), steps.end());
    steps.erase(std::unique(steps.begin(), steps.end()), steps.end());
    std::vector<WaitFor> waits;
    for (const uint32_t step : steps) {
      if (step != kNothing) {
        waits.push_back({done_[step], WaitMode::complete});
      }
    }
    return waits;
  }
  void note(uint32_t share, const std::vector<std::pair<Chunks, StepId>>& steps) {
    for (const auto& [range, step] : steps) {
      std::fill_n(written_[share].begin() + range.first, range.count, static_cast<uint32_t>(done_.size()));
      done_.push_back(step);
    }
  }

  uint32_t rank_;
  uint32_t rank_count_;
  std::vector<SwingShare> shares_;
  Builder builder_;
  Lanes lanes_;
  std::vector<Trees> trees_;                          // by share
  std::vector<std::vector<Swing::Exchange>> leaves_;  // of this rank
  std::vector<Trees::Arrivals> arrives_;              // at this rank
  std::vector<std::vector<uint32_t>> written_;        // by share and block, what has put it where it is: an index into done_
  std::vector<StepId> done_;
};

}  // namespace

bool swing_ranges_solve(const Problem& problem, const Grid& grid) {
  return problem.collective == Collective::all_reduce && problem.blocks == Blocks::equal && grid.wraps() && problem.rank_count <= kMostRanksOfRanges &&
         Swing::fits_any(grid);
}

Schedule swing_ranges(const Problem& problem, const Grid& grid, uint32_t rank) { return OfVector(problem, grid, rank).build(); }

bool swing_blocks_solve(const Problem& problem, const Grid& grid) {
  const bool is_one_of_them = (problem.collective == Collective::all_reduce && problem.blocks == Blocks::equal) ||
                              problem.collective == Collective::reduce_scatter || problem.collective == Collective::all_gather;
  return is_one_of_them && grid.wraps() && problem.rank_count <= kMostRanksOfBlocks && Swing::fits_any(grid);
}

Schedule swing_blocks(const Problem& problem, const Grid& grid, uint32_t rank) { return OfBlocks(problem, grid, rank).build(); }

}  // namespace tutti::algorithms::torus
