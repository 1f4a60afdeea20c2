// SPDX-License-Identifier: Apache-2.0
#include "base/hazard_pointers.hpp"

#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

namespace tutti {

namespace {

bool membarrier(int command) { return ::syscall(SYS_membarrier, command, 0, 0) == 0; }

thread_local constinit bool has_ended = false;

}  // namespace

// When the library is loaded: while a process has one thread this takes nothing, and later 10 ms, until all processors have passed through the scheduler.
// Old kernels lack it, and sandboxes may forbid it.
const bool HazardPointers::has_barrier_ = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);

// Gives a thread's record back when the thread ends.
struct HazardPointers::Return {
  Record* record = nullptr;
  ~Return() {
    of_thread_ = nullptr;
    has_ended = true;
    if (record != nullptr) {
      record->is_taken.store(false, std::memory_order_release);
    }
  }
};

HazardPointers::Record* HazardPointers::find_record() {
  if (has_ended) {
    return nullptr;
  }
  thread_local Return at_end;
  Record* record = records_.load(std::memory_order_acquire);
  while (record != nullptr && record->is_taken.exchange(true, std::memory_order_acquire)) {
    record = record->next;
  }
  if (record == nullptr) {
    record = new Record;  // kept for good: others may be reading it any time
    record->next = records_.load(std::memory_order_relaxed);
    while (!records_.compare_exchange_weak(record->next, record, std::memory_order_release, std::memory_order_relaxed)) {
    }
  }
  at_end.record = record;
  of_thread_ = record;
  return record;
}

void HazardPointers::wait_until_unused(const void* object) {
  if (has_barrier_) {
    membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
  }
  for (Record* record = records_.load(std::memory_order_seq_cst); record != nullptr; record = record->next) {
    // Sequentially consistent against the exchange in publish(); acquire pairs with the release that ends a use.
    while (std::ranges::any_of(record->entries, [&](const Entry& entry) { return entry.load(std::memory_order_seq_cst) == object; })) {
      sched_yield();  // the call is on its way out
    }
  }
}

}  // namespace tutti
