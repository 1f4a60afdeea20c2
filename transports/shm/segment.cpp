// SPDX-License-Identifier: Apache-2.0
#include "transports/shm/segment.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u
#endif

namespace tutti::transports::shm {
namespace {

constexpr int kRequiredSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

Descriptor create_memfd() {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  Descriptor memfd(::memfd_create("tutti", kFlags | MFD_NOEXEC_SEAL));
  if (!memfd.valid() && errno == EINVAL) {  // Linux before 6.3
    memfd.reset(::memfd_create("tutti", kFlags));
  }
  return memfd;
}

}  // namespace

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
  void* data = ::mmap(nullptr, byte_count, PROT_READ | PROT_WRITE, MAP_SHARED, memfd.get(), 0);
  if (data == MAP_FAILED) {
    return tl::make_unexpected(system_error(errno, fmt::format("map a shared segment of {} bytes", byte_count)));
  }
  // Only spares fork() the page tables, so a kernel that refuses does no harm.
  ::madvise(data, byte_count, MADV_DONTFORK);
  return Segment(static_cast<std::byte*>(data), byte_count);
}

Result<Segment> Segment::create(size_t byte_count, Descriptor* memfd) {
  Descriptor created = create_memfd();
  if (!created.valid()) {
    return tl::make_unexpected(system_error(errno, "memfd_create"));
  }
  if (::ftruncate(created.get(), static_cast<off_t>(byte_count)) != 0) {
    return tl::make_unexpected(system_error(errno, fmt::format("size a shared segment to {} bytes", byte_count)));
  }
  if (::fcntl(created.get(), F_ADD_SEALS, kRequiredSeals) != 0) {
    return tl::make_unexpected(system_error(errno, "seal a shared segment"));
  }
  Result<Segment> segment = map(byte_count, created);
  *memfd = std::move(created);
  return segment;
}

Result<Segment> Segment::attach(size_t byte_count, const Descriptor& memfd) {
  const int seals = ::fcntl(memfd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & kRequiredSeals) != kRequiredSeals) {
    return tl::make_unexpected(remote_error("passed memory whose size is not sealed (seals {})", seals));
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
