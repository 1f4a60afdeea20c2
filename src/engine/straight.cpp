// SPDX-License-Identifier: Apache-2.0
#include "engine/straight.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace tutti::engine {
namespace {

using schedule::Buffer;
using schedule::Schedule;
using schedule::Step;
using schedule::StepKind;
using transport::Outcome;

bool is_receipt(StepKind kind) { return kind == StepKind::receive || kind == StepKind::receive_reduce; }

// Whether a step can be run by itself: in this rank's memory alone, and not empty, since both ends skip empty messages.
bool is_plain(const Step& step, const StepPlace& place) {
  const bool is_known = step.kind == StepKind::send || step.kind == StepKind::copy || is_receipt(step.kind);
  const bool is_own = step.source.rank == schedule::kOwnRank && step.target.rank == schedule::kOwnRank;
  return is_known && is_own && !step.gang.exists() && place.bytes != 0;
}

bool has_one_message_each_way(const Schedule& schedule) {
  const auto sends = std::ranges::count(schedule.steps, StepKind::send, &Step::kind);
  const auto receipts = std::ranges::count_if(schedule.steps, is_receipt, &Step::kind);
  return sends <= 1 && receipts <= 1;
}

// What is sent comes first, what is received last.
int rank_of(StepKind kind) { return kind == StepKind::send ? 0 : kind == StepKind::copy ? 1 : 2; }

// The steps in an order in which each comes after all it depends on; of those that may come next, the first by rank_of().
std::vector<uint32_t> ordered(const Schedule& schedule) {
  std::vector<bool> is_done(schedule.steps.size(), false);
  std::vector<uint32_t> order;
  const auto next_of = [&](const schedule::Lane& lane) -> std::optional<uint32_t> {
    for (uint32_t step = lane.first_step; step < lane.first_step + lane.step_count; ++step) {
      if (is_done[step]) {
        continue;
      }
      const auto waits = schedule.waits_of(schedule.steps[step]);
      return std::ranges::all_of(waits, [&](const schedule::Wait& wait) { return is_done[wait.step]; }) ? std::optional(step) : std::nullopt;
    }
    return std::nullopt;
  };
  while (order.size() < schedule.steps.size()) {
    std::optional<uint32_t> chosen;
    for (const schedule::Lane& lane : schedule.lanes) {
      const auto step = next_of(lane);
      if (step && (!chosen || rank_of(schedule.steps[*step].kind) < rank_of(schedule.steps[*chosen].kind))) {
        chosen = step;
      }
    }
    if (!chosen) {
      return {};
    }
    is_done[*chosen] = true;
    order.push_back(*chosen);
  }
  return order;
}

// Directly, by a wait or as the next of its lane.
bool depends_on(const Schedule& schedule, uint32_t step, uint32_t earlier) {
  const bool waits = std::ranges::any_of(schedule.waits_of(schedule.steps[step]), [&](const schedule::Wait& wait) { return wait.step == earlier; });
  const bool follows = std::ranges::any_of(schedule.lanes, [&](const schedule::Lane& lane) {
    return lane.first_step <= earlier && earlier < step && step < lane.first_step + lane.step_count;
  });
  return waits || follows;
}

StraightStep::Kind kind_of(StepKind kind) {
  switch (kind) {
    case StepKind::send: return StraightStep::Kind::send;
    case StepKind::receive: return StraightStep::Kind::receive;
    case StepKind::receive_reduce: return StraightStep::Kind::receive_reduce;
    default: return StraightStep::Kind::copy;
  }
}

class StraightRunner {
 public:
  StraightRunner(Operation& operation, LinkTable& links, Trouble& trouble)
      : operation_(operation),
        program_(operation.program()),
        channel_(operation.is_point_to_point() ? transport::kPointToPointChannel : transport::kFirstCollectiveChannel + operation.first_channel),
        links_(links),
        trouble_(trouble) {}

  Advance run() {
    const std::span<const StraightStep> steps = program_.straight_steps();
    const uint64_t bytes_before = operation_.straight_bytes;
    bool worked = false;
    for (; operation_.straight_step != steps.size(); ++operation_.straight_step) {
      switch (run(steps[operation_.straight_step])) {
        case Outcome::done: worked = true; break;
        case Outcome::would_block: return worked || operation_.straight_bytes != bytes_before ? Advance::worked : Advance::idle;
        case Outcome::failed: return Advance::troubled;
      }
    }
    return Advance::complete;
  }

 private:
  Outcome run(const StraightStep& step) {
    switch (step.kind) {
      case StraightStep::Kind::copy: reduce::copy(source(step), target(step), step.bytes, reduce::Stores::cached); break;
      case StraightStep::Kind::send: return run_send(step);
      case StraightStep::Kind::release: return run_release(step);
      case StraightStep::Kind::receive:
      case StraightStep::Kind::receive_reduce: return run_receipt(step);
    }
    return Outcome::done;
  }

  const std::byte* source(const StraightStep& step) const {
    return (step.source == Buffer::input ? operation_.input : writable(step.source)) + step.source_offset;
  }
  std::byte* target(const StraightStep& step) const { return writable(step.target) + step.target_offset; }
  std::byte* writable(Buffer buffer) const { return buffer == Buffer::output ? operation_.request.output : operation_.scratch; }

  Outcome run_send(const StraightStep& step) {
    const Outcome outcome = links_[step.peer].try_send(channel_, {operation_.frame_word, step.bytes}, {source(step), static_cast<size_t>(step.bytes)});
    if (outcome != Outcome::done) {
      return blocked(outcome, step.peer);
    }
    links_.taken_bytes(step.peer, channel_) += step.bytes;
    return Outcome::done;
  }

  Outcome run_release(const StraightStep& step) {
    return links_[step.peer].released_bytes(channel_) == links_.taken_bytes(step.peer, channel_) ? Outcome::done : Outcome::would_block;
  }

  // The peer's frames may be shorter than this rank's.
  Outcome run_receipt(const StraightStep& step) {
    transport::Link& link = links_[step.peer];
    do {
      std::byte* const place = target(step) + operation_.straight_bytes;
      std::span<std::byte> landing;
      if (step.kind == StraightStep::Kind::receive) {
        landing = {place, static_cast<size_t>(step.bytes - operation_.straight_bytes)};
      }
      transport::Frame frame;
      if (const Outcome outcome = link.peek(channel_, landing, &frame); outcome != Outcome::done) {
        return blocked(outcome, step.peer);
      }
      if (!belongs_here(operation_, frame, {.peer = step.peer, .total_bytes = step.bytes, .moved_bytes = operation_.straight_bytes}, &trouble_)) {
        return Outcome::failed;
      }
      take(step, frame, place);
      operation_.straight_bytes += frame.payload.size();
      link.pop(channel_);
    } while (operation_.straight_bytes != step.bytes);
    operation_.straight_bytes = 0;
    return Outcome::done;
  }

  void take(const StraightStep& step, const transport::Frame& frame, std::byte* place) const {
    if (step.kind == StraightStep::Kind::receive) {
      if (frame.payload.data() != place) {
        reduce::copy(frame.payload.data(), place, frame.payload.size(), reduce::Stores::cached);
      }
      return;
    }
    std::array<const void*, 2> inputs{source(step) + operation_.straight_bytes, frame.payload.data()};
    if (step.operands == schedule::Operands::received_first) {
      std::swap(inputs[0], inputs[1]);
    }
    reduce::reduce(program_.op(), operation_.signature().datatype, inputs, place, frame.payload.size() / program_.element_bytes(), step.final,
                   reduce::Stores::cached);
  }

  Outcome blocked(Outcome outcome, uint32_t peer) {
    if (outcome == Outcome::failed) {
      trouble_ = Trouble{.kind = Trouble::Kind::link_failed, .peer = peer};
    }
    return outcome;
  }

  Operation& operation_;
  const Program& program_;
  const uint32_t channel_;
  LinkTable& links_;
  Trouble& trouble_;
};

}  // namespace

std::vector<StraightStep> straightened(const Schedule& schedule, std::span<const StepPlace> places) {
  if (!has_one_message_each_way(schedule)) {
    return {};
  }
  for (size_t step = 0; step < schedule.steps.size(); ++step) {
    if (!is_plain(schedule.steps[step], places[step])) {
      return {};
    }
  }
  const bool has_one_channel = std::ranges::all_of(schedule.lanes, [](const schedule::Lane& lane) { return lane.channel == 0; });
  const std::vector<uint32_t> order = ordered(schedule);
  const bool receives_last = std::ranges::is_sorted(order, {}, [&](uint32_t step) { return is_receipt(schedule.steps[step].kind); });
  if (!has_one_channel || !receives_last) {
    return {};
  }
  std::vector<StraightStep> steps;
  const uint32_t* sent = nullptr;  // and not released
  const auto release = [&] {
    if (sent != nullptr) {
      steps.push_back({.kind = StraightStep::Kind::release, .peer = schedule.steps[*sent].peer});
      sent = nullptr;
    }
  };
  for (const uint32_t& index : order) {
    const Step& step = schedule.steps[index];
    if (sent != nullptr && depends_on(schedule, index, *sent)) {
      release();
    }
    if (step.kind == StepKind::send) {
      sent = &index;
    }
    steps.push_back({.kind = kind_of(step.kind),
                     .source = step.source.buffer,
                     .target = step.target.buffer,
                     .operands = step.operands,
                     .final = step.final == schedule::Final::yes ? reduce::Final::yes : reduce::Final::no,
                     .peer = step.peer,
                     .bytes = places[index].bytes,
                     .source_offset = places[index].source_offset,
                     .target_offset = places[index].target_offset});
  }
  release();
  return steps;
}

bool fits_frames(const Operation& operation, LinkTable& links) {
  return std::ranges::all_of(operation.program().straight_steps(), [&](const StraightStep& step) {
    return step.kind == StraightStep::Kind::copy || step.bytes <= links[step.peer].max_frame_bytes();
  });
}

Advance advance_straight(Operation& operation, LinkTable& links, Trouble* trouble) { return StraightRunner(operation, links, *trouble).run(); }

}  // namespace tutti::engine
