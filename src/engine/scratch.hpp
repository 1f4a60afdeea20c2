// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace tutti::engine {

// Memory that grows and is kept for the next user; its contents are lost when it grows.
class Scratch {
 public:
  // At least `byte_count` bytes, aligned to a cache line; null when there is no memory.
  std::byte* at_least(size_t byte_count) {
    if (byte_count > kMostBytes) {  // sizes saturate on their way here, and rounding up must not wrap around
      return nullptr;
    }
    if (byte_count > size_) {
      memory_.reset();
      size_ = (byte_count + kAlignment - 1) & ~(kAlignment - 1);
      memory_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, size_)));
      if (memory_ == nullptr) {
        size_ = 0;
      }
    }
    return memory_.get();
  }

 private:
  static constexpr size_t kAlignment = 64;
  static constexpr size_t kMostBytes = size_t{PTRDIFF_MAX} - kAlignment;
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  size_t size_ = 0;
};

}  // namespace tutti::engine
