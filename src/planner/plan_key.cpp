// SPDX-License-Identifier: Apache-2.0
#include "planner/plan_key.hpp"

#include <bit>

#include "planner/planner.hpp"

namespace tutti::planner {
namespace {

uint64_t saturating_product(uint64_t left, uint64_t right) {
  uint64_t product = 0;
  return __builtin_mul_overflow(left, right, &product) ? UINT64_MAX : product;
}

// 0 for no bytes, k for [2^(k-1), 2^k).
uint32_t size_class(const Call& call) {
  if (call.problem.collective == schedule::Collective::barrier) {
    return 0;
  }
  uint64_t bytes = saturating_product(call.element_count, call.element_bytes);
  if (bytes == 0 && call.problem.blocks == schedule::Blocks::variable) {
    bytes = kUnknownBlockBytes;
  }
  return static_cast<uint32_t>(std::bit_width(bytes));
}

}  // namespace

uint64_t key_of(const Call& call) {
  const schedule::Problem& problem = call.problem;
  const uint64_t root = schedule::is_rooted(problem.collective) ? problem.root : 0;
  return uint64_t{1} << 63 | uint64_t{size_class(call)} << 48 | static_cast<uint64_t>(problem.collective) << 40 |
         static_cast<uint64_t>(problem.in_place) << 33 | static_cast<uint64_t>(problem.blocks) << 32 | root;
}

uint64_t prescribed(uint64_t key, uint32_t number) { return key | uint64_t{number + 1} << 56; }

uint64_t prescribed_bytes(const Call& call) {
  const schedule::Collective collective = call.problem.collective;
  const bool counts_all = collective == schedule::Collective::all_gather || collective == schedule::Collective::reduce_scatter ||
                          collective == schedule::Collective::all_to_all;
  return saturating_product(saturating_product(call.element_count, call.element_bytes), counts_all ? call.problem.rank_count : 1);
}

uint64_t priced_bytes(const Call& call) {
  const uint32_t class_number = size_class(call);
  return class_number == 0 ? 0 : uint64_t{1} << (class_number - 1);
}

}  // namespace tutti::planner
