// SPDX-License-Identifier: Apache-2.0
// Memory of this process that other processes of the host can map: what tuttiMemAlloc gives. Each allocation is a *window*, a memfd of its own
// whose descriptor transports pass to peers. The table of all windows belongs to the process; everything here may be called from any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>

#include "base/descriptor.hpp"
#include "base/status.hpp"

namespace tutti::transport {

class Window {
 public:
  // 0: memory that cannot be shared, as the system had no descriptor for it.
  uint64_t id() const { return id_; }
  std::byte* data() const { return data_; }
  // Whole pages.
  size_t size() const { return size_; }
  // Valid as long as the object, even once the memory has been freed.
  const Descriptor& memfd() const { return memfd_; }
  // Whether its memory has been given back.
  bool freed() const { return freed_.load(std::memory_order_acquire); }

  // Whoever passes the descriptor to another process says so.
  void note_passed() { passed_.store(true, std::memory_order_relaxed); }

 private:
  friend class Windows;
  Window(uint64_t id, std::byte* data, size_t size, Descriptor memfd);

  const uint64_t id_;
  std::byte* const data_;
  const size_t size_;
  const Descriptor memfd_;
  // Set once by free(); release pairs with the acquire in freed(): who reads true knows that the memory is no longer used.
  std::atomic<bool> freed_{false};
  // Set by whoever shares the window, read by free(), which the user orders after all uses.
  std::atomic<bool> passed_{false};
};

class Windows {
 public:
  // The process's own. Usable until the very end of the process.
  static Windows& instance();

  // At least `byte_count` zeroed bytes, aligned to a page, in huge pages as far as the kernel has them: those are there at once, others when they are
  // touched. A child of fork() shares them. Errors: tuttiSystemError.
  Result<std::byte*> allocate(size_t byte_count);
  // False for what allocate() did not give.
  bool free(void* pointer);

  // Grows whenever a window comes or goes.
  uint64_t version() const { return version_.load(std::memory_order_acquire); }
  // Addresses that belong to one window, or, when `window` is null, to none.
  struct Range {
    uintptr_t begin = 0;
    uintptr_t end = 0;
    std::shared_ptr<Window> window;
  };
  // The range that `address` lies in. Takes a lock; see WindowCache.
  Range range_of(uintptr_t address) const;

 private:
  Windows() = default;

  mutable std::mutex mutex_;  // guards what follows
  std::map<uintptr_t, std::shared_ptr<Window>> by_address_;
  uint64_t last_id_ = 0;  // never used twice
  // Written under mutex_ after the table. Release pairs with the acquire in version(): who is ordered after a change sees another version.
  std::atomic<uint64_t> version_{0};
};

// Finds windows without a lock as long as none comes or goes and the same few are asked for. Used by one thread at a time.
class WindowCache {
 public:
  // The shareable window in which all of `memory` lies; null when there is none. Valid until the next call.
  Window* find(std::span<const std::byte> memory);
  // The same window, to keep. After a find() that gave one.
  const std::shared_ptr<Window>& found() const { return entries_[found_].window; }
  // Lets go of windows that are gone, which find() does only when it is called again.
  void refresh();

 private:
  Window* find_anew(uintptr_t begin, uintptr_t end);

  std::array<Windows::Range, 4> entries_;
  uint64_t version_ = 0;
  size_t found_ = 0;
  size_t next_ = 0;
};

}  // namespace tutti::transport
