// SPDX-License-Identifier: Apache-2.0
#include "transport/windows.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "transport/memfd.hpp"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

namespace tutti::transport {
namespace {

// A page that nobody has touched cannot be moved, and one that the kernel is busy with cannot be moved now.
constexpr uint8_t kMaxAttempts = 4;
constexpr int kMaxBusyRetries = 3;
// The first use says nothing about whether there will be more.
constexpr uint64_t kUsesBeforeMoving = 1;
// A use moves one of so many parts of what is used.
constexpr size_t kParts = 4;

// 0, or the errno of the failure.
int move_to_huge_page(std::byte* page) {
  for (int retry = 0;; ++retry) {
    if (::madvise(page, kHugePageBytes, MADV_COLLAPSE) == 0) {
      return 0;
    }
    if (errno != EAGAIN || retry == kMaxBusyRetries) {
      return errno;
    }
  }
}

// Memory that works as well but that peers cannot map.
Result<std::byte*> map_privately(size_t byte_count) {
  void* const data = ::mmap(nullptr, byte_count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    return tl::make_unexpected(system_error(errno, fmt::format("map {} bytes", byte_count)));
  }
  ::madvise(data, byte_count, MADV_HUGEPAGE);  // a hint: without huge pages it works as well
  return static_cast<std::byte*>(data);
}

}  // namespace

Window::Window(uint64_t id, std::byte* data, size_t size, Descriptor memfd)
    : id_(id), data_(data), size_(size), memfd_(std::move(memfd)), unmoved_count_(id == 0 ? 0 : size / kHugePageBytes) {}

void Window::note_frequent_use(std::span<const std::byte> memory) {
  if (unmoved_count_.load(std::memory_order_relaxed) > 0) {
    const std::lock_guard lock(mutex_);
    use_count_ = std::max(use_count_, kUsesBeforeMoving);
    move_to_huge_pages(memory, Extent::all);
  }
}

void Window::move_some(std::span<const std::byte> memory) {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  // Who finds another thread at it needs not wait for it.
  if (lock.owns_lock() && ++use_count_ > kUsesBeforeMoving) {
    move_to_huge_pages(memory, Extent::part);
  }
}

void Window::move_to_huge_pages(std::span<const std::byte> memory, Extent extent) {
  const auto offset = static_cast<size_t>(memory.data() - data_);
  const size_t first = (offset + kHugePageBytes - 1) / kHugePageBytes;
  const size_t last = (offset + memory.size()) / kHugePageBytes;
  if (first >= last) {
    return;
  }
  attempt_counts_.resize(size_ / kHugePageBytes);
  size_t left = extent == Extent::all ? last - first : (last - first + kParts - 1) / kParts;
  for (size_t page = first; page < last && left > 0; ++page) {
    uint8_t& attempts = attempt_counts_[page];
    if (attempts == kMaxAttempts) {
      continue;
    }
    --left;
    const int error = move_to_huge_page(data_ + page * kHugePageBytes);
    if (error == ENOMEM || error == ENOSYS) {  // no huge page is left, or will ever be
      unmoved_count_.store(0, std::memory_order_relaxed);
      return;
    }
    attempts = error == 0 ? kMaxAttempts : static_cast<uint8_t>(attempts + 1);
    if (attempts == kMaxAttempts) {
      unmoved_count_.fetch_sub(1, std::memory_order_relaxed);
    }
  }
}

Windows& Windows::instance() {
  static auto* const windows = new Windows;
  return *windows;
}

Result<std::byte*> Windows::allocate(size_t byte_count) {
  if (byte_count > std::numeric_limits<ptrdiff_t>::max() - kHugePageBytes) {
    return tl::make_unexpected(system_error(ENOMEM, fmt::format("map {} bytes", byte_count)));
  }
  const size_t size = std::max(byte_count + kSmallPageBytes - 1, kSmallPageBytes) / kSmallPageBytes * kSmallPageBytes;
  // A process may have run out of descriptors, or live in a sandbox without memfd.
  Result<Descriptor> memfd = create_memfd("tutti-window", size);
  const Result<std::byte*> data = memfd.has_value() ? map_memfd(*memfd, size) : map_privately(size);
  if (!data.has_value()) {
    return data;
  }
  const std::lock_guard lock(mutex_);
  const uint64_t id = memfd.has_value() ? ++last_id_ : 0;
  by_address_[reinterpret_cast<uintptr_t>(*data)].reset(
      new Window(id, *data, size, memfd.has_value() ? std::move(*memfd) : Descriptor()));
  version_.fetch_add(1, std::memory_order_release);
  return data;
}

bool Windows::free(void* pointer) {
  std::shared_ptr<Window> window;
  {
    const std::lock_guard lock(mutex_);
    const auto found = by_address_.find(reinterpret_cast<uintptr_t>(pointer));
    if (found == by_address_.end()) {
      return false;
    }
    window = std::move(found->second);
    by_address_.erase(found);
    window->freed_.store(true, std::memory_order_release);
    version_.fetch_add(1, std::memory_order_release);
  }
  ::munmap(window->data(), window->size());
  // Peers unmap it when they next look; the pages go now.
  if (window->passed_.load(std::memory_order_relaxed)) {
    ::fallocate(window->memfd().get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(window->size()));
  }
  return true;
}

Windows::Range Windows::range_of(uintptr_t address) const {
  const std::lock_guard lock(mutex_);
  Range range{0, std::numeric_limits<uintptr_t>::max(), nullptr};
  const auto next = by_address_.upper_bound(address);
  if (next != by_address_.end()) {
    range.end = next->first;
  }
  if (next != by_address_.begin()) {
    const auto& [begin, window] = *std::prev(next);
    if (address - begin < window->size()) {
      return {begin, begin + window->size(), window};
    }
    range.begin = begin + window->size();
  }
  return range;
}

Window* WindowCache::find(std::span<const std::byte> memory) {
  const auto begin = reinterpret_cast<uintptr_t>(memory.data());
  const uintptr_t end = begin + memory.size();
  refresh();
  for (size_t index = 0; index < entries_.size(); ++index) {
    if (begin >= entries_[index].begin && end <= entries_[index].end) {
      found_ = index;
      Window* const window = entries_[index].window.get();
      return window != nullptr && window->id() != 0 ? window : nullptr;
    }
  }
  return find_anew(begin, end);
}

void WindowCache::refresh() {
  const uint64_t version = Windows::instance().version();
  if (version != version_) {
    entries_.fill({});
    version_ = version;
  }
}

Window* WindowCache::find_anew(uintptr_t begin, uintptr_t end) {
  Windows::Range range = Windows::instance().range_of(begin);
  if (end > range.end) {
    return nullptr;  // not in one window, and no answer for others either
  }
  found_ = next_;
  next_ = (next_ + 1) % entries_.size();
  entries_[found_] = std::move(range);
  Window* const window = entries_[found_].window.get();
  return window != nullptr && window->id() != 0 ? window : nullptr;
}

}  // namespace tutti::transport
