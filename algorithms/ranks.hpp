// SPDX-License-Identifier: Apache-2.0
// Rank arithmetic, and what else all families share.
#pragma once

#include <cstdint>

#include "schedule/schedule.hpp"

namespace tutti::algorithms {

// Ranks 0 .. size-1 on a circle. Arguments are ranks or numbers of steps of at most `size`.
struct Circle {
  uint32_t size = 1;

  uint32_t ahead(uint32_t rank, uint32_t steps) const { return static_cast<uint32_t>((uint64_t{rank} + steps) % size); }
  uint32_t behind(uint32_t rank, uint32_t steps) const { return ahead(rank, size - steps % size); }
  // Steps ahead from `from` to `to`.
  uint32_t distance(uint32_t from, uint32_t to) const { return ahead(to, size - from); }
};

// 4 for 12 = 0b1100; 0 for 0.
constexpr uint32_t lowest_bit(uint32_t value) { return value & (~value + 1); }

// Lower ranks' data stand left.
inline schedule::Operands operands_of(uint32_t rank, uint32_t peer) {
  return peer < rank ? schedule::Operands::received_first : schedule::Operands::local_first;
}

// Whether what each rank has goes to all ranks, or comes from all: what rings and trees through all ranks solve.
inline bool passes_all_ranks(const schedule::Problem& problem) {
  switch (problem.collective) {
    case schedule::Collective::all_gather:
    case schedule::Collective::reduce_scatter:
      return true;
    case schedule::Collective::all_reduce:
    case schedule::Collective::reduce:
    case schedule::Collective::broadcast:
      return problem.blocks == schedule::Blocks::equal;
    default:
      return false;
  }
}

inline schedule::Span input(uint32_t slot) { return {.buffer = schedule::Buffer::input, .slot = slot}; }
inline schedule::Span output(uint32_t slot) { return {.buffer = schedule::Buffer::output, .slot = slot}; }
inline schedule::Span scratch(uint32_t slot) { return {.buffer = schedule::Buffer::scratch, .slot = slot}; }

}  // namespace tutti::algorithms
