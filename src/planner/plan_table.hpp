// SPDX-License-Identifier: Apache-2.0
// Plans by the calls they answer: read by many threads without a lock, on every collective call.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace tutti::planner {

struct Call;
struct Plan;

// Calls with equal keys share a plan. Never 0. Covers all of a problem but its rank count.
uint64_t key_of(const Call& call);
// The bytes that stand for all calls with `call`'s key when it is priced: their smallest size.
uint64_t priced_bytes(const Call& call);

// An insert-only hash table with open addressing. Growing publishes a new array and keeps the old ones, which a reader may still be in; together
// they are no larger than the newest.
class PlanTable {
 public:
  PlanTable();

  // Null when there is none. Wait-free.
  const Plan* find(uint64_t key) const;
  // `key` is not in the table; `plan` outlives it. One caller at a time.
  void insert(uint64_t key, const Plan* plan);

 private:
  struct Slot {
    // 0: free. Written once by the inserter, with release: it publishes `plan`; pairs with the acquire in find().
    std::atomic<uint64_t> key = 0;
    std::atomic<const Plan*> plan = nullptr;
  };
  struct Array {
    explicit Array(size_t capacity) : mask(capacity - 1), slots(std::make_unique<Slot[]>(capacity)) {}
    void insert(uint64_t key, const Plan* plan);

    size_t mask;  // the capacity is a power of two, at most half of it used, so that a probe always ends
    std::unique_ptr<Slot[]> slots;
  };
  void grow();

  std::vector<std::unique_ptr<Array>> arrays_;  // the inserter's; the last is the current one
  size_t size_ = 0;                             // the inserter's
  // The current array. Written by the inserter, with release: it publishes the slots; pairs with the acquire in find().
  std::atomic<const Array*> current_;
};

}  // namespace tutti::planner
