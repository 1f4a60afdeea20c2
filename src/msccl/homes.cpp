// SPDX-License-Identifier: Apache-2.0
#include "msccl/homes.hpp"

#include <algorithm>

namespace tutti::msccl {

using schedule::Buffer;
using schedule::Span;

Homes::Homes(const Program& program, const Shape& shape, const Trace& trace, uint32_t rank, bool copies_input)
    : places_(program, shape, rank), user_count_(places_.user_count()), copies_input_(copies_input) {
  const RankTrace& own = trace.ranks[rank];
  scratch_count_ = places_.count() - user_count_ + own.passing_slots;
  uint32_t first_moved = kNone;
  uint32_t end_moved = 0;
  uint32_t input_count = 0;
  for (uint32_t number = 0; number < user_count_; ++number) {
    input_count += places_.input_slot(number) != kNone ? 1 : 0;
    if (own.is_written[number] && places_.output_slot(number) == kNone) {
      first_moved = std::min(first_moved, number);
      end_moved = number + 1;
    }
  }
  if (first_moved != kNone) {
    moved_base_ = scratch_count_ - first_moved;
    scratch_count_ += end_moved - first_moved;
  }
  copy_base_ = scratch_count_;
  scratch_count_ += copies_input_ ? input_count : 0;
}

Span Homes::span_of(const Reference& reference) const {
  if (reference.place == kNone) {
    return {};
  }
  if (reference.is_initial) {
    const uint32_t slot = places_.input_slot(reference.place);
    return copies_input_ ? copy_of(slot) : Span{.buffer = Buffer::input, .slot = slot};
  }
  if (reference.place >= user_count_) {
    return {.buffer = Buffer::scratch, .slot = reference.place - user_count_};
  }
  if (const uint32_t slot = places_.output_slot(reference.place); slot != kNone) {
    return {.buffer = Buffer::output, .slot = slot};
  }
  return {.buffer = Buffer::scratch, .slot = moved_base_ + reference.place};
}

}  // namespace tutti::msccl
