// SPDX-License-Identifier: Apache-2.0
#include "algorithms/bruck/all_gather.hpp"

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::bruck {
namespace {

using namespace schedule;

// A rank gathers the blocks of the ranks ahead of it, in the order of the circle: block j is that of the rank j ahead.
// What it will pass on must lie together in that order, which in the output it does where the circle does not come
// around; elsewhere it lies in scratch first.
class Gathering {
 public:
  Gathering(const Problem& problem, uint32_t rank)
      : problem_(problem),
        rank_(rank),
        circle_{problem.rank_count},
        passed_on_(std::bit_ceil(problem.rank_count) / 2),
        builder_({.rank = rank, .chunk_count = problem.rank_count, .parts = 1}),
        sends_(builder_.add_lane()),
        receives_(builder_.add_lane()) {}

  Schedule build() && {
    place_own_block();
    std::vector<WaitFor> gathered;
    for (uint32_t distance = 1; distance < passed_on_; distance *= 2) {
      send(distance, gathered);
      const uint32_t peer = circle_.ahead(rank_, distance);
      gathered = {{builder_.receive(receives_, peer, {peer, distance}, place(distance))}};
    }
    send(passed_on_, gathered);
    if (comes_around()) {
      move_to_output(gathered);
    }
    receive_rest();
    return std::move(builder_).build();
  }

 private:
  bool comes_around() const { return rank_ + passed_on_ > circle_.size; }
  Span place(uint32_t block) const { return comes_around() ? scratch(scratch_ + block) : output(rank_ + block); }

  void place_own_block() {
    if (comes_around()) {
      scratch_ = builder_.add_scratch(passed_on_);
    } else if (problem_.in_place == InPlace::yes) {
      return;
    }
    builder_.copy(receives_, {rank_}, {.source = input(0), .target = place(0)});
  }

  void send(uint32_t distance, const std::vector<WaitFor>& gathered) {
    const uint32_t count = std::min(distance, circle_.size - distance);
    builder_.send(sends_, circle_.behind(rank_, distance), {rank_, count}, distance == 1 ? input(0) : place(0),
                  {.waits = gathered});
  }

  // The blocks that nobody gets from here.
  void receive_rest() {
    const uint32_t peer = circle_.ahead(rank_, passed_on_);
    const uint32_t count = circle_.size - passed_on_;
    if (peer + count <= circle_.size) {
      builder_.receive(receives_, peer, {peer, count}, output(peer));
      return;
    }
    const uint32_t rest = builder_.add_scratch(count);
    builder_.receive(receives_, peer, {peer, count}, scratch(rest));
    const uint32_t before_end = circle_.size - peer;
    builder_.copy(receives_, {peer, before_end}, {.source = scratch(rest), .target = output(peer)});
    builder_.copy(receives_, {0, count - before_end}, {.source = scratch(rest + before_end), .target = output(0)});
  }

  // Beside the last round. In place, the own block is there already.
  void move_to_output(std::vector<WaitFor> gathered) {
    const LaneId lane = builder_.add_lane();
    const uint32_t before_end = circle_.size - rank_;
    const uint32_t first = problem_.in_place == InPlace::yes ? 1 : 0;
    if (first < before_end) {
      builder_.copy(lane, {rank_ + first, before_end - first},
                    {.source = scratch(scratch_ + first), .target = output(rank_ + first)},
                    {.waits = std::exchange(gathered, {})});
    }
    builder_.copy(lane, {0, passed_on_ - before_end}, {.source = scratch(scratch_ + before_end), .target = output(0)},
                  {.waits = std::move(gathered)});
  }

  const Problem& problem_;
  uint32_t rank_;
  Circle circle_;
  uint32_t passed_on_;  // blocks 0 .. passed_on_-1 are sent on
  Builder builder_;
  LaneId sends_;  // the first lane, so that no copy delays a message
  LaneId receives_;
  uint32_t scratch_ = 0;
};

}  // namespace

Schedule all_gather(const Problem& problem, uint32_t rank) { return Gathering(problem, rank).build(); }

}  // namespace tutti::algorithms::bruck
