// SPDX-License-Identifier: Apache-2.0
#include "schedule/rounds.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <tuple>

namespace tutti::schedule {
namespace {

class Course {
 public:
  explicit Course(std::span<const Schedule> schedules) : schedules_(schedules) {
    for (const Schedule& schedule : schedules) {
      done_round_.emplace_back(schedule.steps.size(), kNotDone);
      for (const Lane& lane : schedule.lanes) {
        lanes_.push_back({.rank = schedule.rank, .channel = lane.channel, .next = lane.first_step, .end = lane.first_step + lane.step_count});
        left_ += lane.step_count;
      }
    }
  }

  // Steps that can end in a round make others able to; then comes the next round.
  std::vector<Passage> run() {
    for (uint32_t idle_rounds = 0; left_ != 0 && idle_rounds < 2; ++round_) {
      bool has_moved = false;
      for (bool moves = true; moves;) {
        moves = false;
        for (LaneState& lane : lanes_) {
          while (lane.next != lane.end && advance(lane)) {
            moves = true;
          }
        }
        has_moved = has_moved || moves;
      }
      idle_rounds = has_moved ? 0 : idle_rounds + 1;
    }
    return std::move(passages_);
  }

 private:
  static constexpr uint32_t kNotDone = UINT32_MAX;

  struct LaneState {
    uint32_t rank = 0;
    uint32_t channel = 0;
    uint32_t next = 0;
    uint32_t end = 0;
    bool is_under_way = false;  // its next step has begun, in the round before
    uint32_t began_round = 0;
  };
  using Wire = std::tuple<uint32_t, uint32_t, uint32_t>;  // source, target, channel

  // Whether the lane's next step has begun or ended.
  bool advance(LaneState& lane) {
    const Schedule& schedule = schedules_[lane.rank];
    const Step& step = schedule.steps[lane.next];
    if (lane.is_under_way) {
      return lane.began_round < round_ && end(lane);
    }
    for (const Wait& wait : schedule.waits_of(step)) {
      if (done_round_[lane.rank][wait.step] == kNotDone) {
        return false;
      }
    }
    switch (step.kind) {
      case StepKind::send:
      case StepKind::signal:
        arrivals_[{lane.rank, step.peer, lane.channel}].push_back({.round = round_ + 1, .passage = passages_.size()});
        pass(step, {lane.rank, step.peer}, step.kind == StepKind::signal ? Passage::Kind::told : Passage::Kind::copied);
        return step.kind == StepKind::signal ? end(lane) : begin(lane);  // of signals there may be many in a round
      case StepKind::receive:
      case StepKind::receive_reduce:
      case StepKind::await: return receive(lane, step);
      case StepKind::copy:
      case StepKind::reduce: return reach(lane, step) ? begin(lane) : end(lane);
    }
    return false;
  }

  bool receive(LaneState& lane, const Step& step) {
    std::deque<Arrival>& arrivals = arrivals_[{step.peer, lane.rank, lane.channel}];
    if (arrivals.empty() || arrivals.front().round > round_) {
      return false;
    }
    if (step.kind == StepKind::receive_reduce) {
      passages_[arrivals.front().passage].kind = Passage::Kind::reduced;
    }
    arrivals.pop_front();
    return end(lane);
  }

  // Notes what comes from and goes to peers' memory; whether anything does.
  bool reach(const LaneState& lane, const Step& step) {
    const size_t before = passages_.size();
    const Schedule& schedule = schedules_[lane.rank];
    const auto from = [&](const Span& span) {
      if (span.rank != kOwnRank) {
        pass(step, {span.rank, lane.rank}, step.kind == StepKind::reduce ? Passage::Kind::reduced : Passage::Kind::copied);
      }
    };
    const auto to = [&](const Span& span) {
      if (span.rank != kOwnRank) {
        pass(step, {lane.rank, span.rank}, Passage::Kind::copied);
      }
    };
    if (step.kind == StepKind::reduce) {
      std::ranges::for_each(schedule.sources_of(step), from);
      std::ranges::for_each(schedule.further_targets_of(step), to);
    } else if (!step.if_private) {  // drawn as if outputs were shared
      from(step.source);
    }
    to(step.target);
    return passages_.size() != before;
  }

  struct Ends {
    uint32_t source = 0;
    uint32_t target = 0;
  };
  void pass(const Step& step, const Ends& ends, Passage::Kind kind) {
    passages_.push_back({.round = round_,
                         .source = ends.source,
                         .target = ends.target,
                         .first_chunk = step.first_chunk,
                         .chunk_count = step.chunk_count,
                         .kind = kind});
  }

  bool begin(LaneState& lane) {
    lane.is_under_way = true;
    lane.began_round = round_;
    return true;
  }
  bool end(LaneState& lane) {
    done_round_[lane.rank][lane.next] = round_;
    lane.is_under_way = false;
    ++lane.next;
    --left_;
    return true;
  }

  struct Arrival {
    uint32_t round = 0;
    size_t passage = 0;
  };

  std::span<const Schedule> schedules_;
  std::vector<LaneState> lanes_;
  std::vector<std::vector<uint32_t>> done_round_;  // by rank and step
  std::map<Wire, std::deque<Arrival>> arrivals_;
  std::vector<Passage> passages_;
  size_t left_ = 0;
  uint32_t round_ = 0;
};

}  // namespace

std::vector<Passage> rounds_of(std::span<const Schedule> schedules) { return Course(schedules).run(); }

}  // namespace tutti::schedule
