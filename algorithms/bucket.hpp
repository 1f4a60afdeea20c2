// SPDX-License-Identifier: Apache-2.0
// Bucket collectives on tori and meshes of any dimension. For p ranks, n bytes, d axes that wrap, a latency and b seconds per byte of a link, allreduce takes
// 2 sum(length - 1) a + 2(p-1)/p nb/(2d), its halves half of that: the algorithm of Sack and Gropp ("Collective algorithms for multiported torus
// networks", ACM TOPC 2015). The vector is cut into 2d shares. Each goes through the axes in turn, every share beginning with another axis and
// direction, so that all links of a chip are busy: on each axis a ring reduces and scatters the blocks that the turns before have left, and afterwards
// all is gathered the other way about. Where axes differ in length or bandwidth, more shares begin with some than with others
// (topology::balanced_shares).
//
// An axis without a wrap is a line, whose both directions a share uses at once: partial results of a block come to its rank from both sides. The link
// at its end carries (length - 1)/length of the share, as it must. Of two ranks a ring and a line are the same.
//
// An allreduce may number chunks as it likes, so that each block is one range of them and goes in one message. Of the other two the blocks of an axis
// are no range of ranks, and each part of a rank's block is a message of its own.
#pragma once

#include <algorithm>
#include <deque>
#include <unordered_map>
#include <utility>
#include <vector>

#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"
#include "topology/grid.hpp"

namespace tutti::algorithms {

class Bucket {
 public:
  Bucket(const schedule::Problem& problem, const topology::Grid& grid, uint32_t rank)
      : problem_(problem),
        grid_(grid),
        rank_(rank),
        is_one_range_(problem.collective == schedule::Collective::all_reduce),
        shares_(shares_of(grid, rank)),
        builder_({.rank = rank, .chunk_count = grid.rank_count() * part_count(), .parts = is_one_range_ ? 1 : part_count()}) {}

  schedule::Schedule build() && {
    switch (problem_.collective) {
      case schedule::Collective::reduce_scatter:
        reduce_in_turns();
        break;
      case schedule::Collective::all_gather:
        take_own_block();
        gather_in_turns();
        break;
      default:
        reduce_in_turns();
        gather_in_turns();
    }
    return std::move(builder_).build();
  }

 private:
  using Chunks = schedule::Chunks;
  using Direction = topology::Direction;
  using LaneId = schedule::LaneId;
  using Span = schedule::Span;
  using StepId = schedule::StepId;
  using WaitFor = schedule::WaitFor;
  using WaitMode = schedule::WaitMode;

  // Where what this rank has of some chunks lies, and from when on.
  struct Value {
    Span place;
    std::vector<WaitFor> waits;
  };

  // Scratch slots for partial results that are passed on, used again when their oldest has left.
  struct Slots {
    size_t most = 0;
    size_t count = 0;
    std::deque<std::pair<uint32_t, StepId>> left = {};  // by when they were read
  };

  // What goes through the axes in one order and direction.
  struct Share {
    topology::AxisOrder order;
    topology::GridPoint place;  // this rank's
    uint32_t channel = 0;       // one for each order, so that no share waits behind one that comes to the axis in another turn
    Direction direction = Direction::up;
    uint32_t part = 0;   // of each block
    uint32_t index = 0;  // among those of one order and direction
    std::unordered_map<uint32_t, Value> values = {};  // by first chunk, what has come; the rest stands in `standing`
    schedule::Buffer standing = schedule::Buffer::input;
    std::vector<WaitFor> closing = {};  // what has ended the turns so far
    std::vector<LaneId> heeding = {};   // lanes of which a step has waited for `closing`, so that the rest need not
    Slots slots = {};
  };

  struct Side {
    uint32_t from = 0;
    uint32_t to = 0;
    bool has_from = true;
    bool has_to = true;
  };

  static std::vector<Share> shares_of(const topology::Grid& grid, uint32_t rank) {
    const std::vector<uint32_t> counts = topology::balanced_shares(grid);
    std::vector<Share> shares;
    uint32_t channel = 0;
    for (uint32_t first = 0; first < grid.axis_count(); ++first) {
      if (counts[first] == 0) {
        continue;
      }
      const topology::AxisOrder order(grid, first);
      for (uint32_t index = 0; index < counts[first]; ++index) {
        for (const Direction direction : {Direction::up, Direction::down}) {
          if (direction == Direction::up || grid.wraps()) {
            shares.push_back({.order = order,
                              .place = order.place_of(rank),
                              .channel = channel,
                              .direction = direction,
                              .part = static_cast<uint32_t>(shares.size()),
                              .index = index});
          }
        }
      }
      ++channel;
    }
    return shares;
  }

  // ---- Turns, the same on all ranks, since shares of one order use the same lanes ----

  bool is_in_ring(const Share& share, uint32_t turn) const { return grid_.axis(share.order.axis(turn)).wraps; }

  // Shares that follow one another on a ring take their rounds in waves, each half a turn behind the one before it: a message waits for what has come in its
  // share's round before, and meanwhile one of another share leaves. The less they overlap, the sooner the first is on the next axis.
  template <typename Take>
  void take_rings(uint32_t turn, Take take_round) {
    bool more = true;
    for (uint32_t wave = 0; more; ++wave) {
      more = false;
      for (Share& share : shares_) {
        const uint32_t begin = share.index * (share.order.window(turn) / 2);
        const bool has_ended = !is_in_ring(share, turn) || wave >= begin + share.order.window(turn) - 1;
        more = more || !has_ended;
        if (!has_ended && wave >= begin) {
          take_round(share, wave - begin);
        }
      }
    }
  }

  void reduce_in_turns() {
    for (uint32_t turn = 0; turn < grid_.axis_count(); ++turn) {
      take_rings(turn, [&](Share& share, uint32_t round) { reduce_round(share, turn, round); });
      for (Share& share : shares_) {
        if (!is_in_ring(share, turn)) {
          reduce_in_line(share, turn);
        }
      }
    }
  }
  void gather_in_turns() {
    for (uint32_t turn = grid_.axis_count(); turn-- > 0;) {
      take_rings(turn, [&](Share& share, uint32_t round) { gather_round(share, turn, round); });
      for (Share& share : shares_) {
        if (!is_in_ring(share, turn)) {
          gather_in_line(share, turn);
        }
      }
    }
  }

  // Block b of a ring starts at the rank after b and comes to b last.
  void reduce_round(Share& share, uint32_t turn, uint32_t round) {
    const Side side = side_of(share, turn, share.direction);
    const bool is_last = round + 2 == share.order.window(turn);
    if (round == 0) {
      share.slots = {.most = blocks_of(share, turn, 0).size() + 2};
    }
    for (const Chunks& chunks : blocks_of(share, turn, behind(share, turn, round + 1))) {
      send(share, side, chunks, turn == 0 ? &share.slots : nullptr);
    }
    for (const Chunks& chunks : blocks_of(share, turn, behind(share, turn, round + 2))) {
      is_last ? reduce_own(share, turn, side, chunks, schedule::Final::yes) : reduce_passing(share, turn, side, chunks, share.slots);
    }
    if (is_last) {
      end_reducing(share);
    }
  }

  // From each side come the blocks that go beyond this rank, those for the farthest first, and then its own. Its own is reduced with what comes from the
  // nearer end first: of a short message that is there first, and nothing queues up behind the other.
  void reduce_in_line(Share& share, uint32_t turn) {
    const uint32_t own = share.place[turn];
    const uint32_t length = share.order.window(turn);
    const bool is_lower_half = 2 * own < length;
    for (const bool is_first : {true, false}) {
      const bool is_up = is_first == is_lower_half;
      const Side side = side_of(share, turn, is_up ? Direction::up : Direction::down);
      // The last block is the neighbour's own, which it may take up late: a slot must not wait for that.
      Slots slots{.most = 2 * blocks_of(share, turn, own).size()};
      for (uint32_t count = is_up ? length - 1 - own : own; count > 0; --count) {
        for (const Chunks& chunks : blocks_of(share, turn, is_up ? own + count : own - count)) {
          if (side.has_from) {
            reduce_passing(share, turn, side, chunks, slots);
          }
          send(share, side, chunks, side.has_from && turn == 0 ? &slots : nullptr);
        }
      }
      const bool more_to_come = is_first && side.has_to;  // whoever is there sends as well
      for (const Chunks& chunks : blocks_of(share, turn, own)) {
        if (side.has_from) {
          reduce_own(share, turn, side, chunks, more_to_come ? schedule::Final::no : schedule::Final::yes);
        }
      }
    }
    end_reducing(share);
  }

  void gather_round(Share& share, uint32_t turn, uint32_t round) {
    const Side side = side_of(share, turn, share.direction);
    for (const Chunks& chunks : blocks_of(share, turn, behind(share, turn, round))) {
      send(share, side, chunks, nullptr);
    }
    for (const Chunks& chunks : blocks_of(share, turn, behind(share, turn, round + 1))) {
      receive(share, side, chunks);
    }
    if (round + 2 == share.order.window(turn)) {
      end_gathering(share, {side});
    }
  }

  // The nearest blocks first.
  void gather_in_line(Share& share, uint32_t turn) {
    const uint32_t own = share.place[turn];
    std::vector<Side> sides;
    for (const Direction direction : {Direction::up, Direction::down}) {
      const bool is_up = direction == Direction::up;
      const Side side = side_of(share, turn, direction);
      const uint32_t count = is_up ? own : share.order.window(turn) - 1 - own;
      for (uint32_t distance = 0; distance <= count; ++distance) {
        for (const Chunks& chunks : blocks_of(share, turn, is_up ? own - distance : own + distance)) {
          if (distance != 0) {
            receive(share, side, chunks);
          }
          if (side.has_to) {
            send(share, side, chunks, nullptr);
          }
        }
      }
      sides.push_back(side);
    }
    end_gathering(share, sides);
  }

  // ---- What moves ----

  uint32_t part_count() const { return static_cast<uint32_t>(shares_.size()); }

  // So many blocks before this rank's, in the share's direction.
  static uint32_t behind(const Share& share, uint32_t turn, uint32_t blocks) {
    const Circle ring{share.order.window(turn)};
    return share.direction == Direction::up ? ring.behind(share.place[turn], blocks) : ring.ahead(share.place[turn], blocks);
  }

  // The neighbours that it comes from and goes to.
  Side side_of(const Share& share, uint32_t turn, Direction direction) const {
    const uint32_t axis = share.order.axis(turn);
    const bool is_up = direction == Direction::up;
    const bool wraps = grid_.axis(axis).wraps;
    Side side{.has_from = wraps || share.place[turn] != (is_up ? 0 : share.order.window(turn) - 1),
              .has_to = wraps || share.place[turn] != (is_up ? share.order.window(turn) - 1 : 0)};
    if (side.has_from) {
      side.from = grid_.neighbour(rank_, axis, is_up ? Direction::down : Direction::up);
    }
    if (side.has_to) {
      side.to = grid_.neighbour(rank_, axis, direction);
    }
    return side;
  }

  // What of the share is for ranks that have this rank's numbers in earlier turns, `number` in this one, and any in later ones; as messages.
  std::vector<Chunks> blocks_of(const Share& share, uint32_t turn, uint32_t number) const {
    const uint32_t beyond = share.order.ranks_beyond(turn);
    if (is_one_range_) {
      uint32_t before = 0;
      for (uint32_t earlier = 0; earlier < turn; ++earlier) {
        before = before * share.order.window(earlier) + share.place[earlier];
      }
      before = before * share.order.window(turn) + number;
      return {{share.part * grid_.rank_count() + before * beyond, beyond}};
    }
    std::vector<Chunks> blocks;
    topology::GridPoint place = share.place;
    place[turn] = number;
    for (uint32_t index = 0; index < beyond; ++index) {
      uint32_t rest = index;
      for (uint32_t later = share.order.turn_count(); --later > turn;) {
        place[later] = rest % share.order.window(later);
        rest /= share.order.window(later);
      }
      blocks.push_back({share.order.rank_at(place) * part_count() + share.part, 1});
    }
    return blocks;
  }

  Value value_of(Share& share, const Chunks& chunks, LaneId lane) {
    const auto known = share.values.find(chunks.first);
    Value value = known != share.values.end() ? known->second : Value{.place = {.buffer = share.standing, .slot = chunks.first}, .waits = {}};
    if (std::find(share.heeding.begin(), share.heeding.end(), lane) == share.heeding.end()) {
      share.heeding.push_back(lane);
      value.waits.insert(value.waits.end(), share.closing.begin(), share.closing.end());
    }
    return value;
  }

  // `slots`: whence it leaves, if that is used again.
  void send(Share& share, const Side& side, const Chunks& chunks, Slots* slots) {
    const LaneId lane = lane_to(share.channel, side.to);
    Value value = value_of(share, chunks, lane);
    const StepId sent = builder_.send(lane, side.to, chunks, value.place, {.waits = std::move(value.waits)});
    if (slots != nullptr && value.place.buffer == schedule::Buffer::scratch) {
      slots->left.emplace_back(value.place.slot, sent);
    }
  }

  void receive(Share& share, const Side& side, const Chunks& chunks) {
    const StepId received = builder_.receive(lane_from(share.channel, side.from), side.from, chunks, output(chunks.first));
    share.values[chunks.first] = {output(chunks.first), {{received, WaitMode::streaming}}};
    last_received_[{share.channel, side.from}] = received;
  }

  // What goes on to another rank. An allreduce keeps it in the output, later turns where it has been.
  void reduce_passing(Share& share, uint32_t turn, const Side& side, const Chunks& chunks, Slots& slots) {
    std::vector<WaitFor> free;
    Span target = output(chunks.first);
    if (!is_one_range_ && turn != 0) {
      target = share.values.at(chunks.first).place;
    } else if (!is_one_range_ && slots.count < slots.most) {
      ++slots.count;
      target = scratch(builder_.add_scratch(1));
    } else if (!is_one_range_) {
      target = scratch(slots.left.front().first);
      free.push_back({slots.left.front().second, WaitMode::complete});
      slots.left.pop_front();
    }
    reduce(share, side, chunks, target, {.waits = std::move(free)});
  }

  void reduce_own(Share& share, uint32_t turn, const Side& side, const Chunks& chunks, schedule::Final completes) {
    const bool is_last_turn = turn + 1 == grid_.axis_count();
    Span target = output(is_one_range_ ? chunks.first : chunks.first % part_count());
    if (!is_one_range_ && !is_last_turn) {
      const auto known = share.values.find(chunks.first);
      target = known != share.values.end() ? known->second.place : scratch(builder_.add_scratch(1));
    }
    const StepId reduced = reduce(share, side, chunks, target, {.final = is_last_turn ? completes : schedule::Final::no});
    if (completes == schedule::Final::yes) {
      own_reduced_ = reduced;
    }
  }

  StepId reduce(Share& share, const Side& side, const Chunks& chunks, Span target, schedule::StepOptions options) {
    const LaneId lane = lane_from(share.channel, side.from);
    const Value value = value_of(share, chunks, lane);
    options.operands = operands_of(rank_, side.from);
    options.waits.insert(options.waits.end(), value.waits.begin(), value.waits.end());
    const StepId reduced = builder_.receive_reduce(lane, side.from, chunks, {.source = value.place, .target = target}, std::move(options));
    share.values[chunks.first] = {target, {{reduced, WaitMode::streaming}}};
    return reduced;
  }

  void end_reducing(Share& share) {
    share.closing = {{own_reduced_, WaitMode::complete}};
    end_turn(share);
  }

  void end_gathering(Share& share, const std::vector<Side>& sides) {
    for (const Side& side : sides) {
      if (side.has_from) {
        share.closing.push_back({last_received_.at({share.channel, side.from}), WaitMode::complete});
      }
    }
    end_turn(share);
  }

  // The next turn begins when this one is over for the share. It could begin with what is there already, but would be in the way of the shares whose turn it
  // is on that axis; and of an allreduce it cuts other ranges.
  void end_turn(Share& share) {
    share.heeding.clear();
    if (is_one_range_) {
      share.values.clear();
      share.standing = schedule::Buffer::output;
    }
    for (auto& [chunk, value] : share.values) {
      value.waits.clear();
    }
  }

  void take_own_block() {
    for (Share& share : shares_) {
      share.values[rank_ * part_count() + share.part] = {input(share.part), {}};
    }
    if (problem_.in_place == schedule::InPlace::no) {
      const LaneId lane = builder_.add_lane();
      for (uint32_t part = 0; part < part_count(); ++part) {
        builder_.copy(lane, {rank_ * part_count() + part, 1}, {.source = input(part), .target = output(rank_ * part_count() + part)});
      }
    }
  }

  LaneId lane_to(uint32_t channel, uint32_t peer) { return lane_of(sending_, channel, peer); }
  LaneId lane_from(uint32_t channel, uint32_t peer) { return lane_of(receiving_, channel, peer); }
  struct HashPair {
    size_t operator()(const std::pair<uint32_t, uint32_t>& pair) const { return size_t{pair.second} * schedule::kMaxChannels + pair.first; }
  };
  using Lanes = std::unordered_map<std::pair<uint32_t, uint32_t>, LaneId, HashPair>;
  LaneId lane_of(Lanes& lanes, uint32_t channel, uint32_t peer) {
    const auto known = lanes.find({channel, peer});
    return known != lanes.end() ? known->second : lanes[{channel, peer}] = builder_.add_lane(channel);
  }

  const schedule::Problem& problem_;
  const topology::Grid& grid_;
  uint32_t rank_;
  bool is_one_range_;
  std::vector<Share> shares_;
  schedule::Builder builder_;
  Lanes sending_;
  Lanes receiving_;
  std::unordered_map<std::pair<uint32_t, uint32_t>, StepId, HashPair> last_received_;  // by channel and peer
  StepId own_reduced_;                                                                 // the last one
};

// Whether buckets solve it, on any grid.
inline bool bucket_solves(const schedule::Problem& problem) {
  return (problem.collective == schedule::Collective::all_reduce && problem.blocks == schedule::Blocks::equal) ||
         problem.collective == schedule::Collective::reduce_scatter || problem.collective == schedule::Collective::all_gather;
}

}  // namespace tutti::algorithms
