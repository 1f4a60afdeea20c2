// SPDX-License-Identifier: Apache-2.0
// First pass: bounds. Everything after it may follow indices without looking.
#include <map>
#include <tuple>

#include "schedule/names.hpp"
#include "schedule/verification.hpp"

namespace tutti::schedule::verification {
namespace {

// How many chunks the problem has, for one part per block and rank as the schedule says; a vector may have any number.
uint64_t expected_chunk_count(const Problem& problem, const Schedule& schedule) {
  const uint64_t rank_count = problem.rank_count;
  if (problem.collective == Collective::barrier) {
    return 1;
  }
  if (is_cut_vector(problem.collective)) {
    return schedule.chunk_count;
  }
  const uint64_t blocks = problem.collective == Collective::all_to_all ? rank_count * rank_count : rank_count;
  uint64_t chunks = 0;
  return __builtin_mul_overflow(blocks, uint64_t{schedule.parts}, &chunks) ? UINT64_MAX : chunks;
}

Status check_problem(const Problem& problem, size_t schedule_count) {
  if (static_cast<uint32_t>(problem.collective) >= kCollectiveCount) {
    return invalid_argument("collective {} does not exist", static_cast<int>(problem.collective));
  }
  if (problem.collective == Collective::send || problem.collective == Collective::receive) {
    return invalid_argument("{} is one end of a message, not a collective to verify", name_of(problem.collective));
  }
  if (problem.rank_count == 0) {
    return invalid_argument("the problem has no ranks");
  }
  if (problem.rank_count > kMaxRanks) {
    return invalid_argument("{} ranks; {} are verified at most", problem.rank_count, kMaxRanks);
  }
  if (problem.rank_count != schedule_count) {
    return invalid_argument("{} schedules for {}", schedule_count, to_string(problem));
  }
  if (is_rooted(problem.collective) && problem.root >= problem.rank_count) {
    return invalid_argument("root {} is not one of {} ranks", problem.root, problem.rank_count);
  }
  return {};
}

Status check_shape(const Problem& problem, const Schedule& schedule) {
  const uint32_t rank = schedule.rank;
  if (schedule.chunk_count == 0 || schedule.parts == 0) {
    return invalid_argument("rank {} has {} chunks in {} parts per block", rank, schedule.chunk_count, schedule.parts);
  }
  if (is_cut_vector(problem.collective) && schedule.parts != 1) {
    return invalid_argument("rank {} has {} parts per block, but {} has no blocks", rank, schedule.parts,
                            name_of(problem.collective));
  }
  const uint64_t expected = expected_chunk_count(problem, schedule);
  if (schedule.chunk_count != expected) {
    return invalid_argument("rank {} has {} chunks where {} with {} parts per block has {}", rank, schedule.chunk_count,
                            to_string(problem), schedule.parts, expected);
  }
  if (schedule.channel_count == 0 || schedule.channel_count > kMaxChannels) {
    return invalid_argument("rank {} has {} channels, outside 1..{}", rank, schedule.channel_count, kMaxChannels);
  }
  return {};
}

// Checks one rank's schedule by itself, but for the peers' buffers that it names.
class RankChecker {
 public:
  // `slots` are all ranks', whose schedules have passed check_shape().
  RankChecker(const Problem& problem, const Schedule& schedule, const VerifyOptions& options, std::span<const Slots> slots)
      : problem_(problem), schedule_(schedule), options_(options), slots_(slots) {}

  Status check(uint64_t& touched_slots) {
    TUTTI_RETURN_IF_ERROR(check_lanes());
    for (uint32_t index = 0; index < schedule_.steps.size(); ++index) {
      step_index_ = index;
      step_ = &schedule_.steps[index];
      TUTTI_RETURN_IF_ERROR(check_step(touched_slots));
    }
    return check_channels();
  }

 private:
  template <typename... Args>
  Status step_error(fmt::format_string<Args...> format, Args&&... args) const {
    const std::string text = fmt::format(format, std::forward<Args>(args)...);
    return options_.step_name ? invalid_argument("{} {}", options_.step_name(schedule_.rank, step_index_), text)
                              : invalid_argument("rank {} step {} ({}) {}", schedule_.rank, step_index_, name_of(step_->kind), text);
  }

  Status check_lanes() const {
    uint64_t next_step = 0;
    for (size_t index = 0; index < schedule_.lanes.size(); ++index) {
      const Lane& lane = schedule_.lanes[index];
      if (lane.channel >= schedule_.channel_count) {
        return invalid_argument("rank {} lane {} is on channel {} of {}", schedule_.rank, index, lane.channel,
                                schedule_.channel_count);
      }
      if (lane.step_count == 0) {
        return invalid_argument("rank {} lane {} has no steps", schedule_.rank, index);
      }
      if (lane.first_step != next_step) {
        return invalid_argument("rank {} lane {} begins with step {}, but the lanes before it end at {}", schedule_.rank, index,
                                lane.first_step, next_step);
      }
      next_step += lane.step_count;
    }
    if (next_step != schedule_.steps.size()) {
      return invalid_argument("rank {} has {} steps, but its lanes hold {}", schedule_.rank, schedule_.steps.size(), next_step);
    }
    return {};
  }

  Status check_step(uint64_t& touched_slots) const {
    TUTTI_RETURN_IF_ERROR(check_enumerations());
    TUTTI_RETURN_IF_ERROR(check_chunks());
    TUTTI_RETURN_IF_ERROR(check_peer());
    TUTTI_RETURN_IF_ERROR(check_waits());
    TUTTI_RETURN_IF_ERROR(check_reduction());
    touched_slots += step_->chunk_count * (uint64_t{2} + step_->source_count + step_->target_count);
    if (touched_slots > kMaxTouchedSlots) {
      return step_error("is one too many: the steps touch more than {} slots", kMaxTouchedSlots);
    }
    return check_spans();
  }

  Status check_enumerations() const {
    if (step_->kind > StepKind::await) {
      return step_error("has kind {}, which does not exist", static_cast<int>(step_->kind));
    }
    if (step_->operands > Operands::received_first || step_->final > Final::yes) {
      return step_error("has operands {} and final {}, which do not exist", static_cast<int>(step_->operands),
                        static_cast<int>(step_->final));
    }
    return {};
  }

  Status check_chunks() const {
    const uint64_t end_chunk = uint64_t{step_->first_chunk} + step_->chunk_count;
    if (step_->chunk_count == 0) {
      return step_error("has no chunks");
    }
    if (step_->first_chunk >= schedule_.chunk_count || step_->chunk_count > schedule_.chunk_count) {
      return step_error("has chunks {}..{} of {}", step_->first_chunk, end_chunk - 1, schedule_.chunk_count);
    }
    if (is_cut_vector(problem_.collective) && end_chunk > schedule_.chunk_count) {
      return step_error("has chunks {}..{} of {}: a vector does not wrap", step_->first_chunk, end_chunk - 1,
                        schedule_.chunk_count);
    }
    if (step_->chunk_count > 1 && schedule_.parts > 1) {
      return step_error("has {} chunks, but blocks in parts move part by part", step_->chunk_count);
    }
    if (step_->chunk_count > 1 && has_variable_blocks()) {
      return step_error("has {} chunks, but variable blocks move one by one", step_->chunk_count);
    }
    if (has_variable_blocks() && !knows_length_of(step_->first_chunk / schedule_.parts)) {
      return step_error("has chunk {}, whose length the rank does not know", step_->first_chunk);
    }
    return {};
  }

  bool has_variable_blocks() const {
    return problem_.blocks == Blocks::variable && !is_cut_vector(problem_.collective);
  }

  bool knows_length_of(uint32_t block) const {
    switch (problem_.collective) {
      case Collective::all_to_all:
        return block / problem_.rank_count == schedule_.rank || block % problem_.rank_count == schedule_.rank;
      case Collective::gather:
      case Collective::scatter:
        return schedule_.rank == problem_.root || schedule_.rank == block;
      default:
        return true;
    }
  }

  Status check_peer() const {
    if (is_local(step_->kind)) {
      return {};
    }
    if (step_->peer >= problem_.rank_count) {
      return step_error("has peer {} of {} ranks", step_->peer, problem_.rank_count);
    }
    if (step_->peer == schedule_.rank) {
      return step_error("has its own rank as peer");
    }
    if (is_outgoing(step_->kind) && options_.has_link && !options_.has_link(schedule_.rank, step_->peer)) {
      return step_error("goes to rank {}, to which there is no link", step_->peer);
    }
    return {};
  }

  Status check_waits() const {
    if (uint64_t{step_->first_wait} + step_->wait_count > schedule_.waits.size()) {
      return step_error("has waits {}..{} of {}", step_->first_wait, uint64_t{step_->first_wait} + step_->wait_count,
                        schedule_.waits.size());
    }
    for (const Wait& wait : schedule_.waits_of(*step_)) {
      if (wait.mode > WaitMode::streaming) {
        return step_error("has a wait of mode {}, which does not exist", static_cast<int>(wait.mode));
      }
      if (wait.step >= schedule_.steps.size()) {
        return step_error("waits for step {} of {}", wait.step, schedule_.steps.size());
      }
      if (wait.step == step_index_) {
        return step_error("waits for itself");
      }
      const Step& other = schedule_.steps[wait.step];
      const bool same_chunks = other.first_chunk == step_->first_chunk && other.chunk_count == step_->chunk_count;
      if (wait.mode == WaitMode::streaming && !same_chunks) {
        return step_error("streams behind step {}, which has other chunks", wait.step);
      }
      if (wait.mode == WaitMode::streaming && (is_signalling(step_->kind) || is_signalling(other.kind))) {
        return step_error("streams behind step {}, but signals have no data", wait.step);
      }
    }
    return {};
  }

  Status check_reduction() const {
    if (uint64_t{step_->first_source} + step_->source_count > schedule_.sources.size()) {
      return step_error("has sources {}..{} of {}", step_->first_source, uint64_t{step_->first_source} + step_->source_count,
                        schedule_.sources.size());
    }
    if (step_->kind == StepKind::reduce && step_->source_count == 0) {
      return step_error("has no sources");
    }
    if (uint64_t{step_->first_target} + step_->target_count > schedule_.targets.size()) {
      return step_error("has further targets {}..{} of {}", step_->first_target, uint64_t{step_->first_target} + step_->target_count,
                        schedule_.targets.size());
    }
    if (step_->kind != StepKind::reduce && step_->target_count > 0) {
      return step_error("has further targets, which only reduce has");
    }
    if (is_reducing_step(step_->kind) && !is_reducing(problem_.collective) && problem_.collective != Collective::barrier) {
      return step_error("reduces, which {} does not", name_of(problem_.collective));
    }
    if (step_->gang.exists() && step_->kind != StepKind::send) {
      return step_error("is in gang {}, but only sends are in gangs", step_->gang.number);
    }
    if (step_->final == Final::yes && !is_reducing_step(step_->kind)) {
      return step_error("is final, but reduces nothing");
    }
    return {};
  }

  Status check_spans() const {
    std::vector<Span> sources;
    std::vector<Span> targets;
    for_each_source(schedule_, *step_, [&](const Span& span) { sources.push_back(span); });
    for_each_target(schedule_, *step_, [&](const Span& span) { targets.push_back(span); });
    for (const Span& source : sources) {
      TUTTI_RETURN_IF_ERROR(check_owner(source));
      TUTTI_RETURN_IF_ERROR(check_span(source, "reads"));
    }
    std::map<uint32_t, Span> target_at;  // by rank
    for (size_t index = 0; index < targets.size(); ++index) {
      TUTTI_RETURN_IF_ERROR(check_target(targets[index], index));
      if (!target_at.try_emplace(owner(targets[index]), targets[index]).second) {
        return step_error("writes to {}, and elsewhere in the same rank's memory", text_of(targets[index]));
      }
    }
    for (const Span& source : sources) {
      const auto target = target_at.find(owner(source));
      if (target != target_at.end()) {
        TUTTI_RETURN_IF_ERROR(check_distance(source, target->second));
      }
    }
    return check_if_private();
  }

  uint32_t owner(const Span& span) const { return span.rank == kOwnRank ? schedule_.rank : span.rank; }

  // Whether the span may lie where it does, as far as that depends on whose it is.
  Status check_owner(const Span& span) const {
    if (span.rank == kOwnRank) {
      return {};
    }
    if (step_->kind != StepKind::copy && step_->kind != StepKind::reduce) {
      return step_error("names {}: only copy and reduce work in a peer's memory", text_of(span));
    }
    if (span.rank >= problem_.rank_count) {
      return step_error("names {} of {} ranks", text_of(span), problem_.rank_count);
    }
    if (span.rank == schedule_.rank) {
      return step_error("names {}, its own, as a peer's", text_of(span));
    }
    if (span.buffer != Buffer::input && span.buffer != Buffer::output) {
      return step_error("names {}: of a peer's memory, only input and output are in reach", text_of(span));
    }
    if (has_variable_blocks()) {
      return step_error("names {}: only its owner knows where variable blocks lie", text_of(span));
    }
    return {};
  }

  Status check_target(const Span& target, size_t index) const {
    TUTTI_RETURN_IF_ERROR(check_owner(target));
    if (target.buffer == Buffer::input) {
      return step_error("writes to {}: inputs are read only", text_of(target));
    }
    const bool is_peers = target.rank != kOwnRank;
    if (step_->kind == StepKind::reduce && is_peers != (index > 0)) {
      return step_error("writes to {}: the first target is the rank's own, and the further ones are peers'", text_of(target));
    }
    if (step_->kind == StepKind::copy && is_peers && step_->source.rank != kOwnRank) {
      return step_error("copies from {} to {}: one end must be the rank's own", text_of(step_->source), text_of(target));
    }
    return check_span(target, "writes to");
  }

  Status check_if_private() const {
    if (step_->if_private && (step_->kind != StepKind::copy || step_->source.rank == kOwnRank)) {
      return step_error("is done if the output is private, which only a copy from a peer can be");
    }
    return {};
  }

  // Of one rank's memory, the same or none in common: what is done slice by slice must not overtake itself.
  Status check_distance(const Span& source, const Span& target) const {
    if (source.buffer == Buffer::none || target.buffer == Buffer::none) {
      return {};
    }
    const Slots& slots = slots_[owner(target)];
    const uint64_t from = slots.location(source);
    const uint64_t to = slots.location(target);
    const uint64_t distance = from > to ? from - to : to - from;
    if (distance != 0 && distance < step_->chunk_count) {
      return step_error("reads {} and writes {} chunks to {}, which overlap", text_of(source), step_->chunk_count, text_of(target));
    }
    return {};
  }

  Status check_span(const Span& span, std::string_view access) const {
    if (span.buffer > Buffer::scratch) {
      return step_error("{} buffer {}, which does not exist", access, static_cast<int>(span.buffer));
    }
    if (span.buffer == Buffer::none) {
      return problem_.collective == Collective::barrier ? Status() : step_error("{} nothing", access);
    }
    const uint64_t slot_count = slots_[owner(span)].count(span.buffer);
    if (slot_count == 0) {
      return step_error("{} {}, but the rank has no {}", access, text_of(span), name_of(span.buffer));
    }
    if (uint64_t{span.slot} + step_->chunk_count > slot_count) {
      return step_error("{} {} chunks at {}, out of bounds of {} slots", access, step_->chunk_count, text_of(span), slot_count);
    }
    return check_placement(span, access);
  }

  // Whether the slots have the lengths of the step's chunks.
  Status check_placement(const Span& span, std::string_view access) const {
    if (span.buffer == Buffer::scratch) {
      return {};
    }
    const bool own_slot_only = is_cut_vector(problem_.collective) || has_variable_blocks();
    if (!own_slot_only && schedule_.parts == 1) {
      return {};
    }
    for (uint32_t index = 0; index < step_->chunk_count; ++index) {
      const uint32_t chunk = (step_->first_chunk + index) % schedule_.chunk_count;
      const Span slot{.buffer = span.buffer, .slot = span.slot + index, .rank = span.rank};
      const uint32_t home = slots_[owner(span)].chunk_of(slot);
      const bool fits = own_slot_only ? home == chunk : home % schedule_.parts == chunk % schedule_.parts;
      if (!fits) {
        return step_error("{} {}, the slot of chunk {}, for chunk {}", access, text_of(slot), home, chunk);
      }
    }
    return {};
  }

  // At most one lane of a channel sends to a peer, and at most one receives from it; otherwise the order of messages is open.
  Status check_channels() const {
    std::map<std::tuple<uint32_t, uint32_t, bool>, size_t> lane_of;
    for (size_t index = 0; index < schedule_.lanes.size(); ++index) {
      const Lane& lane = schedule_.lanes[index];
      for (const Step& step : schedule_.steps_of(lane)) {
        if (is_local(step.kind)) {
          continue;
        }
        const bool sends = is_outgoing(step.kind);
        const auto [entry, inserted] = lane_of.try_emplace({lane.channel, step.peer, sends}, index);
        if (!inserted && entry->second != index) {
          return invalid_argument("rank {} lanes {} and {} both {} rank {} on channel {}", schedule_.rank, entry->second, index,
                                  sends ? "send to" : "receive from", step.peer, lane.channel);
        }
      }
    }
    return {};
  }

  const Problem& problem_;
  const Schedule& schedule_;
  const VerifyOptions& options_;
  std::span<const Slots> slots_;  // by rank
  uint32_t step_index_ = 0;
  const Step* step_ = nullptr;  // points into schedule_
};

}  // namespace

Status check_structure(const Problem& problem, std::span<const Schedule> schedules, const VerifyOptions& options) {
  TUTTI_RETURN_IF_ERROR(check_problem(problem, schedules.size()));
  uint64_t step_count = 0;
  uint64_t slot_count = 0;
  for (uint32_t rank = 0; rank < schedules.size(); ++rank) {
    const Schedule& schedule = schedules[rank];
    if (schedule.rank != rank) {
      return invalid_argument("the schedule at {} is rank {}'s", rank, schedule.rank);
    }
    if (schedule.chunk_count != schedules[0].chunk_count || schedule.parts != schedules[0].parts) {
      return invalid_argument("rank {} has {} chunks in {} parts per block, rank 0 has {} in {}", rank, schedule.chunk_count,
                              schedule.parts, schedules[0].chunk_count, schedules[0].parts);
    }
    if (schedule.least_slices != schedules[0].least_slices) {  // prices count on the same everywhere
      return invalid_argument("rank {} has messages of {} slices at least, rank 0 of {}", rank, schedule.least_slices, schedules[0].least_slices);
    }
    if (schedule.channel_count != schedules[0].channel_count) {  // the channels after these are the next call's
      return invalid_argument("rank {} has {} channels, rank 0 has {}", rank, schedule.channel_count, schedules[0].channel_count);
    }
    step_count += schedule.steps.size();
    if (step_count > kMaxSteps) {
      return invalid_argument("rank {} brings the schedules to {} steps; {} are verified at most", rank, step_count, kMaxSteps);
    }
    slot_count += Slots(problem, schedule, InPlace::no).location_count();
    if (slot_count > kMaxSlots) {
      return invalid_argument("rank {} brings the schedules to {} slots; {} are verified at most", rank, slot_count, kMaxSlots);
    }
    TUTTI_RETURN_IF_ERROR(check_shape(problem, schedule));
  }
  const std::vector<Slots> slots = slots_of(problem, schedules, options);
  uint64_t touched_slots = 0;
  for (const Schedule& schedule : schedules) {
    TUTTI_RETURN_IF_ERROR(RankChecker(problem, schedule, options, slots).check(touched_slots));
  }
  return {};
}

}  // namespace tutti::schedule::verification
