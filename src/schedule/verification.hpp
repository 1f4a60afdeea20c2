// SPDX-License-Identifier: Apache-2.0
// The verifier's passes, each relying on those before it having succeeded:
//   structure   every index, rank, slot, lane and channel of every schedule is within bounds
//   execution   the schedules run to their end with rendezvous messages; who meets whom, and an order in which steps complete
//   races       happens-before over that run; no two steps of a rank conflict on a slot without an order
//   contents    what each slot holds, symbolically, in that order; the postcondition
// Private to the verifier.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.hpp"
#include "schedule/schedule.hpp"
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

// The slots of one rank's buffers, and which of them are the same memory.
class Slots {
 public:
  Slots(const Problem& problem, const Schedule& schedule);

  // 0 where the rank has no such buffer.
  uint64_t count(Buffer buffer) const;
  // A number for the memory of a slot that exists, the same for slots that alias; consecutive slots have consecutive numbers.
  uint64_t location(Span span) const { return base(span.buffer) + span.slot; }
  uint64_t location_count() const { return scratch_base_ + scratch_count_; }
  // The chunk that belongs into a slot of the input or the output.
  uint32_t chunk_of(Span span) const;

 private:
  uint64_t base(Buffer buffer) const;
  void alias();

  const Problem& problem_;  // both outlive this object
  const Schedule& schedule_;
  uint64_t input_count_ = 0;
  uint64_t output_count_ = 0;
  uint64_t scratch_count_ = 0;
  uint64_t input_base_ = 0;
  uint64_t output_base_ = 0;
  uint64_t scratch_base_ = 0;
};

// The schedules of all ranks as one sequence of steps, rank after rank. Borrows problem and schedules.
class World {
 public:
  World(const Problem& problem, std::span<const Schedule> schedules);

  const Problem& problem() const { return problem_; }
  std::span<const Schedule> schedules() const { return schedules_; }
  uint32_t rank_count() const { return static_cast<uint32_t>(schedules_.size()); }
  uint32_t step_count() const { return static_cast<uint32_t>(rank_of_.size()); }
  uint32_t first_step_of(uint32_t rank) const { return first_step_[rank]; }
  uint32_t rank_of(uint32_t step) const { return rank_of_[step]; }
  uint32_t local_index(uint32_t step) const { return step - first_step_[rank_of_[step]]; }
  const Schedule& schedule_of(uint32_t step) const { return schedules_[rank_of_[step]]; }
  const Step& at(uint32_t step) const { return schedule_of(step).steps[local_index(step)]; }
  // "rank 2 step 5 (send)"
  std::string describe(uint32_t step) const;

 private:
  const Problem& problem_;
  std::span<const Schedule> schedules_;
  std::vector<uint32_t> first_step_;
  std::vector<uint32_t> rank_of_;
};

// One run to the end. Steps are World's.
struct Execution {
  std::vector<uint32_t> order;          // as they complete; a send directly before the receive it meets
  std::vector<uint32_t> sender;         // of a receiving step: the send it meets; else kNone
  std::vector<uint32_t> lane_previous;  // the step before it in its lane, or kNone
};

Status check_structure(const Problem& problem, std::span<const Schedule> schedules, const VerifyOptions& options);
Result<Execution> execute(const World& world);
Status check_races(const World& world, const Execution& execution);
Status check_contents(const World& world, const Execution& execution);
// A barrier's postcondition: no rank can finish before every rank has begun.
Status check_barrier(const World& world, const Execution& execution);

// Calls visit(span) for every span a step reads.
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

inline bool is_receiving(StepKind kind) { return kind == StepKind::receive || kind == StepKind::receive_reduce; }
inline bool is_reducing_step(StepKind kind) { return kind == StepKind::receive_reduce || kind == StepKind::reduce; }

}  // namespace tutti::schedule::verification
