// SPDX-License-Identifier: Apache-2.0
// The data ranks send, and what its reduction must be. Every element depends only on (seed, rank, index), so each rank can work out what
// any other sent. Work goes in small pieces that stay in the first-level cache, so that checking costs about as much as one pass
// over the receive buffer for each rank.
//
// Without a reduction, elements are arbitrary bits. Reductions of integers wrap, as the library's do, and any bits will do. Inputs of
// floating-point reductions are chosen so that the result does not depend on the order or the rounding of partial results:
//   sum, mulsum, avg  integers so small that every partial sum is exact; with more ranks than the type has room for, as many as fit
//                     contribute to each element and the others are 0, rotating with the index so that every rank counts somewhere;
//   prod              1/2, 1 or 2 with a sign from at most 6 ranks, a sign alone from the others;
//   min, max          integers exact in the type.
// So all of them are compared bit by bit but avg, whose division may round: it must lie within one part in 2^(p-1) of the exact
// quotient (two units of rounding), p being the type's significant bits; below the least normal number, of that number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "types.hpp"

namespace tutti::perf {

struct NumbersSpec {
  DataType datatype;
  Operator op;
  int rank_count;
};

// Where a run of elements comes from.
struct Source {
  uint32_t seed;
  int rank;  // ignored for reductions
  size_t first;
};

class Numbers {
 public:
  virtual ~Numbers() = default;

  // Writes elements [source.first, source.first + count) of the rank's send data to `target`.
  virtual void write_input(const Source& source, size_t count, void* target) const = 0;
  // How many of the `count` elements at `actual` differ from the rank's send data, or from the reduction of all ranks'.
  virtual size_t count_wrong_input(const Source& source, size_t count, const void* actual) const = 0;
  virtual size_t count_wrong_reduction(const Source& source, size_t count, const void* actual) const = 0;
};

// `spec.op` must be defined on `spec.datatype`.
std::unique_ptr<Numbers> make_numbers(const NumbersSpec& spec);

// What a rank multiplies its input by under mulsum.
inline int premultiplier_of(int rank) { return 1 + rank % 2; }
// That number as one element of `datatype`, for tuttiRedOpCreatePreMulSum; the element is as long as the type, at most 8 bytes.
uint64_t premultiplier_element(int rank, const DataType& datatype);

}  // namespace tutti::perf
