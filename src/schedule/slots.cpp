// SPDX-License-Identifier: Apache-2.0
#include "schedule/slots.hpp"

namespace tutti::schedule {

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

}  // namespace tutti::schedule
