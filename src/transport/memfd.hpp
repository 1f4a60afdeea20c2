// SPDX-License-Identifier: Apache-2.0
// Memory without a name that processes share by passing a descriptor.
#pragma once

#include <cstddef>

#include "base/descriptor.hpp"
#include "base/status.hpp"

namespace tutti::transport {

inline constexpr size_t kSmallPageBytes = 4096;
inline constexpr size_t kHugePageBytes = size_t{2} << 20;

// Zeroed memory of `byte_count` bytes for ever: sealed against growing, shrinking and unsealing. `name` shows in /proc/<pid>/maps.
// Errors: tuttiSystemError.
Result<Descriptor> create_memfd(const char* name, size_t byte_count);

// Whether nobody can ever change its size.
bool has_sealed_size(const Descriptor& memfd);

// Maps the first `byte_count` bytes for reading and writing. What holds a huge page is aligned to one, since pages of a memfd that lie otherwise in
// the address space cannot be mapped as one. To be given back by munmap(). Errors: tuttiSystemError.
Result<std::byte*> map_memfd(const Descriptor& memfd, size_t byte_count);

}  // namespace tutti::transport
