// SPDX-License-Identifier: Apache-2.0
// The chunks of memory that a program's steps name, numbered one after another, and what they are to the collective.
#pragma once

#include <cstdint>

#include "base/status.hpp"
#include "msccl/program.hpp"
#include "schedule/schedule.hpp"
#include "schedule/slots.hpp"

namespace tutti::msccl {

// The problem that a program solves, and the numbering of its chunks (schedule/schedule.hpp).
struct Shape {
  schedule::Problem problem;
  uint32_t chunk_count = 1;
  uint32_t parts = 1;
};
// Errors: tuttiInvalidArgument where the chunks are not as many for each rank.
Result<Shape> shape_of(const Program& program, uint32_t root);

// Of one rank. Where input and output are one memory, so are their numbers.
class Places {
 public:
  Places(const Program& program, const Shape& shape, uint32_t rank);
  Places(const Places&) = delete;  // slots_ refers to empty_
  Places& operator=(const Places&) = delete;

  // The number of the first of `count` chunks, or kNone if they are not all there.
  uint32_t find(Place place, uint32_t count) const;
  // How many chunks there are of that memory.
  uint32_t size(Memory memory) const;
  // Those of the call's buffers come first; then scratch.
  uint32_t user_count() const { return user_count_; }
  uint32_t count() const { return user_count_ + scratch_count_; }
  // The slot of the collective's input that it is, or kNone; likewise of the output.
  uint32_t input_slot(uint32_t number) const { return slot_in(number, input_base_, input_count_); }
  uint32_t output_slot(uint32_t number) const { return slot_in(number, output_base_, output_count_); }
  // The chunks that belong in these slots.
  uint32_t input_chunk(uint32_t slot) const { return slots_.chunk_of({.buffer = schedule::Buffer::input, .slot = slot}); }
  uint32_t output_chunk(uint32_t slot) const { return slots_.chunk_of({.buffer = schedule::Buffer::output, .slot = slot}); }

 private:
  static uint32_t slot_in(uint32_t number, uint32_t base, uint32_t count) { return number >= base && number - base < count ? number - base : kNone; }
  void merge(const Program& program, const Shape& shape);

  const schedule::Problem& problem_;  // the shape's, which outlives this
  const schedule::Schedule empty_;
  const schedule::Slots slots_;
  uint32_t input_count_ = 0;
  uint32_t output_count_ = 0;
  uint32_t user_count_ = 0;
  uint32_t scratch_count_ = 0;
  uint32_t input_base_ = 0;
  uint32_t output_base_ = 0;
  uint32_t named_inputs_ = 0;  // what a step may name so; more than the input where input and output are one
  uint32_t named_outputs_ = 0;
};

}  // namespace tutti::msccl
