// SPDX-License-Identifier: Apache-2.0
// With p ranks on d axes of k, blocks of n bytes, a latency and b seconds per byte of a link: at most d k/2 a + p k/8 nb, which is the least that links
// between neighbours allow, since a block has k/4 hops to go along each axis (Basu and others, "Efficient all-to-all collective communication
// schedules for direct-connect topologies", arXiv 2309.13541). A block has a part for each axis, and part i begins with axis i, so that all axes are
// busy. On a ring a part goes the shorter way, of those half-way round every other one up and down; chips between put it aside and pass it on.
#include "algorithms/torus/dimension_order.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::torus {
namespace {

using namespace schedule;
using topology::AxisOrder;
using topology::Direction;
using topology::Grid;
using topology::GridPoint;

// Of more, all steps together are too many to look at.
constexpr uint32_t kMostRanks = 1024;

struct Block {
  uint32_t source = 0;
  uint32_t target = 0;
};

class Exchange {
 public:
  Exchange(const Problem& problem, const Grid& grid, uint32_t rank)
      : problem_(problem),
        grid_(grid),
        rank_(rank),
        here_(grid.point_of(rank)),
        parts_(grid.axis_count()),
        orders_(orders_of(grid)),
        builder_({.rank = rank, .chunk_count = grid.rank_count() * grid.rank_count() * parts_, .parts = parts_}) {}

  Schedule build() && {
    take_own();
    for (uint32_t turn = 0; turn < parts_; ++turn) {
      uint32_t longest = 0;
      for (uint32_t axis = 0; axis < parts_; ++axis) {
        const uint32_t length = orders_[axis].window(turn);
        longest = std::max(longest, grid_.axis(orders_[axis].axis(turn)).wraps ? length / 2 : length - 1);
      }
      for (uint32_t hop = 1; hop <= longest; ++hop) {
        pass_on(turn, hop);
      }
      end_turn();
    }
    return std::move(builder_).build();
  }

 private:
  struct Value {
    Span place;
    std::vector<WaitFor> waits;
  };

  static std::vector<AxisOrder> orders_of(const Grid& grid) {
    std::vector<AxisOrder> orders;
    for (uint32_t first = 0; first < grid.axis_count(); ++first) {
      orders.emplace_back(grid, first);
    }
    return orders;
  }
  uint32_t axis_of(uint32_t part, uint32_t turn) const { return orders_[part].axis(turn); }
  uint32_t chunk_of(const Block& block, uint32_t part) const { return (block.source * grid_.rank_count() + block.target) * parts_ + part; }

  // In place, what arrives lies where own blocks were.
  void take_own() {
    const LaneId lane = builder_.add_lane();
    for (uint32_t target = 0; target < grid_.rank_count(); ++target) {
      for (uint32_t part = 0; part < parts_; ++part) {
        const uint32_t chunk = chunk_of({rank_, target}, part);
        const Span from = input(target * parts_ + part);
        if (target == rank_) {
          if (problem_.in_place == InPlace::no) {
            builder_.copy(lane, {chunk}, {.source = from, .target = output(rank_ * parts_ + part)});
          }
        } else if (problem_.in_place == InPlace::no) {
          values_[chunk] = {from, {}};
        } else {
          const Span aside = scratch(builder_.add_scratch(1));
          const StepId copied = builder_.copy(lane, {chunk}, {.source = from, .target = aside});
          values_[chunk] = {aside, {{copied, WaitMode::streaming}}};
          saved_[target * parts_ + part] = copied;
        }
      }
    }
  }

  // One hop of all parts, both ways. Slots that it empties may be used from the next hop on: a message then never waits for one of the same hop.
  void pass_on(uint32_t turn, uint32_t hop) {
    std::vector<std::pair<uint32_t, StepId>> emptied;
    for (uint32_t part = 0; part < parts_; ++part) {
      for (const Direction direction : {Direction::up, Direction::down}) {
        for (const Block& block : blocks_under_way(part, turn, direction, hop, hop - 1)) {
          send(part, neighbour(part, turn, direction), block, &emptied);
        }
      }
    }
    for (uint32_t part = 0; part < parts_; ++part) {
      for (const Direction direction : {Direction::up, Direction::down}) {
        const Direction back = direction == Direction::up ? Direction::down : Direction::up;
        for (const Block& block : blocks_under_way(part, turn, direction, hop, hop)) {
          receive(part, neighbour(part, turn, back), block);
        }
      }
    }
    free_.insert(free_.end(), emptied.begin(), emptied.end());
  }

  // A part could go on along the next axis before all of it has come, but would be in the way of the part whose turn it is there.
  void end_turn() {
    closing_ = std::move(last_received_);
    last_received_.clear();
    heeding_.clear();
  }

  uint32_t neighbour(uint32_t part, uint32_t turn, Direction direction) const { return grid_.neighbour(rank_, axis_of(part, turn), direction); }

  // Those that make hop number `hop` along the axis of the turn and began `back` chips before this one, the farthest first. Along axes of earlier turns
  // they are where they are to be, along later ones where they came from.
  std::vector<Block> blocks_under_way(uint32_t part, uint32_t turn, Direction direction, uint32_t hop, uint32_t back) const {
    if (grid_.is_twisted()) {
      return twisted_blocks_under_way({.part = part, .turn = turn, .direction = direction, .hop = hop}, back);
    }
    const topology::GridAxis& axis = grid_.axis(axis_of(part, turn));
    const uint32_t own = here_[axis_of(part, turn)];
    const bool is_up = direction == Direction::up;
    const bool ends_here = is_up ? own < back : own + back >= axis.length;
    const uint32_t most = axis.wraps ? axis.length / 2 : axis.length - 1;
    if (hop > most || (ends_here && !axis.wraps)) {
      return {};
    }
    const Circle circle{axis.length};
    const uint32_t origin = is_up ? circle.behind(own, back) : circle.ahead(own, back);
    std::vector<Block> blocks;
    for (uint32_t distance = most; distance >= hop; --distance) {
      const bool leaves = is_up ? origin + distance >= axis.length : distance > origin;
      if (leaves && !axis.wraps) {
        continue;
      }
      const uint32_t end = is_up ? circle.ahead(origin, distance) : circle.behind(origin, distance);
      for (const Block& block : blocks_between(part, turn, origin, end)) {
        const bool is_half_way = axis.wraps && 2 * distance == axis.length;
        if (!is_half_way || goes_up(part, turn, block) == is_up) {
          blocks.push_back(block);
        }
      }
    }
    return blocks;
  }

  // Half-way round the axis of the turn: of blocks that one chip passes on, and of those of chips side by side, every other one.
  bool goes_up(uint32_t part, uint32_t turn, const Block& block) const {
    const GridPoint source = grid_.point_of(block.source);
    const GridPoint target = grid_.point_of(block.target);
    uint32_t sum = part;
    for (uint32_t axis = 0; axis < parts_; ++axis) {
      sum += source[axis] + (axis == axis_of(part, turn) ? 0 : target[axis]);
    }
    return sum % 2 == 0;
  }

  // From `origin` to `end` along the axis of the turn.
  std::vector<Block> blocks_between(uint32_t part, uint32_t turn, uint32_t origin, uint32_t end) const {
    const uint32_t axis = axis_of(part, turn);
    std::vector<Block> blocks;
    for (uint32_t rest = 0; rest < grid_.rank_count() / grid_.axis(axis).length; ++rest) {
      GridPoint source = here_;
      GridPoint target = here_;
      source[axis] = origin;
      target[axis] = end;
      uint32_t number = rest;
      for (uint32_t other = 0; other < parts_; ++other) {
        if (other == turn) {
          continue;
        }
        // Before the turn sources may be any, after it targets.
        GridPoint& free = other < turn ? source : target;
        free[axis_of(part, other)] = number % grid_.axis(axis_of(part, other)).length;
        number /= grid_.axis(axis_of(part, other)).length;
      }
      blocks.push_back({grid_.rank_at(source), grid_.rank_at(target)});
    }
    return blocks;
  }

  // ---- Twisted tori, by places in the order of the part's axes: once round an axis comes back somewhere else along a later one ----

  struct Passage {
    uint32_t part = 0;
    uint32_t turn = 0;
    Direction direction = Direction::up;
    uint32_t hop = 0;
  };

  static Direction opposite(Direction direction) { return direction == Direction::up ? Direction::down : Direction::up; }

  uint32_t moved(uint32_t rank, uint32_t axis, Direction direction, uint32_t steps) const {
    for (uint32_t step = 0; step < steps; ++step) {
      rank = grid_.neighbour(rank, axis, direction);
    }
    return rank;
  }

  std::vector<Block> twisted_blocks_under_way(const Passage& passage, uint32_t back) const {
    const auto& [part, turn, direction, hop] = passage;
    const uint32_t window = orders_[part].window(turn);
    const uint32_t origin = moved(rank_, axis_of(part, turn), opposite(direction), back);
    std::vector<Block> blocks;
    for (uint32_t distance = window / 2; distance >= hop; --distance) {
      for (const Block& block : twisted_blocks_from(passage, origin, distance)) {
        if (2 * distance != window || goes_up(part, turn, block) == (direction == Direction::up)) {
          blocks.push_back(block);
        }
      }
    }
    return blocks;
  }

  // Those that go so far from `origin` in the turn.
  std::vector<Block> twisted_blocks_from(const Passage& passage, uint32_t origin, uint32_t distance) const {
    const AxisOrder& order = orders_[passage.part];
    GridPoint end = order.place_of(origin);
    const Circle numbers{order.window(passage.turn)};
    end[passage.turn] = passage.direction == Direction::up ? numbers.ahead(end[passage.turn], distance) : numbers.behind(end[passage.turn], distance);
    std::vector<uint32_t> targets = {};
    for (uint32_t index = 0; index < order.ranks_beyond(passage.turn); ++index) {
      uint32_t rest = index;
      for (uint32_t later = order.turn_count(); --later > passage.turn;) {
        end[later] = rest % order.window(later);
        rest /= order.window(later);
      }
      targets.push_back(order.rank_at(end));
    }
    std::vector<Block> blocks;
    for (const Origin& source : origins_of(passage, origin)) {
      for (const uint32_t target : targets) {
        const Block block{source.rank, target};
        const bool came_so = std::ranges::all_of(source.half_ways, [&](const HalfWay& half_way) {
          return goes_up(passage.part, half_way.turn, block) == (half_way.direction == Direction::up);
        });
        if (came_so) {
          blocks.push_back(block);
        }
      }
    }
    return blocks;
  }

  // From where the turns before lead to a rank. Of two ways half-way round an axis, the target decides.
  struct HalfWay {
    uint32_t turn = 0;
    Direction direction = Direction::up;
  };
  struct Origin {
    uint32_t rank = 0;
    std::vector<HalfWay> half_ways = {};
  };
  std::vector<Origin> origins_of(const Passage& passage, uint32_t rank) const {
    const AxisOrder& order = orders_[passage.part];
    std::vector<Origin> origins = {{.rank = rank}};
    for (uint32_t turn = passage.turn; turn-- > 0;) {
      const uint32_t window = order.window(turn);
      std::vector<Origin> before;
      for (const Origin& origin : origins) {
        before.push_back(origin);
        for (const Direction direction : {Direction::up, Direction::down}) {
          for (uint32_t steps = 1; 2 * steps <= window; ++steps) {
            before.push_back({.rank = moved(origin.rank, order.axis(turn), opposite(direction), steps), .half_ways = origin.half_ways});
            if (2 * steps == window) {
              before.back().half_ways.push_back({.turn = turn, .direction = direction});
            }
          }
        }
      }
      origins = std::move(before);
    }
    return origins;
  }

  // ---- Steps ----

  void send(uint32_t part, uint32_t peer, const Block& block, std::vector<std::pair<uint32_t, StepId>>* emptied) {
    const uint32_t chunk = chunk_of(block, part);
    Value value = values_.at(chunk);
    const LaneId lane = lane_of(sending_, part, peer);
    if (heeding_.insert(lane).second) {
      for (auto last = closing_.lower_bound({part, 0}); last != closing_.end() && last->first.first == part; ++last) {
        value.waits.push_back({last->second, WaitMode::complete});
      }
    }
    const StepId sent = builder_.send(lane, peer, {chunk}, value.place, {.waits = std::move(value.waits)});
    if (value.place.buffer == Buffer::scratch) {
      emptied->emplace_back(value.place.slot, sent);
    }
    values_.erase(chunk);
  }

  void receive(uint32_t part, uint32_t peer, const Block& block) {
    const uint32_t chunk = chunk_of(block, part);
    std::vector<WaitFor> waits;
    Span place = output(block.source * parts_ + part);
    if (block.target != rank_) {
      if (free_.empty()) {
        place = scratch(builder_.add_scratch(1));
      } else {
        place = scratch(free_.front().first);
        waits.push_back({free_.front().second, WaitMode::complete});
        free_.pop_front();
      }
    } else if (problem_.in_place == InPlace::yes) {
      waits.push_back({saved_.at(block.source * parts_ + part), WaitMode::complete});
    }
    const StepId received = builder_.receive(lane_of(receiving_, part, peer), peer, {chunk}, place, {.waits = std::move(waits)});
    values_[chunk] = {place, {{received, WaitMode::streaming}}};
    last_received_[{part, peer}] = received;
  }

  // A channel for each part: what passes an axis in one turn waits for no other turn's.
  using Lanes = std::map<std::pair<uint32_t, uint32_t>, LaneId>;
  LaneId lane_of(Lanes& lanes, uint32_t part, uint32_t peer) {
    const auto [lane, is_new] = lanes.try_emplace({part, peer}, 0);
    if (is_new) {
      lane->second = builder_.add_lane(part);
    }
    return lane->second;
  }

  const Problem& problem_;
  const Grid& grid_;
  uint32_t rank_;
  GridPoint here_;
  uint32_t parts_;
  std::vector<AxisOrder> orders_;  // by part
  Builder builder_;
  std::unordered_map<uint32_t, Value> values_;  // by chunk, what is here
  std::unordered_map<uint32_t, StepId> saved_;  // by slot of the input, in place
  std::deque<std::pair<uint32_t, StepId>> free_;  // slots of scratch, and what read them
  Lanes sending_;
  Lanes receiving_;
  using Steps = std::map<std::pair<uint32_t, uint32_t>, StepId>;  // by part and peer
  Steps last_received_;                                          // in this turn
  Steps closing_;                                                // in the one before
  std::set<LaneId> heeding_;                                     // lanes of which a step has waited for that, so that the rest need not
};

}  // namespace

bool dimension_order_solves(const Problem& problem, const Grid& grid) {
  return problem.collective == Collective::all_to_all && problem.blocks == Blocks::equal && grid.rank_count() <= kMostRanks;
}

Schedule dimension_order(const Problem& problem, const Grid& grid, uint32_t rank) { return Exchange(problem, grid, rank).build(); }

}  // namespace tutti::algorithms::torus
