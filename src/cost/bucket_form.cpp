// SPDX-License-Identifier: Apache-2.0
#include "cost/bucket_form.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "cost/arithmetic.hpp"
#include "cost/wave.hpp"
#include "schedule/layout.hpp"
#include "topology/grid.hpp"
#include "topology/traffic.hpp"

namespace tutti::cost {
namespace {

using schedule::Collective;
using topology::Direction;

// A share's way along one axis, or a half of it: what its links have to carry, alone, and what passes after that until the next begins, or until a share that
// follows on the axis does.
struct Turn {
  uint32_t axis = 0;
  bool takes_both = false;  // directions: a line
  uint64_t bytes = 0;  // over each of its links, at the end of a line
  uint64_t work_ns = 0;
  uint64_t rest_ns = 0;
  uint64_t leaving_ns = 0;
  size_t reduced_by = 0;  // of a turn that gathers: how many turns the others of its order have ended
};

struct Share {
  uint32_t first_axis = 0;
  Direction direction = Direction::up;
  std::vector<Turn> turns;
  size_t at = 0;
  uint64_t work_ns = 0;   // left of this turn
  uint64_t begin_ns = 0;  // of this turn
  uint64_t left_ns = 0;   // the turn before
};

class BucketForm {
 public:
  BucketForm(const schedule::Problem& problem, const topology::Topology& topology, const topology::Grid& grid, const Workload& workload)
      : problem_(problem), topology_(topology), grid_(grid), counts_(topology::balanced_shares(grid)) {
    const uint32_t parts = std::accumulate(counts_.begin(), counts_.end(), 0u) * (grid.wraps() ? 2 : 1);
    slice_bytes_ = workload.slice_bytes;
    const bool is_cut = schedule::is_cut_vector(problem.collective);
    const schedule::Layout layout({.problem = problem,
                                   .chunk_count = grid.rank_count() * parts,
                                   .parts = is_cut ? 1 : parts,
                                   .element_count = workload.element_count,
                                   .variable = {},
                                   .element_bytes = workload.element_bytes});
    chunk_bytes_ = multiply(layout.length(0, 1), workload.element_bytes);
  }

  uint64_t price(const NoteWave& note) {
    for (uint32_t first = 0; first < grid_.axis_count(); ++first) {
      const std::vector<Turn> turns = turns_of(topology::AxisOrder(grid_, first));
      for (const Turn& turn : turns) {
        carried_bytes_[turn.axis] += multiply(turn.takes_both && grid_.wraps() ? 2 : 1, multiply(counts_[first], turn.bytes));
      }
      for (uint32_t index = 0; index < counts_[first]; ++index) {
        for (const Direction direction : {Direction::up, Direction::down}) {
          if (direction == Direction::up || grid_.wraps()) {
            shares_.push_back({.first_axis = first, .direction = direction, .turns = turns, .work_ns = turns.front().work_ns});
          }
        }
      }
    }
    for (uint32_t axis = 0; axis < grid_.axis_count(); ++axis) {
      note_axis(*topology_.fabric(), grid_, axis, carried_bytes_[axis], note);
    }
    return add(play(), base_ns_);
  }

 private:
  std::vector<Turn> turns_of(const topology::AxisOrder& order) {
    std::vector<Turn> turns;
    std::vector<size_t> reduced_by(order.turn_count(), 0);
    for (uint32_t turn = 0; turn < order.turn_count() && problem_.collective != Collective::all_gather; ++turn) {
      take_turn(order, turn, 0, turns);
      reduced_by[turn] = turns.size();
    }
    for (uint32_t turn = order.turn_count(); turn-- > 0 && problem_.collective != Collective::reduce_scatter;) {
      take_turn(order, turn, reduced_by[turn], turns);
    }
    return turns;
  }

  // A block is passed on as it comes: either the links are always busy, or a slice at a time goes the whole way. On a ring a share that follows is half of the
  // rounds behind, on a line right behind.
  void take_turn(const topology::AxisOrder& order, uint32_t turn, size_t reduced_by, std::vector<Turn>& turns) {
    const uint64_t messages = problem_.collective == Collective::all_reduce ? 1 : order.ranks_beyond(turn);
    const uint64_t message_bytes = multiply(chunk_bytes_, order.ranks_beyond(turn) / messages);
    const uint32_t neighbour = grid_.neighbour(0, order.axis(turn), Direction::up);
    Wave wave(*topology_.fabric(), message_bytes);
    wave.add(0, neighbour);
    base_ns_ = std::max(base_ns_, wave.base_ns());
    const Wave::Hop hop = wave.hop(0, neighbour, slice_bytes_);
    const uint64_t block_ns = multiply(messages, hop.transfer_ns);
    const uint64_t hops = order.window(turn) - 1;
    const uint64_t busy = multiply(hops, block_ns);
    const uint64_t pace_ns = add(hop.latency_ns, hop.slice_ns);
    const uint64_t through = add(multiply(hops, pace_ns), block_ns - std::min(block_ns, hop.slice_ns));
    const uint64_t whole = std::max(add(busy, hop.latency_ns), through);
    const bool is_ring = grid_.axis(order.axis(turn)).wraps;
    const uint64_t first_hops = is_ring ? order.window(turn) / 2 : hops;
    const uint64_t first_busy = multiply(first_hops, block_ns);
    const uint64_t first_left = std::max(first_busy, add(multiply(first_hops - 1, pace_ns), block_ns));
    const uint64_t first_whole = first_hops == hops ? whole : std::max(first_busy, multiply(first_hops, pace_ns));
    const Turn first{.axis = order.axis(turn),
                     .takes_both = !is_ring,
                     .bytes = multiply(first_hops * messages, message_bytes),
                     .work_ns = first_busy,
                     .rest_ns = first_whole - first_busy,
                     .leaving_ns = is_ring ? first_left - first_busy : 0,
                     .reduced_by = reduced_by};
    turns.push_back(first);
    if (first_hops != hops) {
      turns.push_back(first);
      turns.back().bytes = multiply((hops - first_hops) * messages, message_bytes);
      turns.back().work_ns = busy - first_busy;
      turns.back().rest_ns = whole - first_whole - std::min(busy - first_busy, whole - first_whole);
      turns.back().leaving_ns = turns.back().rest_ns - std::min(turns.back().rest_ns, hop.latency_ns);
    }
  }

  // Shares of one order are on an axis one after another, and reduce there before any gathers.
  bool waits_for(const Share& share, const Share& other, bool other_is_before, uint64_t now_ns) const {
    const Turn& turn = share.turns[share.at];
    if (share.first_axis != other.first_axis || !(turn.takes_both || share.direction == other.direction)) {
      return false;
    }
    const bool has_left = other.at > share.at + 1 || (other.at == share.at + 1 && other.left_ns <= now_ns);
    return (other_is_before && !has_left) || other.at < turn.reduced_by;
  }
  bool is_working(size_t index, uint64_t now_ns) const {
    const Share& share = shares_[index];
    if (share.at == share.turns.size() || share.begin_ns > now_ns) {
      return false;
    }
    for (size_t other = 0; other < shares_.size(); ++other) {
      if (other != index && waits_for(share, shares_[other], other < index, now_ns)) {
        return false;
      }
    }
    return true;
  }

  using Users = std::array<std::array<uint64_t, 2>, topology::kMostGridAxes>;

  static bool uses(const Share& share, Direction direction) { return share.turns[share.at].takes_both || share.direction == direction; }

  uint64_t play() {
    uint64_t now_ns = 0;
    uint64_t end_ns = 0;
    std::vector<size_t> working;
    for (;;) {
      Users users{};
      uint64_t next_ns = kNever;
      working.clear();
      for (size_t index = 0; index < shares_.size(); ++index) {
        const Share& share = shares_[index];
        if (is_working(index, now_ns)) {
          working.push_back(index);
          for (const Direction direction : {Direction::up, Direction::down}) {
            users[share.turns[share.at].axis][static_cast<size_t>(direction)] += uses(share, direction) ? 1 : 0;
          }
        } else if (share.at < share.turns.size() && share.begin_ns > now_ns) {
          next_ns = std::min(next_ns, share.begin_ns);
        }
        if (share.left_ns > now_ns) {
          next_ns = std::min(next_ns, share.left_ns);
        }
      }
      const auto sharing = [&](const Share& share) {
        const auto& there = users[share.turns[share.at].axis];
        return share.turns[share.at].takes_both ? std::max(there[0], there[1]) : there[static_cast<size_t>(share.direction)];
      };
      for (const size_t index : working) {
        next_ns = std::min(next_ns, add(now_ns, multiply(shares_[index].work_ns, sharing(shares_[index]))));
      }
      if (next_ns == kNever) {
        return end_ns;
      }
      for (const size_t index : working) {
        Share& share = shares_[index];
        const uint64_t done_ns = (next_ns - now_ns) / sharing(share);
        share.work_ns -= std::min(share.work_ns, done_ns);
      }
      for (const size_t index : working) {
        Share& share = shares_[index];
        if (share.work_ns <= 1) {  // what division left
          share.begin_ns = add(next_ns, share.turns[share.at].rest_ns);
          share.left_ns = add(next_ns, share.turns[share.at].leaving_ns);
          end_ns = std::max(end_ns, share.begin_ns);
          ++share.at;
          share.work_ns = share.at < share.turns.size() ? share.turns[share.at].work_ns : 0;
        }
      }
      now_ns = next_ns;
    }
  }

  const schedule::Problem& problem_;
  const topology::Topology& topology_;
  const topology::Grid& grid_;
  std::vector<uint32_t> counts_;
  uint64_t chunk_bytes_ = 0;
  uint64_t slice_bytes_ = 0;
  std::vector<Share> shares_;
  std::array<uint64_t, topology::kMostGridAxes> carried_bytes_{};
  uint64_t base_ns_ = 0;
};

}  // namespace

std::optional<uint64_t> bucket_form_ns(const schedule::Problem& problem, const topology::Topology& topology, const Workload& workload,
                                       const NoteWave& note) {
  if (problem.collective != Collective::all_reduce && problem.collective != Collective::all_gather && problem.collective != Collective::reduce_scatter) {
    return std::nullopt;
  }
  const std::optional<topology::Grid> grid = topology::Grid::of(topology);
  return grid ? std::optional(BucketForm(problem, topology, *grid, workload).price(note)) : std::nullopt;
}

}  // namespace tutti::cost
