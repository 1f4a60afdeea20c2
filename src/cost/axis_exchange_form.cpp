// SPDX-License-Identifier: Apache-2.0
#include "cost/axis_exchange_form.hpp"

#include <utility>
#include <vector>

#include "topology/grid.hpp"

namespace tutti::cost {
namespace {

using schedule::WaitMode;
using topology::AxisOrder;
using topology::Direction;
using topology::Grid;

// A share of the vector, which all chips exchange along one axis after another, each value passing from neighbour to neighbour both ways.
class PlayedShare {
 public:
  PlayedShare(const Form& form, const Grid& grid, uint32_t share, MessageGraph& messages)
      : grid_(grid),
        order_(grid, share),
        share_(share),
        bytes_(form.part(grid.axis_count())),
        messages_(messages),
        come_(form.ranks()) {}

  void exchange() {
    for (uint32_t turn = order_.turn_count(); turn-- > 0;) {
      std::vector<Waits> coming = come_;
      pass(turn, Direction::up, coming);
      pass(turn, Direction::down, coming);
      come_ = std::move(coming);
    }
  }

 private:
  using Waits = std::vector<uint32_t>;  // messages that a rank has its value from

  void pass(uint32_t turn, Direction direction, std::vector<Waits>& coming) {
    const uint32_t length = order_.window(turn);
    const bool wraps = grid_.axis(order_.axis(turn)).wraps;
    const auto rank_count = static_cast<uint32_t>(come_.size());
    std::vector<Waits> there = come_;  // of what goes on
    for (uint32_t distance = 0; distance + 1 < length; ++distance) {
      std::vector<Waits> next(rank_count);
      for (uint32_t rank = 0; rank < rank_count; ++rank) {
        const uint32_t place = order_.place_of(rank)[turn];
        const uint32_t before = direction == Direction::up ? place : length - 1 - place;  // that it can hear
        const uint32_t most = direction == Direction::up ? length / 2 : length - 1 - length / 2;  // where the line wraps
        if (wraps ? distance >= most : distance > before || before + 1 == length) {
          continue;
        }
        const uint32_t target = grid_.neighbour(rank, order_.axis(turn), direction);
        const uint32_t message = messages_.add({.source = rank,
                                                .target = target,
                                                .bytes = bytes_,
                                                .send_lane = share_ * rank_count + target,
                                                .receive_lane = share_ * rank_count + rank});
        for (const uint32_t earlier : there[rank]) {
          messages_.wait(message, earlier, WaitMode::streaming);
        }
        next[target] = {message};
        coming[target].push_back(message);
      }
      there = std::move(next);
    }
  }

  const Grid& grid_;
  const AxisOrder order_;
  const uint32_t share_;
  const uint64_t bytes_;
  MessageGraph& messages_;
  std::vector<Waits> come_;  // by rank
};

}  // namespace

std::optional<uint64_t> axis_exchange_played_ns(Form& form) {
  const std::optional<Grid> grid = Grid::of(form.topology());
  if (!grid || form.problem().collective != schedule::Collective::all_reduce) {
    return std::nullopt;
  }
  uint64_t message_count = 0;
  for (uint32_t share = 0; share < grid->axis_count(); ++share) {
    const AxisOrder order(*grid, share);
    for (uint32_t turn = 0; turn < order.turn_count(); ++turn) {
      message_count += uint64_t{form.ranks()} * (order.window(turn) - 1);
    }
  }
  if (!form.may_play(message_count)) {
    return std::nullopt;
  }
  MessageGraph messages(form.ranks());
  for (uint32_t share = 0; share < grid->axis_count(); ++share) {
    PlayedShare(form, *grid, share, messages).exchange();
  }
  return form.play(messages);
}

}  // namespace tutti::cost
