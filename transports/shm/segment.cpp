// SPDX-License-Identifier: Apache-2.0
#include "transports/shm/segment.hpp"

#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "transport/memfd.hpp"

namespace tutti::transports::shm {

Segment::Segment(Segment&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Segment& Segment::operator=(Segment&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Segment::~Segment() {
  if (data_ != nullptr) {
    ::munmap(data_, size_);
  }
}

Result<Segment> Segment::map(size_t byte_count, const Descriptor& memfd) {
  const Result<std::byte*> data = transport::map_memfd(memfd, byte_count);
  if (!data.has_value()) {
    return tl::make_unexpected(data.error());
  }
  // Only spares fork() the page tables, so a kernel that refuses does no harm.
  ::madvise(*data, byte_count, MADV_DONTFORK);
  return Segment(*data, byte_count);
}

bool Segment::replace_by_private_memory() {
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
  return ::mmap(data_, size_, PROT_READ | PROT_WRITE, kFlags, -1, 0) != MAP_FAILED;
}

Result<Segment> Segment::create(size_t byte_count, Descriptor* memfd) {
  Result<Descriptor> created = transport::create_memfd("tutti", byte_count);
  if (!created.has_value()) {
    return tl::make_unexpected(created.error());
  }
  Result<Segment> segment = map(byte_count, *created);
  *memfd = std::move(*created);
  return segment;
}

Result<Segment> Segment::attach(size_t byte_count, const Descriptor& memfd) {
  if (!transport::has_sealed_size(memfd)) {
    return tl::make_unexpected(remote_error("passed memory whose size is not sealed"));
  }
  struct stat status {};
  if (::fstat(memfd.get(), &status) != 0) {
    return tl::make_unexpected(system_error(errno, "fstat of a shared segment"));
  }
  if (status.st_size < 0 || static_cast<size_t>(status.st_size) != byte_count) {
    return tl::make_unexpected(remote_error("passed a segment of {} bytes instead of {}", status.st_size, byte_count));
  }
  return map(byte_count, memfd);
}

}  // namespace tutti::transports::shm
