// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace tutti::engine {

// Memory that grows and is kept for the next user; its contents are lost when it grows.
class Scratch {
 public:
  // What follows `byte_count` bytes at the next cache line; saturates.
  static constexpr uint64_t rounded_up(uint64_t byte_count) {
    return byte_count > kMostBytes ? UINT64_MAX : (byte_count + kAlignment - 1) & ~(kAlignment - 1);
  }
  // At least `byte_count` bytes, aligned to a cache line; null when there is no memory.
  std::byte* at_least(size_t byte_count) {
    if (byte_count > kMostBytes) {  // sizes saturate on their way here, and rounding up must not wrap around
      return nullptr;
    }
    if (byte_count > size_) {
      memory_.reset();
      const size_t alignment = byte_count >= kHugePageBytes ? kHugePageBytes : kAlignment;
      size_ = (byte_count + alignment - 1) & ~(alignment - 1);
      memory_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, size_)));
      if (memory_ == nullptr) {
        size_ = 0;
      } else if (alignment == kHugePageBytes) {
        ::madvise(memory_.get(), size_, MADV_HUGEPAGE);  // a hint: 16 MiB of small pages take 9 ms to be touched
      }
    }
    return memory_.get();
  }

 private:
  static constexpr size_t kAlignment = 64;
  static constexpr size_t kHugePageBytes = size_t{2} << 20;
  static constexpr size_t kMostBytes = size_t{PTRDIFF_MAX} - kHugePageBytes;
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  size_t size_ = 0;
};

// The scratches of operations that run at the same time. The first free one is taken, so that operations that follow each other use the same
// memory, which has grown and been touched.
template <size_t count>
class ScratchPool {
 public:
  // Null when none is free. Given back with give_back().
  Scratch* take() {
    const auto place = static_cast<size_t>(std::countr_zero(free_));
    if (place >= count) {
      return nullptr;
    }
    free_ &= ~(uint32_t{1} << place);
    return &scratches_[place];
  }
  void give_back(const Scratch* scratch) { free_ |= uint32_t{1} << (scratch - scratches_.data()); }

 private:
  static_assert(count < 32);
  std::array<Scratch, count> scratches_;
  uint32_t free_ = (uint32_t{1} << count) - 1;
};

}  // namespace tutti::engine
