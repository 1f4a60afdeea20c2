// SPDX-License-Identifier: Apache-2.0
// Objects that many threads use for a moment and one rarely takes away: users publish which one they use (M. Michael, "Hazard Pointers", 2004), and who
// takes it away waits until nobody does. Using costs no locked instruction, whose wait for earlier stores would cost a small message the time that
// its cache line needs to travel; instead who takes away makes all threads of the process pass a barrier (membarrier(2)).
#pragma once

#include <array>
#include <atomic>

namespace tutti {

class HazardPointers {
 public:
  // What a thread can use at a time.
  static constexpr size_t kPerThread = 8;
  using Entry = std::atomic<const void*>;

  // Publishes that the calling thread uses `object`, until it stores null to the entry with release. Null when the thread uses too many already, or is
  // ending. Only what the thread reads afterwards, with acquire, tells whether the object may still be used.
  static Entry* publish(const void* object) {
    Record* const record = of_thread_ != nullptr ? of_thread_ : find_record();
    if (record == nullptr) {
      return nullptr;
    }
    for (Entry& entry : record->entries) {
      if (entry.load(std::memory_order_relaxed) == nullptr) {
        if (has_barrier_) {
          entry.store(object, std::memory_order_release);  // it replaces the null that ended an earlier use
          std::atomic_signal_fence(std::memory_order_seq_cst);
        } else {
          entry.exchange(object, std::memory_order_seq_cst);
        }
        return &entry;
      }
    }
    return nullptr;
  }

  // Returns once no thread uses `object`. The caller has seen to it, by a sequentially consistent store, that whoever publishes it from now on does
  // not use it.
  static void wait_until_unused(const void* object);

 private:
  struct alignas(64) Record {
    std::array<Entry, kPerThread> entries{};
    std::atomic<bool> is_taken{true};  // by a thread; acquire when taking pairs with the release of the thread that ended
    Record* next = nullptr;
  };
  struct Return;

  static Record* find_record();

  // Trivially destructible, so that it can be read while a thread ends.
  static inline thread_local constinit Record* of_thread_ [[gnu::tls_model("initial-exec")]] = nullptr;
  // All records there have ever been, as many as threads at a time. Release when one is added, acquire when they are read.
  static inline std::atomic<Record*> records_{nullptr};
  // Whether all threads can be made to pass a barrier. Without, publish() contains one.
  static const bool has_barrier_;
};

}  // namespace tutti
