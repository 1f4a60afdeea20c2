// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "base/hash.hpp"
#include "schedule/names.hpp"
#include "schedule/verification.hpp"

namespace tutti::schedule::verification {

Slots::Slots(const Problem& problem, const Schedule& schedule, InPlace in_place)
    : problem_(problem), schedule_(schedule), scratch_count_(schedule.scratch_slots) {
  const uint64_t own_block = schedule.parts;
  const uint64_t all_blocks = uint64_t{problem.rank_count} * schedule.parts;
  const bool on_root = schedule.rank == problem.root;
  switch (problem.collective) {
    case Collective::reduce:
      input_count_ = schedule.chunk_count;
      output_count_ = on_root ? schedule.chunk_count : 0;
      break;
    case Collective::broadcast:
      input_count_ = on_root ? schedule.chunk_count : 0;
      output_count_ = schedule.chunk_count;
      break;
    case Collective::all_gather:
    case Collective::gather:
      input_count_ = own_block;
      output_count_ = problem.collective == Collective::all_gather || on_root ? all_blocks : 0;
      break;
    case Collective::reduce_scatter:
    case Collective::scatter:
      input_count_ = problem.collective == Collective::reduce_scatter || on_root ? all_blocks : 0;
      output_count_ = own_block;
      break;
    case Collective::all_to_all:
      input_count_ = output_count_ = all_blocks;
      break;
    default:
      input_count_ = output_count_ = schedule.chunk_count;
      break;
  }
  output_base_ = input_count_;
  scratch_base_ = input_count_ + output_count_;
  if (in_place == InPlace::yes && input_count_ > 0 && output_count_ > 0) {
    alias();
  }
}

uint64_t Slots::count(Buffer buffer) const {
  switch (buffer) {
    case Buffer::input:
      return input_count_;
    case Buffer::output:
      return output_count_;
    case Buffer::scratch:
      return scratch_count_;
    default:
      return 0;
  }
}

uint32_t Slots::chunk_of(Span span) const {
  const uint32_t parts = schedule_.parts;
  const uint32_t rank = schedule_.rank;
  const bool input = span.buffer == Buffer::input;
  switch (problem_.collective) {
    case Collective::all_gather:
    case Collective::gather:
      return input ? rank * parts + span.slot : span.slot;
    case Collective::reduce_scatter:
    case Collective::scatter:
      return input ? span.slot : rank * parts + span.slot;
    case Collective::all_to_all:
      return input ? rank * problem_.rank_count * parts + span.slot
                   : (span.slot / parts * problem_.rank_count + rank) * parts + span.slot % parts;
    default:
      return span.slot;
  }
}

uint64_t Slots::base(Buffer buffer) const {
  switch (buffer) {
    case Buffer::input:
      return input_base_;
    case Buffer::output:
      return output_base_;
    default:
      return scratch_base_;
  }
}

// NCCL's rules: where one side is a single block, it lies inside the other side as this rank's block.
void Slots::alias() {
  const uint64_t own_block_begin = uint64_t{schedule_.rank} * schedule_.parts;
  switch (problem_.collective) {
    case Collective::all_gather:
    case Collective::gather:
      input_base_ = output_base_ + own_block_begin;
      return;
    case Collective::reduce_scatter:
    case Collective::scatter:
      output_base_ = input_base_ + own_block_begin;
      return;
    default:
      output_base_ = input_base_;
      return;
  }
}

std::vector<Slots> slots_of(const Problem& problem, std::span<const Schedule> schedules, const VerifyOptions& options) {
  std::vector<Slots> slots;
  slots.reserve(schedules.size());
  for (const Schedule& schedule : schedules) {
    slots.emplace_back(problem, schedule, options.in_place ? options.in_place(schedule.rank) : problem.in_place);
  }
  return slots;
}

bool is_shared(Sharing sharing, uint32_t owner, uint32_t writer) {
  switch (sharing) {
    case Sharing::none:
      return false;
    case Sharing::all:
      return true;
    case Sharing::even_ranks:
      return owner % 2 == 0;
    case Sharing::some_pairs:
      return mix64((uint64_t{owner} << 32) | writer) % 2 == 0;
  }
  return false;
}

World::World(const Problem& problem, std::span<const Schedule> schedules, std::span<const Slots> slots)
    : problem_(problem), schedules_(schedules), slots_(slots) {
  for (uint32_t rank = 0; rank < schedules.size(); ++rank) {
    first_step_.push_back(static_cast<uint32_t>(rank_of_.size()));
    rank_of_.insert(rank_of_.end(), schedules[rank].steps.size(), rank);
  }
}

bool World::depends_on_sharing() const {
  return std::ranges::any_of(schedules_, [](const Schedule& schedule) {
    return std::ranges::any_of(schedule.steps, [](const Step& step) {
      return step.if_private || step.target_count > 0 || (step.kind == StepKind::copy && step.target.rank != kOwnRank);
    });
  });
}

bool World::takes_place(uint32_t step) const {
  const Step& description = at(step);
  if (description.if_private) {
    return !is_shared(sharing, rank_of(step), description.source.rank);
  }
  return description.kind != StepKind::copy || is_writable(step, description.target);
}

std::string World::describe(uint32_t step) const {
  return fmt::format("rank {} step {} ({})", rank_of(step), local_index(step), name_of(at(step).kind));
}

}  // namespace tutti::schedule::verification
