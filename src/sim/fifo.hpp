// SPDX-License-Identifier: Apache-2.0
// A queue that takes no memory while it has never held anything: a large network has many more channels than are used.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace tutti::sim {

template <typename T>
class Fifo {
 public:
  bool empty() const { return first_ == elements_.size(); }
  size_t size() const { return elements_.size() - first_; }
  T& operator[](size_t index) { return elements_[first_ + index]; }
  T& front() { return elements_[first_]; }
  T& back() { return elements_.back(); }
  auto begin() { return elements_.begin() + static_cast<ptrdiff_t>(first_); }
  auto end() { return elements_.end(); }

  void push_back(T&& element) { elements_.push_back(std::move(element)); }
  void pop_back() {
    elements_.pop_back();
    restart_if_empty();
  }
  // Takes the elements before the first away when they are the most: moves each element once or less.
  void pop_front() {
    elements_[first_++] = T();
    restart_if_empty();
    if (first_ > kLeastWaste && first_ * 2 > elements_.size()) {
      elements_.erase(elements_.begin(), begin());
      first_ = 0;
    }
  }
  void clear() {
    elements_.clear();
    first_ = 0;
  }

 private:
  static constexpr size_t kLeastWaste = 16;

  void restart_if_empty() {
    if (empty()) {
      clear();
    }
  }

  std::vector<T> elements_;
  size_t first_ = 0;
};

}  // namespace tutti::sim
