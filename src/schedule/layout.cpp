// SPDX-License-Identifier: Apache-2.0
#include "schedule/layout.hpp"

#include <algorithm>
#include <cassert>
#include <numeric>

namespace tutti::schedule {
namespace {

constexpr uint64_t kLineBytes = 64;  // chunks begin on cache lines, so that no line is written by two ranks' data at once

uint64_t saturating_multiply(uint64_t left, uint64_t right) {
  uint64_t product = 0;
  return __builtin_mul_overflow(left, right, &product) ? UINT64_MAX : product;
}

uint64_t saturating_add(uint64_t left, uint64_t right) {
  uint64_t sum = 0;
  return __builtin_add_overflow(left, right, &sum) ? UINT64_MAX : sum;
}

uint64_t divide_up(uint64_t dividend, uint64_t divisor) { return dividend / divisor + (dividend % divisor == 0 ? 0 : 1); }

// Where chunk `chunk` of a vector of `element_count` elements begins.
uint64_t cut_point(uint64_t chunk, uint64_t stride, uint64_t element_count) {
  return std::min(saturating_multiply(chunk, stride), element_count);
}

}  // namespace

Layout::Layout(const LayoutRequest& request)
    : request_(request),
      cut_vector_(is_cut_vector(request.problem.collective)),
      cut_count_(std::max(1u, cut_vector_ ? request.chunk_count : request.parts)) {
  request_.parts = std::max(1u, request.parts);
  if (cut_vector_ || request_.problem.blocks == Blocks::equal) {
    stride_ = stride_of(request_.element_count);
    make_equal_sides();
  } else {
    make_variable_sides();
  }
  slot_stride_ = largest_known_chunk();
}

uint64_t Layout::length(uint32_t first_chunk, uint32_t chunk_count) const {
  const uint64_t element_count = request_.element_count;
  const uint64_t end_chunk = uint64_t{first_chunk} + chunk_count;
  if (cut_vector_) {
    return cut_point(end_chunk, stride_, element_count) - cut_point(first_chunk, stride_, element_count);
  }
  if (request_.problem.blocks == Blocks::equal) {
    // The range may wrap around the numbering: it is so many blocks all the same.
    return request_.parts == 1 ? saturating_multiply(chunk_count, element_count)
                               : equal_blocks_before(end_chunk) - equal_blocks_before(first_chunk);
  }
  assert(chunk_count == 1);
  const uint64_t block = variable_block_length(first_chunk / request_.parts);
  if (request_.parts == 1) {
    return block;
  }
  const uint64_t stride = stride_of(block);
  const uint32_t part = first_chunk % request_.parts;
  return cut_point(uint64_t{part} + 1, stride, block) - cut_point(part, stride, block);
}

uint64_t Layout::offset(Span span) const {
  switch (span.buffer) {
    case Buffer::none:
      return 0;
    case Buffer::input:
      return offset_in(input_, span.slot);
    case Buffer::output:
      return offset_in(output_, span.slot);
    case Buffer::scratch:
      return saturating_multiply(span.slot, slot_stride_);
  }
  return 0;
}

uint64_t Layout::scratch_elements(uint32_t scratch_slots) const { return saturating_multiply(scratch_slots, slot_stride_); }

Layout::Side Layout::make_side(Slots slots, std::span<const uint64_t> counts, std::span<const uint64_t> displacements) {
  Side side{.slots = slots, .counts = counts, .displacements = displacements, .prefix = {}};
  if (slots == Slots::blocks && displacements.empty()) {
    side.prefix.resize(counts.size());
    std::exclusive_scan(counts.begin(), counts.end(), side.prefix.begin(), uint64_t{0}, saturating_add);
  }
  return side;
}

void Layout::make_equal_sides() {
  const auto sides = [this](Slots input, Slots output) {
    input_.slots = input;
    output_.slots = output;
  };
  switch (request_.problem.collective) {
    case Collective::all_gather:
    case Collective::gather:
      return sides(Slots::own_block, Slots::blocks);
    case Collective::reduce_scatter:
    case Collective::scatter:
      return sides(Slots::blocks, Slots::own_block);
    case Collective::all_to_all:
      return sides(Slots::blocks, Slots::blocks);
    default:
      return sides(Slots::chunks, Slots::chunks);
  }
}

void Layout::make_variable_sides() {
  const VariableBlocks& variable = request_.variable;
  const Side own_block{.slots = Slots::own_block, .counts = {}, .displacements = {}, .prefix = {}};
  switch (request_.problem.collective) {
    case Collective::all_gather:
    case Collective::gather:
      input_ = own_block;
      output_ = make_side(Slots::blocks, variable.receive_counts, variable.receive_displacements);
      return;
    case Collective::reduce_scatter:  // its blocks follow one another in the input
      input_ = make_side(Slots::blocks, variable.receive_counts, variable.send_displacements);
      output_ = own_block;
      return;
    case Collective::scatter:
      input_ = make_side(Slots::blocks, variable.send_counts, variable.send_displacements);
      output_ = own_block;
      return;
    default:
      assert(request_.problem.collective == Collective::all_to_all);
      input_ = make_side(Slots::blocks, variable.send_counts, variable.send_displacements);
      output_ = make_side(Slots::blocks, variable.receive_counts, variable.receive_displacements);
      return;
  }
}

uint64_t Layout::largest_known_chunk() const {
  if (cut_vector_ || request_.problem.blocks == Blocks::equal) {
    return std::min(stride_, request_.element_count);
  }
  uint64_t largest = 0;
  const auto consider = [&](uint64_t block) { largest = std::max(largest, std::min(stride_of(block), block)); };
  std::for_each(input_.counts.begin(), input_.counts.end(), consider);
  std::for_each(output_.counts.begin(), output_.counts.end(), consider);
  consider(own_block_length());
  return largest;
}

uint64_t Layout::variable_block_length(uint32_t block) const {
  const auto count_at = [](std::span<const uint64_t> counts, uint32_t index) -> uint64_t {
    return index < counts.size() ? counts[index] : 0;
  };
  switch (request_.problem.collective) {
    case Collective::all_to_all: {
      const uint32_t rank_count = std::max(1u, request_.problem.rank_count);
      const uint32_t source = block / rank_count;
      const uint32_t target = block % rank_count;
      if (source == request_.rank) {
        return count_at(input_.counts, target);
      }
      return target == request_.rank ? count_at(output_.counts, source) : 0;
    }
    case Collective::gather:
    case Collective::scatter: {
      const Side& root_side = request_.problem.collective == Collective::gather ? output_ : input_;
      if (request_.rank == request_.problem.root) {
        return count_at(root_side.counts, block);
      }
      return block == request_.rank ? request_.element_count : 0;
    }
    case Collective::reduce_scatter:
      return count_at(input_.counts, block);
    default:
      return count_at(output_.counts, block);
  }
}

uint64_t Layout::own_block_length() const {
  // The block from the calling rank to itself is one of those all_to_all knows anyway, but it has no block that is its own.
  return request_.problem.collective == Collective::all_to_all ? 0 : variable_block_length(request_.rank);
}

uint64_t Layout::stride_of(uint64_t element_count) const {
  const uint64_t exact = divide_up(element_count, cut_count_);
  if (exact == 0) {
    return 0;
  }
  const uint64_t line = kLineBytes / std::gcd(kLineBytes, std::max<uint64_t>(1, request_.element_bytes));
  const uint64_t rounded = saturating_multiply(divide_up(exact, line), line);
  const uint64_t filled_chunks = divide_up(element_count, exact);
  // Chunk filled_chunks - 1 must still begin before the end.
  const bool leaves_none_empty = filled_chunks == 1 || rounded <= (element_count - 1) / (filled_chunks - 1);
  return leaves_none_empty ? rounded : exact;
}

uint64_t Layout::equal_blocks_before(uint64_t chunk) const {
  const uint64_t whole_blocks = saturating_multiply(chunk / request_.parts, request_.element_count);
  return saturating_add(whole_blocks, cut_point(chunk % request_.parts, stride_, request_.element_count));
}

uint64_t Layout::offset_in(const Side& side, uint32_t slot) const {
  const bool variable = request_.problem.blocks == Blocks::variable && !cut_vector_;
  switch (side.slots) {
    case Slots::chunks:
      return cut_point(slot, stride_, request_.element_count);
    case Slots::own_block: {
      const uint64_t block = variable ? own_block_length() : request_.element_count;
      return slot == 0 ? 0 : cut_point(slot, variable ? stride_of(block) : stride_, block);
    }
    case Slots::blocks:
      break;
  }
  if (!variable) {
    return equal_blocks_before(slot);
  }
  const uint32_t block = slot / request_.parts;
  const uint32_t part = slot % request_.parts;
  const std::span<const uint64_t> starts = side.displacements.empty() ? std::span<const uint64_t>(side.prefix) : side.displacements;
  if (block >= starts.size() || block >= side.counts.size()) {
    return 0;
  }
  const uint64_t length = side.counts[block];
  return part == 0 ? starts[block] : saturating_add(starts[block], cut_point(part, stride_of(length), length));
}

}  // namespace tutti::schedule
