// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace tutti::transports::ucx {

// First in, first out, in memory that only grows. Elements are known by numbers that count from the queue's beginning and stay theirs.
template <typename T>
class Queue {
 public:
  bool empty() const { return begin_ == end_; }
  uint64_t begin() const { return begin_; }  // number of the oldest
  uint64_t end() const { return end_; }      // of the next
  bool has(uint64_t number) const { return number >= begin_ && number < end_; }

  T& operator[](uint64_t number) {
    assert(has(number));
    return elements_[number & (elements_.size() - 1)];
  }
  const T& operator[](uint64_t number) const {
    assert(has(number));
    return elements_[number & (elements_.size() - 1)];
  }
  T& front() { return (*this)[begin_]; }
  const T& front() const { return (*this)[begin_]; }

  // Returns its number.
  uint64_t push(T element) {
    if (end_ - begin_ == elements_.size()) {
      grow();
    }
    elements_[end_ & (elements_.size() - 1)] = std::move(element);
    return end_++;
  }
  void pop() {
    assert(!empty());
    front() = T();
    ++begin_;
  }

 private:
  void grow() {
    std::vector<T> larger(elements_.empty() ? 8 : 2 * elements_.size());
    for (uint64_t number = begin_; number != end_; ++number) {
      larger[number & (larger.size() - 1)] = std::move((*this)[number]);
    }
    elements_ = std::move(larger);
  }

  std::vector<T> elements_;  // a power of two of them
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
};

}  // namespace tutti::transports::ucx
