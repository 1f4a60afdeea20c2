// SPDX-License-Identifier: Apache-2.0
// An array of fixed size whose elements are zero to begin with and, if it is large, take memory only once they are touched: what is kept for each of
// many peers, of whom a rank meets few.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <limits>
#include <memory>
#include <new>
#include <type_traits>

namespace tutti {

template <typename T>
class ZeroedArray {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T> && alignof(T) <= alignof(std::max_align_t));

 public:
  // Throws std::bad_alloc.
  explicit ZeroedArray(size_t size) : size_(size), elements_(allocate(size), Free{size * sizeof(T)}) {}

  size_t size() const { return size_; }
  T& operator[](size_t index) { return elements_.get()[index]; }
  const T& operator[](size_t index) const { return elements_.get()[index]; }
  T* begin() { return elements_.get(); }
  T* end() { return elements_.get() + size_; }

 private:
  // The heap clears what it hands out again.
  static constexpr size_t kMostHeapBytes = 16 * 1024;

  struct Free {
    size_t bytes;
    void operator()(T* elements) const {
      if (bytes <= kMostHeapBytes) {
        std::free(elements);
      } else {
        ::munmap(elements, bytes);
      }
    }
  };

  static T* allocate(size_t size) {
    if (size > std::numeric_limits<size_t>::max() / sizeof(T)) {
      throw std::bad_alloc();
    }
    const size_t bytes = size * sizeof(T);
    void* memory = nullptr;
    if (bytes <= kMostHeapBytes) {
      memory = std::calloc(1, bytes == 0 ? 1 : bytes);
    } else {
      memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      memory = memory == MAP_FAILED ? nullptr : memory;
    }
    if (memory == nullptr) {
      throw std::bad_alloc();
    }
    if (bytes > kMostHeapBytes) {
      ::madvise(memory, bytes, MADV_NOHUGEPAGE);  // a hint: a touch is to take a page
    }
    return static_cast<T*>(memory);
  }

  size_t size_;
  std::unique_ptr<T, Free> elements_;
};

}  // namespace tutti
