// SPDX-License-Identifier: Apache-2.0
#include "planner/plan_table.hpp"

#include <bit>

#include "base/hash.hpp"
#include "planner/planner.hpp"

namespace tutti::planner {
namespace {

constexpr size_t kFirstCapacity = 64;

// 0 for no bytes, k for [2^(k-1), 2^k).
uint32_t size_class(const Call& call) {
  if (call.problem.collective == schedule::Collective::barrier) {
    return 0;
  }
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(call.element_count, call.element_bytes, &bytes)) {
    bytes = UINT64_MAX;
  }
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

uint64_t priced_bytes(const Call& call) {
  const uint32_t class_number = size_class(call);
  return class_number == 0 ? 0 : uint64_t{1} << (class_number - 1);
}

PlanTable::PlanTable() {
  arrays_.push_back(std::make_unique<Array>(kFirstCapacity));
  // Nobody reads yet; whoever hands the table to other threads publishes this.
  current_.store(arrays_.back().get(), std::memory_order_relaxed);
}

const Plan* PlanTable::find(uint64_t key) const {
  const Array& array = *current_.load(std::memory_order_acquire);
  for (size_t index = mix64(key);; ++index) {
    const Slot& slot = array.slots[index & array.mask];
    const uint64_t found = slot.key.load(std::memory_order_acquire);
    if (found == key) {
      return slot.plan.load(std::memory_order_relaxed);  // ordered by the acquire of the key
    }
    if (found == 0) {
      return nullptr;
    }
  }
}

void PlanTable::insert(uint64_t key, const Plan* plan) {
  if ((size_ + 1) * 2 > arrays_.back()->mask + 1) {
    grow();
  }
  arrays_.back()->insert(key, plan);
  ++size_;
}

void PlanTable::Array::insert(uint64_t key, const Plan* plan) {
  size_t index = mix64(key);
  while (slots[index & mask].key.load(std::memory_order_relaxed) != 0) {  // only the inserter writes keys
    ++index;
  }
  Slot& slot = slots[index & mask];
  slot.plan.store(plan, std::memory_order_relaxed);
  slot.key.store(key, std::memory_order_release);
}

void PlanTable::grow() {
  const Array& old = *arrays_.back();
  auto larger = std::make_unique<Array>((old.mask + 1) * 2);
  for (size_t index = 0; index <= old.mask; ++index) {
    const Slot& slot = old.slots[index];
    if (const uint64_t key = slot.key.load(std::memory_order_relaxed); key != 0) {
      larger->insert(key, slot.plan.load(std::memory_order_relaxed));
    }
  }
  arrays_.push_back(std::move(larger));
  current_.store(arrays_.back().get(), std::memory_order_release);
}

}  // namespace tutti::planner
