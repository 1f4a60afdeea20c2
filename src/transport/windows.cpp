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

// Of one allocation. The memory of huge pages is taken at once, which nobody expects of more.
constexpr size_t kMostInHugePages = size_t{4} << 30;

// A page of a memfd is small unless it is collapsed, and can be once a part of it has been touched. 64 MiB take 8 ms, and touching them afterwards
// takes 6 ms instead of 34; reading what a peer wrote takes half the time (shm_link_perf).
void ask_for_huge_pages(std::byte* data, size_t size) {
  constexpr int kMostRetries = 3;
  for (size_t offset = 0; offset + kHugePageBytes <= std::min(size, kMostInHugePages); offset += kHugePageBytes) {
    data[offset] = std::byte{0};
    int retries = 0;
    while (::madvise(data + offset, kHugePageBytes, MADV_COLLAPSE) != 0) {
      if (errno != EAGAIN || ++retries > kMostRetries) {  // there are none, or no more
        return;
      }
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
    : id_(id), data_(data), size_(size), memfd_(std::move(memfd)) {}

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
  if (memfd.has_value()) {
    ask_for_huge_pages(*data, size);
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
