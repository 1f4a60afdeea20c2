// SPDX-License-Identifier: Apache-2.0
// Which slots a rank's buffers have, and whose chunks belong there.
#pragma once

#include <cstdint>

#include "schedule/schedule.hpp"

namespace tutti::schedule {

// The slots of one rank's buffers, and which of them are the same memory.
class Slots {
 public:
  Slots(const Problem& problem, const Schedule& schedule, InPlace in_place);

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

}  // namespace tutti::schedule
