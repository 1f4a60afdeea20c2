// SPDX-License-Identifier: Apache-2.0
// One collective call of a test, as all its ranks know it. Everything else, inputs and what must come out, follows from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tutti/tutti.h"

namespace tutti::tests {

enum class Operation : uint8_t {
  all_reduce,
  reduce,
  broadcast,
  all_gather,
  reduce_scatter,
  all_to_all,
  gather,
  scatter,
  barrier,
  all_gather_v,
  reduce_scatter_v,
  all_to_all_v,
  gather_v,
  scatter_v,
  send_receive,  // a group: each rank sends to the rank `root` places further and receives from the one as far back
};
inline constexpr int kOperationCount = 15;

// The first eight have the values of tuttiRedOp_t.
enum class Reduction : uint8_t { sum, prod, max, min, avg, band, bor, bxor, pre_multiplied_sum, user_function };
inline constexpr int kReductionCount = 10;

// What the numbers to reduce are.
enum class Values : uint8_t {
  exact,   // every partial result is representable, so that any order gives the same bits
  rounded  // floating-point numbers whose sums round
};

struct Exercise {
  Operation operation = Operation::all_reduce;
  tuttiDataType_t datatype = tuttiFloat32;
  Reduction reduction = Reduction::sum;
  size_t count = 0;  // as the function's own count; of the V forms, about the mean of the counts
  int root = 0;
  int rank_count = 1;
  uint64_t in_place_ranks = 0;  // bit r: rank r calls in place
  uint64_t seed = 1;
  Values values = Values::exact;

  bool is_in_place(int rank) const { return (in_place_ranks >> rank & 1) != 0; }
};

std::string to_string(const Exercise& exercise);

bool is_reducing(Operation operation);
bool is_rooted(Operation operation);
bool has_variable_blocks(Operation operation);
// Whether the operation exists in place.
bool has_in_place_form(Operation operation);

std::vector<tuttiDataType_t> all_datatypes();
bool is_floating(tuttiDataType_t datatype);
size_t element_bytes(tuttiDataType_t datatype);
// The reductions `datatype` has.
std::vector<Reduction> reductions_of(tuttiDataType_t datatype);

}  // namespace tutti::tests
