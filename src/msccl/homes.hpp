// SPDX-License-Identifier: Apache-2.0
// Where the chunks of a program lie in the buffers of a schedule.
#pragma once

#include <cstdint>

#include "msccl/trace.hpp"
#include "schedule/schedule.hpp"

namespace tutti::msccl {

// Of one rank. Inputs are only read: what a program writes there moves to scratch, unless it is output too.
class Homes {
 public:
  Homes(const Program& program, const Shape& shape, const Trace& trace, uint32_t rank, bool copies_input);

  const Places& places() const { return places_; }
  uint32_t scratch_count() const { return scratch_count_; }
  schedule::Span span_of(const Reference& reference) const;
  // Where the slot of the input is copied to.
  schedule::Span copy_of(uint32_t slot) const { return {.buffer = schedule::Buffer::scratch, .slot = copy_base_ + slot}; }

 private:
  const Places places_;
  const uint32_t user_count_;
  const bool copies_input_;
  uint32_t scratch_count_ = 0;
  uint32_t moved_base_ = 0;  // of what moves to scratch, added to its number modulo 2^32
  uint32_t copy_base_ = 0;
};

}  // namespace tutti::msccl
