// SPDX-License-Identifier: Apache-2.0
// The verifier's passes, each relying on those before it having succeeded:
//   structure   every index, rank, slot, lane and channel of every schedule is within bounds
//   execution   the schedules run to their end with rendezvous messages; who meets whom, and an order in which steps complete
//   gangs       messages that travel as one are alike, or are reduced together
//   races       happens-before over that run; no two steps conflict on a slot without an order; peers come into a rank's memory only between its
//               first signal to them and its end
//   contents    what each slot holds, symbolically, in that order; the postcondition
// Which outputs are shared decides what is accessed, but not who waits for whom: races and contents are looked at under each Sharing.
// Private to the verifier.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/status.hpp"
#include "schedule/schedule.hpp"
#include "schedule/slots.hpp"
#include "schedule/verifier.hpp"

namespace tutti::schedule::verification {

inline constexpr uint32_t kNone = UINT32_MAX;

// Bounds on what is verified, so that a hostile file costs memory and time in a known measure. Far above what is verified in practice: all
// algorithms up to hundreds of ranks.
inline constexpr uint64_t kMaxRanks = uint64_t{1} << 16;
inline constexpr uint64_t kMaxSlots = uint64_t{1} << 22;         // of all buffers of all ranks together
inline constexpr uint64_t kMaxSteps = uint64_t{1} << 22;         // of all ranks together
inline constexpr uint64_t kMaxTouchedSlots = uint64_t{1} << 24;  // by all steps of all ranks, counted each time
inline constexpr uint64_t kMaxSetWords = uint64_t{1} << 24;      // of one pass's bitsets

// All ranks' slots.
std::vector<Slots> slots_of(const Problem& problem, std::span<const Schedule> schedules, const VerifyOptions& options);

// Which outputs their owners' peers can write to. Buffers may be of any kind on any rank, and what one peer can write to may be out of another's
// reach.
enum class Sharing : uint8_t { none, all, even_ranks, some_pairs };
inline constexpr Sharing kSharings[] = {Sharing::none, Sharing::all, Sharing::even_ranks, Sharing::some_pairs};
bool is_shared(Sharing sharing, uint32_t owner, uint32_t writer);

// The schedules of all ranks as one sequence of steps, rank after rank. Borrows problem, schedules and slots.
class World {
 public:
  World(const Problem& problem, std::span<const Schedule> schedules, std::span<const Slots> slots);

  const Problem& problem() const { return problem_; }
  std::span<const Schedule> schedules() const { return schedules_; }
  const Slots& slots(uint32_t rank) const { return slots_[rank]; }
  // Whether any step does other things when outputs are shared.
  bool depends_on_sharing() const;
  Sharing sharing = Sharing::none;
  uint32_t rank_count() const { return static_cast<uint32_t>(schedules_.size()); }
  uint32_t step_count() const { return static_cast<uint32_t>(rank_of_.size()); }
  uint32_t first_step_of(uint32_t rank) const { return first_step_[rank]; }
  uint32_t rank_of(uint32_t step) const { return rank_of_[step]; }
  uint32_t local_index(uint32_t step) const { return step - first_step_[rank_of_[step]]; }
  const Schedule& schedule_of(uint32_t step) const { return schedules_[rank_of_[step]]; }
  const Step& at(uint32_t step) const { return schedule_of(step).steps[local_index(step)]; }
  // Whose memory a span of a step is.
  uint32_t owner(uint32_t step, const Span& span) const { return span.rank == kOwnRank ? rank_of(step) : span.rank; }
  // Whether the step moves data, with the outputs that are shared.
  bool takes_place(uint32_t step) const;
  // Calls visit(span) for every span a step reads, and writes.
  template <typename Visit>
  void for_each_read(uint32_t step, Visit visit) const;
  template <typename Visit>
  void for_each_write(uint32_t step, Visit visit) const;
  // "rank 2 step 5 (send)", or as VerifyOptions::step_name has it.
  std::string describe(uint32_t step) const;
  // The same of another step of a rank that has just been named: "step 3".
  std::string describe_beside(uint32_t step) const;
  std::function<std::string(uint32_t rank, uint32_t step)> step_name = {};

 private:
  bool is_writable(uint32_t step, const Span& span) const {
    return span.rank == kOwnRank || is_shared(sharing, span.rank, rank_of(step));
  }

  const Problem& problem_;
  std::span<const Schedule> schedules_;
  std::span<const Slots> slots_;
  std::vector<uint32_t> first_step_;
  std::vector<uint32_t> rank_of_;
};

// One run to the end. Steps are World's.
struct Execution {
  std::vector<uint32_t> order;          // as they complete; a send or signal directly before the receive or await it meets
  std::vector<uint32_t> sender;         // of a receiving step or await: the send or signal it meets; else kNone
  std::vector<uint32_t> lane_previous;  // the step before it in its lane, or kNone
};

Status check_structure(const Problem& problem, std::span<const Schedule> schedules, const VerifyOptions& options);
Result<Execution> execute(const World& world);
// What the switches of a machine may make of messages (base/gang.hpp).
Status check_gangs(const World& world, const Execution& execution);
Status check_races(const World& world, const Execution& execution);
Status check_contents(const World& world, const Execution& execution);
// A barrier's postcondition: no rank can finish before every rank has begun.
Status check_barrier(const World& world, const Execution& execution);

// Calls visit(span) for every span that a step names to read from.
template <typename Visit>
void for_each_source(const Schedule& schedule, const Step& step, Visit visit) {
  switch (step.kind) {
    case StepKind::send:
    case StepKind::receive_reduce:
    case StepKind::copy:
      visit(step.source);
      return;
    case StepKind::receive:
    case StepKind::signal:
    case StepKind::await:
      return;
    case StepKind::reduce:
      for (const Span& source : schedule.sources_of(step)) {
        visit(source);
      }
      return;
  }
}

// And to write to.
template <typename Visit>
void for_each_target(const Schedule& schedule, const Step& step, Visit visit) {
  switch (step.kind) {
    case StepKind::receive:
    case StepKind::receive_reduce:
    case StepKind::copy:
      visit(step.target);
      return;
    case StepKind::send:
    case StepKind::signal:
    case StepKind::await:
      return;
    case StepKind::reduce:
      visit(step.target);
      for (const Span& target : schedule.further_targets_of(step)) {
        visit(target);
      }
      return;
  }
}

template <typename Visit>
void World::for_each_read(uint32_t step, Visit visit) const {
  if (takes_place(step)) {
    for_each_source(schedule_of(step), at(step), visit);
  }
}

template <typename Visit>
void World::for_each_write(uint32_t step, Visit visit) const {
  if (takes_place(step)) {
    for_each_target(schedule_of(step), at(step), [&](const Span& target) {
      if (is_writable(step, target)) {
        visit(target);
      }
    });
  }
}

// One end of what passes from rank to rank on a channel.
inline bool is_outgoing(StepKind kind) { return kind == StepKind::send || kind == StepKind::signal; }
inline bool is_incoming(StepKind kind) {
  return kind == StepKind::receive || kind == StepKind::receive_reduce || kind == StepKind::await;
}
inline bool is_local(StepKind kind) { return !is_outgoing(kind) && !is_incoming(kind); }
inline bool is_signalling(StepKind kind) { return kind == StepKind::signal || kind == StepKind::await; }
inline bool is_reducing_step(StepKind kind) { return kind == StepKind::receive_reduce || kind == StepKind::reduce; }

}  // namespace tutti::schedule::verification
