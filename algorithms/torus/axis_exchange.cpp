// SPDX-License-Identifier: Apache-2.0
// With n bytes, axes of k chips, a latency and b seconds per byte of a link: the diameter, k/2 hops along each axis that wraps and k-1 along each that
// does not, times a + nb/d on d axes. No allreduce takes fewer hops, since what a chip has must come to the farthest one. What all chips of a line
// have travels along it both ways, and each reduces it by itself, in the order of the line, so that all get the same bits; then goes on with the result
// along the next axis. The vector is cut into a share for each axis to begin with.
//
// On a twisted torus a line is so much of a walk along its axis as no axis before has led to: ranks that those axes join have one result already.
#include "algorithms/torus/axis_exchange.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "algorithms/ranks.hpp"
#include "algorithms/torus/lanes.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::torus {
namespace {

using namespace schedule;
using topology::AxisOrder;
using topology::Direction;
using topology::Grid;

// How far a chip hears in each direction along a line, and who is there.
struct Line {
  Line(const Grid& grid, const AxisOrder& order, uint32_t turn, uint32_t rank)
      : length(order.window(turn)), place(order.place_of(rank)[turn]) {
    const uint32_t axis = order.axis(turn);
    wraps = grid.axis(axis).wraps;
    below = wraps ? length / 2 : place;
    above = length - 1 - below;
    hops = wraps ? length / 2 : length - 1;
    has_lower = wraps || place != 0;
    has_upper = wraps || place + 1 != length;
    lower = has_lower ? grid.neighbour(rank, axis, Direction::down) : rank;
    upper = has_upper ? grid.neighbour(rank, axis, Direction::up) : rank;
  }

  uint32_t length;
  uint32_t place;  // numbers of others are so much more or less, modulo the length
  uint32_t below = 0;
  uint32_t above = 0;
  uint32_t hops = 0;  // the most that anything goes
  bool wraps = true;
  bool has_lower = true;
  bool has_upper = true;
  uint32_t lower = 0;
  uint32_t upper = 0;
};

struct HeardValue {
  Span place;
  std::vector<WaitFor> made;
};

// One share, which is one chunk.
class ExchangedShare {
 public:
  ExchangedShare(const Problem& problem, const Grid& grid, uint32_t rank, uint32_t chunk, Builder& builder, Lanes& lanes)
      : problem_(problem), grid_(grid), order_(grid, chunk), rank_(rank), chunk_(chunk), builder_(builder), lanes_(lanes), value_{input(chunk), {}} {}

  // From the last turn to the first: what later turns have joined is one already.
  void exchange(uint32_t turn) {
    const Line line(grid_, order_, turn, rank_);
    std::vector<HeardValue> values(line.length);
    values[line.place] = value_;
    pass_on(line, Direction::up, values);
    pass_on(line, Direction::down, values);
    const bool is_last = turn == 0;
    const Span target = is_last ? output(chunk_) : scratch(builder_.add_scratch(1));
    std::vector<Span> sources;
    StepOptions options{.final = is_last ? Final::yes : Final::no};
    for (const HeardValue& value : values) {
      sources.push_back(value.place);
      options.waits.insert(options.waits.end(), value.made.begin(), value.made.end());
    }
    if (is_last && problem_.in_place == InPlace::yes) {
      options.waits.insert(options.waits.end(), input_left_.begin(), input_left_.end());
    }
    const StepId reduced = builder_.reduce(builder_.add_lane(), {chunk_}, sources, target, std::move(options));
    value_ = {target, {{reduced, WaitMode::streaming}}};
  }

 private:
  // Up the line goes what comes from below, the nearest first, and the other way about.
  void pass_on(const Line& line, Direction direction, std::vector<HeardValue>& values) {
    const bool is_up = direction == Direction::up;
    const Circle circle{line.length};
    const uint32_t heard = is_up ? line.below : line.above;
    const uint32_t reach = line.wraps ? heard : line.length;
    for (uint32_t distance = 0; distance <= heard; ++distance) {
      const uint32_t origin = is_up ? circle.behind(line.place, distance) : circle.ahead(line.place, distance);
      if (distance != 0) {
        const uint32_t from = is_up ? line.lower : line.upper;
        const Span place = scratch(builder_.add_scratch(1));
        const StepId received = builder_.receive(lanes_.from(chunk_, from), from, {chunk_}, place);
        values[origin] = {place, {{received, WaitMode::streaming}}};
      }
      if ((is_up ? line.has_upper : line.has_lower) && distance < reach) {
        const uint32_t to = is_up ? line.upper : line.lower;
        const StepId sent = builder_.send(lanes_.to(chunk_, to), to, {chunk_}, values[origin].place, {.waits = values[origin].made});
        if (values[origin].place.buffer == Buffer::input) {
          input_left_.push_back({sent, WaitMode::complete});
        }
      }
    }
  }

  const Problem& problem_;
  const Grid& grid_;
  AxisOrder order_;
  uint32_t rank_;
  uint32_t chunk_;
  Builder& builder_;
  Lanes& lanes_;
  HeardValue value_;
  std::vector<WaitFor> input_left_;
};

Schedule all_reduce(const Problem& problem, const Grid& grid, uint32_t rank) {
  Builder builder({.rank = rank, .chunk_count = grid.axis_count(), .parts = 1});
  Lanes lanes(builder);
  std::vector<ExchangedShare> shares;
  for (uint32_t chunk = 0; chunk < grid.axis_count(); ++chunk) {
    shares.emplace_back(problem, grid, rank, chunk, builder, lanes);
  }
  for (uint32_t turn = grid.axis_count(); turn-- > 0;) {
    for (ExchangedShare& share : shares) {
      share.exchange(turn);
    }
  }
  return std::move(builder).build();
}

// A hop at a time, word of all that have been heard of. Messages say what they say by arriving, so waits are for whole steps.
Schedule barrier(const Grid& grid, uint32_t rank) {
  Builder builder({.rank = rank, .chunk_count = 1, .parts = 1});
  Lanes lanes(builder);
  const AxisOrder order(grid, 0);
  std::vector<WaitFor> before;  // what has come along earlier axes
  std::vector<WaitFor> heard;
  for (uint32_t turn = grid.axis_count(); turn-- > 0;) {
    const Line line(grid, order, turn, rank);
    std::vector<uint32_t> peers;
    if (line.has_upper) {
      peers.push_back(line.upper);
    }
    if (line.has_lower) {
      peers.push_back(line.lower);
    }
    for (uint32_t hop = 0; hop < line.hops; ++hop) {
      for (const uint32_t peer : peers) {
        builder.send(lanes.to(0, peer), peer, {}, input(0), {.waits = heard});
      }
      heard = before;
      for (const uint32_t peer : peers) {
        heard.push_back({builder.receive(lanes.from(0, peer), peer, {}, output(0)), WaitMode::complete});
      }
    }
    before = heard;
  }
  return std::move(builder).build();
}

}  // namespace

bool axis_exchange_solves(const Problem& problem, const Grid&) {
  return (problem.collective == Collective::barrier || problem.collective == Collective::all_reduce) && problem.blocks == Blocks::equal;
}

Schedule axis_exchange(const Problem& problem, const Grid& grid, uint32_t rank) {
  return problem.collective == Collective::barrier ? barrier(grid, rank) : all_reduce(problem, grid, rank);
}

}  // namespace tutti::algorithms::torus
