// SPDX-License-Identifier: Apache-2.0
// What an application holds instead of pointers: a slot number and a generation, so that a handle that was released, or never given out, is
// recognised, and an object is freed only when no call uses it any more.
#pragma once

#include <sched.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/hazard_pointers.hpp"

namespace tutti::api {

template <typename T>
class HandleTable {
  struct Slot {
    // Bit 0: alive; bits 1-31: calls that use the object and that no hazard pointer tells of; bits 32-63: generation. Acquire when pinning pairs
    // with the release in insert() and in unpinning: a pinned object is fully made, and remove() sees all that the calls did.
    std::atomic<uint64_t> word{0};
    std::shared_ptr<T> object;
  };

 public:
  // Keeps an object alive for the duration of one call.
  class Pin {
   public:
    Pin() = default;
    Pin(Pin&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)), hazard_(std::exchange(other.hazard_, nullptr)) {}
    Pin& operator=(Pin&& other) noexcept {
      std::swap(slot_, other.slot_);
      std::swap(hazard_, other.hazard_);
      return *this;
    }
    ~Pin() {
      if (hazard_ != nullptr) {
        hazard_->store(nullptr, std::memory_order_release);
      } else if (slot_ != nullptr) {
        slot_->word.fetch_sub(kUser, std::memory_order_release);
      }
    }
    explicit operator bool() const { return slot_ != nullptr; }
    T* operator->() const { return slot_->object.get(); }
    T& operator*() const { return *slot_->object; }
    const std::shared_ptr<T>& shared() const { return slot_->object; }

   private:
    friend class HandleTable;
    explicit Pin(Slot* slot, HazardPointers::Entry* hazard) : slot_(slot), hazard_(hazard) {}
    Slot* slot_ = nullptr;
    HazardPointers::Entry* hazard_ = nullptr;  // tells that the slot is used; null: its word does
  };

  HandleTable() = default;
  HandleTable(const HandleTable&) = delete;
  HandleTable& operator=(const HandleTable&) = delete;
  ~HandleTable() {
    for (const auto& chunk : chunks_) {
      delete chunk.load(std::memory_order_relaxed);
    }
  }

  // Null when all slots are taken.
  void* insert(std::shared_ptr<T> object) {
    const std::lock_guard lock(mutex_);
    uint32_t index = 0;
    if (!free_.empty()) {
      index = free_.back();
      free_.pop_back();
    } else if (slot_count_ == kMaxSlots) {
      return nullptr;
    } else {
      index = slot_count_++;
      auto& chunk = chunks_[index / kChunkSlots];
      if (chunk.load(std::memory_order_relaxed) == nullptr) {
        chunk.store(new std::array<Slot, kChunkSlots>, std::memory_order_release);  // kept as long as the table: a stale handle may look at it any time
      }
    }
    Slot& slot = *slot_at(index);
    slot.object = std::move(object);
    const uint64_t generation = (slot.word.load(std::memory_order_relaxed) >> kGenerationShift) + 1;
    slot.word.store(generation << kGenerationShift | kAlive, std::memory_order_release);
    return reinterpret_cast<void*>(static_cast<uintptr_t>(generation << kIndexBits | (index + 1)));
  }

  // Empty for a handle that is not alive.
  Pin pin(const void* handle) {
    Slot* const slot = slot_of(handle);
    if (slot == nullptr) {
      return Pin();
    }
    if (HazardPointers::Entry* const hazard = HazardPointers::publish(slot)) {
      Pin pinned(slot, hazard);
      return is_alive(slot->word.load(std::memory_order_seq_cst), handle) ? std::move(pinned) : Pin();
    }
    uint64_t word = slot->word.load(std::memory_order_relaxed);
    do {
      if (!is_alive(word, handle)) {
        return Pin();
      }
    } while (!slot->word.compare_exchange_weak(word, word + kUser, std::memory_order_acquire, std::memory_order_relaxed));
    return Pin(slot, nullptr);
  }

  // Makes the handle invalid, waits until no call uses the object, and gives it back; null for a handle that is not alive.
  std::shared_ptr<T> remove(const void* handle) {
    Slot* const slot = slot_of(handle);
    if (slot == nullptr) {
      return nullptr;
    }
    uint64_t word = slot->word.load(std::memory_order_relaxed);
    do {
      if (!is_alive(word, handle)) {
        return nullptr;
      }
    } while (!slot->word.compare_exchange_weak(word, word & ~kAlive, std::memory_order_seq_cst, std::memory_order_relaxed));
    while ((slot->word.load(std::memory_order_acquire) & kUsersMask) != 0) {
      sched_yield();  // the calls are on their way out
    }
    HazardPointers::wait_until_unused(slot);
    const std::lock_guard lock(mutex_);
    free_.push_back(index_of(handle));
    return std::move(slot->object);
  }

 private:
  static constexpr uint64_t kAlive = 1;
  static constexpr uint64_t kUser = 2;
  static constexpr uint64_t kUsersMask = 0xfffffffe;
  static constexpr unsigned kGenerationShift = 32;
  static constexpr unsigned kIndexBits = 24;
  static constexpr uint32_t kChunkSlots = 256;
  static constexpr uint32_t kMaxSlots = 256 * kChunkSlots;

  static uint32_t index_of(const void* handle) {
    return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(handle) & ((1u << kIndexBits) - 1)) - 1;
  }
  static uint64_t generation_of(const void* handle) { return reinterpret_cast<uintptr_t>(handle) >> kIndexBits; }
  static bool is_alive(uint64_t word, const void* handle) { return (word & kAlive) != 0 && word >> kGenerationShift == generation_of(handle); }

  Slot* slot_at(uint32_t index) {
    auto* const chunk = chunks_[index / kChunkSlots].load(std::memory_order_acquire);
    return chunk == nullptr ? nullptr : &(*chunk)[index % kChunkSlots];
  }
  Slot* slot_of(const void* handle) {
    const uint32_t index = index_of(handle);
    return index < kMaxSlots ? slot_at(index) : nullptr;
  }

  std::mutex mutex_;  // guards free_, slot_count_ and the making of chunks
  std::vector<uint32_t> free_;
  uint32_t slot_count_ = 0;
  std::array<std::atomic<std::array<Slot, kChunkSlots>*>, kMaxSlots / kChunkSlots> chunks_{};
};

}  // namespace tutti::api
