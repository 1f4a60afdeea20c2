// SPDX-License-Identifier: Apache-2.0
// An array of fixed size whose elements are zero to begin with and take memory only once they are touched: what is kept for each of many peers, of
// whom a rank meets few.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

namespace tutti {

template <typename T>
class ZeroedArray {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T> && alignof(T) <= alignof(std::max_align_t));

 public:
  // Throws std::bad_alloc.
  explicit ZeroedArray(size_t size) : elements_(static_cast<T*>(std::calloc(size == 0 ? 1 : size, sizeof(T)))), size_(size) {
    if (elements_ == nullptr) {
      throw std::bad_alloc();
    }
  }

  size_t size() const { return size_; }
  T& operator[](size_t index) { return elements_.get()[index]; }
  const T& operator[](size_t index) const { return elements_.get()[index]; }
  T* begin() { return elements_.get(); }
  T* end() { return elements_.get() + size_; }

 private:
  struct Free {
    void operator()(T* elements) const { std::free(elements); }
  };
  std::unique_ptr<T, Free> elements_;
  size_t size_;
};

}  // namespace tutti
