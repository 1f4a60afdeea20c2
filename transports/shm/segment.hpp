// SPDX-License-Identifier: Apache-2.0
// Memory without a name that two processes share: a sealed memfd, mapped.
#pragma once

#include <cstddef>
#include <memory>

#include "base/descriptor.hpp"
#include "base/status.hpp"

namespace tutti::transports::shm {

// Has a mapping, which a child of fork() does not inherit. Both ends in one process share it: the memory is there once, at one address.
class Segment {
 public:
  // Nothing.
  Segment() = default;

  // New, zeroed, of fixed size. `*memfd` is what the peer needs to attach(); the mapping lives without it. Errors: tuttiSystemError.
  static Result<Segment> create(size_t byte_count, Descriptor* memfd);
  // Maps what a peer passed, once it is certain to have `byte_count` bytes for ever: a memfd of that size, sealed against growing, shrinking and
  // unsealing. Errors: tuttiRemoteError naming what is wrong with it, tuttiSystemError when it cannot be mapped.
  static Result<Segment> attach(size_t byte_count, const Descriptor& memfd);

  // What lies here from now on is empty and this process's alone; the addresses stay usable. Not for what this process created. Whether that worked.
  bool replace_by_private_memory();

  std::byte* data() const;
  size_t size() const;

 private:
  class Mapping;
  class Created;

  explicit Segment(std::shared_ptr<const Mapping> mapping) : mapping_(std::move(mapping)) {}
  static Result<Segment> map(size_t byte_count, const Descriptor& memfd);

  std::shared_ptr<const Mapping> mapping_;
};

}  // namespace tutti::transports::shm
