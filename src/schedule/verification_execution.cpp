// SPDX-License-Identifier: Apache-2.0
// Second pass: runs all ranks with rendezvous messages; signals and awaits are messages without data. A step is ready when it is the first of its
// lane that has not completed and all steps it waits for have completed; that holds for streaming waits too, since a schedule must not need a
// slice of one step before another has ended. A local step completes once ready; a send completes together with its receive once both are ready.
// Lanes are sequential and channels are first in, first out, so every order of completing ready steps ends in the same state: one run decides.
#include <algorithm>
#include <deque>
#include <unordered_map>

#include "schedule/verification.hpp"

namespace tutti::schedule::verification {
namespace {

enum class End : uint8_t { sending, receiving };

class Run {
 public:
  explicit Run(const World& world);
  Result<Execution> to_end();

 private:
  struct LaneState {
    uint32_t rank = 0;
    uint32_t channel = 0;
    uint32_t next = 0;  // its first step that has not completed
    uint32_t end = 0;
  };
  struct StepState {
    uint32_t lane = 0;
    uint32_t pending_waits = 0;
    bool completed = false;
    std::vector<uint32_t> waiters;
  };

  void add_lanes(uint32_t rank);
  void add_waits(uint32_t rank);
  static uint64_t port(End end, uint32_t rank, uint32_t peer, uint32_t channel);
  // The lane at the other end of a message step, kNone when no lane there ever has one to match.
  uint32_t lane_across(uint32_t step) const;
  bool is_head(uint32_t step) const { return lanes_[states_[step].lane].next == step; }
  bool is_ready(uint32_t step) const { return is_head(step) && states_[step].pending_waits == 0; }
  bool matches(uint32_t step, uint32_t other) const;
  Status advance(uint32_t step);
  Status meet(uint32_t send, uint32_t receive);
  void complete(uint32_t step);
  std::string deadlock() const;
  std::string blocked_text(uint32_t step, uint32_t& blocker) const;

  const World& world_;
  std::vector<LaneState> lanes_;
  std::vector<StepState> states_;
  std::unordered_map<uint64_t, uint32_t> lane_at_port_;
  std::deque<uint32_t> ready_;
  Execution execution_;
};

Run::Run(const World& world) : world_(world), states_(world.step_count()) {
  execution_.order.reserve(world.step_count());
  execution_.sender.assign(world.step_count(), kNone);
  execution_.lane_previous.assign(world.step_count(), kNone);
  for (uint32_t rank = 0; rank < world.rank_count(); ++rank) {
    add_lanes(rank);
    add_waits(rank);
  }
}

void Run::add_lanes(uint32_t rank) {
  const Schedule& schedule = world_.schedules()[rank];
  for (const Lane& lane : schedule.lanes) {
    const uint32_t begin = world_.first_step_of(rank) + lane.first_step;
    const auto lane_index = static_cast<uint32_t>(lanes_.size());
    lanes_.push_back({.rank = rank, .channel = lane.channel, .next = begin, .end = begin + lane.step_count});
    for (uint32_t step = begin; step < begin + lane.step_count; ++step) {
      states_[step].lane = lane_index;
      execution_.lane_previous[step] = step == begin ? kNone : step - 1;
      const Step& description = world_.at(step);
      if (is_outgoing(description.kind)) {
        lane_at_port_[port(End::sending, rank, description.peer, lane.channel)] = lane_index;
      } else if (is_incoming(description.kind)) {
        lane_at_port_[port(End::receiving, rank, description.peer, lane.channel)] = lane_index;
      }
    }
  }
}

void Run::add_waits(uint32_t rank) {
  const Schedule& schedule = world_.schedules()[rank];
  const uint32_t first = world_.first_step_of(rank);
  for (uint32_t index = 0; index < schedule.steps.size(); ++index) {
    for (const Wait& wait : schedule.waits_of(schedule.steps[index])) {
      states_[first + wait.step].waiters.push_back(first + index);
      ++states_[first + index].pending_waits;
    }
  }
}

uint64_t Run::port(End end, uint32_t rank, uint32_t peer, uint32_t channel) {
  static_assert(kMaxChannels <= 16);
  static_assert(kMaxRanks <= uint64_t{1} << 29);
  return (uint64_t{rank} << 34) | (uint64_t{peer} << 5) | (channel << 1) | static_cast<uint64_t>(end);
}

uint32_t Run::lane_across(uint32_t step) const {
  const Step& description = world_.at(step);
  const End other_end = is_outgoing(description.kind) ? End::receiving : End::sending;
  const auto found = lane_at_port_.find(port(other_end, description.peer, world_.rank_of(step), lanes_[states_[step].lane].channel));
  return found == lane_at_port_.end() ? kNone : found->second;
}

// Whether `other`, the head of the lane across from `step`, is the other end of step's message.
bool Run::matches(uint32_t step, uint32_t other) const {
  const Step& description = world_.at(other);
  const bool other_end = is_outgoing(world_.at(step).kind) ? is_incoming(description.kind) : is_outgoing(description.kind);
  return other_end && description.peer == world_.rank_of(step);
}

Status Run::advance(uint32_t step) {
  if (states_[step].completed || !is_ready(step)) {
    return {};  // it was met from the other side
  }
  const StepKind kind = world_.at(step).kind;
  if (is_local(kind)) {
    complete(step);
    return {};
  }
  const uint32_t lane = lane_across(step);
  if (lane == kNone || lanes_[lane].next == lanes_[lane].end) {
    return {};
  }
  const uint32_t other = lanes_[lane].next;
  if (!is_ready(other) || !matches(step, other)) {
    return {};  // the other end looks here when it becomes ready
  }
  return is_outgoing(kind) ? meet(step, other) : meet(other, step);
}

Status Run::meet(uint32_t send, uint32_t receive) {
  const Step& sent = world_.at(send);
  const Step& received = world_.at(receive);
  if (is_signalling(sent.kind) != is_signalling(received.kind)) {
    return invalid_argument("{} meets {}: a signal is met by an await, and data by a receive", world_.describe(send), world_.describe(receive));
  }
  if (sent.first_chunk != received.first_chunk || sent.chunk_count != received.chunk_count) {
    return invalid_argument("{} sends chunks {}..{}, but {} expects {}..{}", world_.describe(send), sent.first_chunk,
                            uint64_t{sent.first_chunk} + sent.chunk_count - 1, world_.describe(receive), received.first_chunk,
                            uint64_t{received.first_chunk} + received.chunk_count - 1);
  }
  execution_.sender[receive] = send;
  complete(send);
  complete(receive);
  return {};
}

void Run::complete(uint32_t step) {
  states_[step].completed = true;
  execution_.order.push_back(step);
  for (const uint32_t waiter : states_[step].waiters) {
    if (--states_[waiter].pending_waits == 0) {
      ready_.push_back(waiter);
    }
  }
  LaneState& lane = lanes_[states_[step].lane];
  if (++lane.next < lane.end) {
    ready_.push_back(lane.next);
  }
}

Result<Execution> Run::to_end() {
  for (const LaneState& lane : lanes_) {
    ready_.push_back(lane.next);
  }
  while (!ready_.empty()) {
    const uint32_t step = ready_.front();
    ready_.pop_front();
    TUTTI_UNEXPECTED_IF_ERROR(advance(step));
  }
  if (execution_.order.size() != world_.step_count()) {
    return tl::make_unexpected(invalid_argument("{}", deadlock()));
  }
  return std::move(execution_);
}

// Why the head of a lane does not complete. `blocker` becomes the head that must complete first, or kNone when none can help.
std::string Run::blocked_text(uint32_t step, uint32_t& blocker) const {
  const Schedule& schedule = world_.schedule_of(step);
  const uint32_t first = world_.first_step_of(world_.rank_of(step));
  for (const Wait& wait : schedule.waits_of(world_.at(step))) {
    if (!states_[first + wait.step].completed) {
      blocker = lanes_[states_[first + wait.step].lane].next;
      return fmt::format("{} waits for {}", world_.describe(step), world_.describe_beside(first + wait.step));
    }
  }
  const Step& description = world_.at(step);
  const bool signals = is_signalling(description.kind);
  const std::string_view other_end = is_outgoing(description.kind) ? (signals ? "await" : "receive") : (signals ? "signal" : "send");
  const uint32_t lane = lane_across(step);
  if (lane == kNone || lanes_[lane].next == lanes_[lane].end) {
    blocker = kNone;
    return fmt::format("{} finds no {} left at rank {}", world_.describe(step), other_end, description.peer);
  }
  blocker = lanes_[lane].next;
  return fmt::format("{} waits for rank {} to {}", world_.describe(step), description.peer, other_end);
}

std::string Run::deadlock() const {
  constexpr size_t kShownCount = 8;
  const auto stuck = std::find_if(lanes_.begin(), lanes_.end(), [](const LaneState& lane) { return lane.next != lane.end; });
  std::string text = "deadlock";
  uint32_t step = stuck->next;
  const uint32_t start = step;
  for (size_t shown = 0; shown < kShownCount && step != kNone && (shown == 0 || step != start); ++shown) {
    uint32_t blocker = kNone;
    text += (shown == 0 ? ": " : "; ") + blocked_text(step, blocker);
    step = blocker;
  }
  return text;
}

}  // namespace

Result<Execution> execute(const World& world) { return Run(world).to_end(); }

}  // namespace tutti::schedule::verification
