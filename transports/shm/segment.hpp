// SPDX-License-Identifier: Apache-2.0
// Memory without a name that two processes share: a sealed memfd, mapped.
#pragma once

#include <cstddef>

#include "base/descriptor.hpp"
#include "base/status.hpp"

namespace tutti::transports::shm {

// Owns a mapping, which a child of fork() does not inherit.
class Segment {
 public:
  Segment() = default;
  Segment(Segment&& other) noexcept;
  Segment& operator=(Segment&& other) noexcept;
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;
  ~Segment();

  // New, zeroed, of fixed size. `*memfd` is what the peer needs to attach(); the mapping lives without it. Errors: tuttiSystemError.
  static Result<Segment> create(size_t byte_count, Descriptor* memfd);
  // Maps what a peer passed, once it is certain to have `byte_count` bytes for ever: a memfd of that size, sealed against growing, shrinking and
  // unsealing. Errors: tuttiRemoteError naming what is wrong with it, tuttiSystemError when it cannot be mapped.
  static Result<Segment> attach(size_t byte_count, const Descriptor& memfd);

  // What lies here from now on is empty and this process's alone; the addresses stay usable. Whether that worked.
  bool replace_by_private_memory();

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  Segment(std::byte* data, size_t size) : data_(data), size_(size) {}
  static Result<Segment> map(size_t byte_count, const Descriptor& memfd);

  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace tutti::transports::shm
