// SPDX-License-Identifier: Apache-2.0
#include "msccl/places.hpp"

#include <algorithm>

namespace tutti::msccl {

using schedule::Buffer;
using schedule::Collective;

Result<Shape> shape_of(const Program& program, uint32_t root) {
  const uint32_t rank_count = program.rank_count();
  Shape shape{.problem = {.collective = program.collective, .rank_count = rank_count, .root = root}, .chunk_count = program.chunk_count};
  switch (program.collective) {
    case Collective::all_gather:
    case Collective::reduce_scatter:
    case Collective::all_to_all:
      if (program.chunk_count % rank_count != 0) {
        return tl::make_unexpected(invalid_argument("{}: nchunksperloop {} of {} is no multiple of its {} gpus", program.file, program.chunk_count,
                                                    collective_word(program.collective), rank_count));
      }
      shape.parts = program.chunk_count / rank_count;
      shape.chunk_count = program.collective == Collective::all_to_all ? program.chunk_count * rank_count : program.chunk_count;
      break;
    case Collective::gather:
    case Collective::scatter:  // the chunks of one rank's block
      shape.parts = program.chunk_count;
      shape.chunk_count = program.chunk_count * rank_count;
      break;
    default:
      break;
  }
  if (uint64_t{program.chunk_count} * rank_count > kMostChunks) {
    return tl::make_unexpected(
        invalid_argument("{}: {} chunks at each of {} gpus are more than can be followed", program.file, program.chunk_count, rank_count));
  }
  return shape;
}

Places::Places(const Program& program, const Shape& shape, uint32_t rank)
    : problem_(shape.problem),
      empty_{.rank = rank, .chunk_count = shape.chunk_count, .parts = shape.parts, .steps = {}, .lanes = {}, .waits = {}, .sources = {}},
      slots_(problem_, empty_, schedule::InPlace::no),
      input_count_(static_cast<uint32_t>(slots_.count(Buffer::input))),
      output_count_(static_cast<uint32_t>(slots_.count(Buffer::output))),
      user_count_(input_count_ + output_count_),
      scratch_count_(program.gpus[rank].scratch_slots),
      output_base_(input_count_),
      named_inputs_(input_count_),
      named_outputs_(output_count_) {
  if (program.is_in_place) {
    merge(program, shape);
  }
}

void Places::merge(const Program& program, const Shape& shape) {
  const uint32_t own_block = empty_.rank * shape.parts;
  if (schedule::is_cut_vector(problem_.collective) || problem_.collective == Collective::all_to_all) {
    user_count_ = named_inputs_ = named_outputs_ = program.chunk_count;
    output_base_ = 0;
  } else if (output_count_ > input_count_ && input_count_ > 0) {  // what is gathered lies around the rank's own block
    user_count_ = output_count_;
    output_base_ = 0;
    input_base_ = own_block;
  } else if (input_count_ > output_count_ && output_count_ > 0) {
    user_count_ = input_count_;
    output_base_ = own_block;
  }
}

uint32_t Places::size(Memory memory) const {
  return memory == Memory::input ? named_inputs_ : memory == Memory::output ? named_outputs_ : scratch_count_;
}

uint32_t Places::find(Place place, uint32_t count) const {
  const uint32_t size = this->size(place.memory);
  if (place.slot >= size || count > size - place.slot) {
    return kNone;
  }
  switch (place.memory) {
    case Memory::input:
      return input_base_ + place.slot;
    case Memory::output:
      return output_base_ + place.slot;
    case Memory::scratch:
      break;
  }
  return user_count_ + place.slot;
}

}  // namespace tutti::msccl
