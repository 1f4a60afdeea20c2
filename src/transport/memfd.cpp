// SPDX-License-Identifier: Apache-2.0
#include "transport/memfd.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u
#endif

namespace tutti::transport {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

Status mapping_error(size_t byte_count) { return system_error(errno, fmt::format("map {} bytes of shared memory", byte_count)); }

}  // namespace

Result<Descriptor> create_memfd(const char* name, size_t byte_count) {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  Descriptor memfd(::memfd_create(name, kFlags | MFD_NOEXEC_SEAL));
  if (!memfd.valid() && errno == EINVAL) {  // Linux before 6.3
    memfd.reset(::memfd_create(name, kFlags));
  }
  if (!memfd.valid()) {
    return tl::make_unexpected(system_error(errno, "memfd_create"));
  }
  if (::ftruncate(memfd.get(), static_cast<off_t>(byte_count)) != 0) {
    return tl::make_unexpected(system_error(errno, fmt::format("size shared memory to {} bytes", byte_count)));
  }
  if (::fcntl(memfd.get(), F_ADD_SEALS, kSeals) != 0) {
    return tl::make_unexpected(system_error(errno, "seal shared memory"));
  }
  return memfd;
}

bool has_sealed_size(const Descriptor& memfd) {
  const int seals = ::fcntl(memfd.get(), F_GET_SEALS);
  return seals >= 0 && (seals & kSeals) == kSeals;
}

Result<std::byte*> map_memfd(const Descriptor& memfd, size_t byte_count) {
  constexpr int kAccess = PROT_READ | PROT_WRITE;
  if (byte_count < kHugePageBytes) {
    void* const data = ::mmap(nullptr, byte_count, kAccess, MAP_SHARED, memfd.get(), 0);
    return data != MAP_FAILED ? Result<std::byte*>(static_cast<std::byte*>(data)) : tl::make_unexpected(mapping_error(byte_count));
  }
  // Room that is certain to hold an aligned address; what lies before and behind is given back.
  const size_t room_bytes = byte_count + kHugePageBytes;
  void* const room = ::mmap(nullptr, room_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) {
    return tl::make_unexpected(mapping_error(byte_count));
  }
  auto* const begin = static_cast<std::byte*>(room);
  const size_t before = (kHugePageBytes - reinterpret_cast<uintptr_t>(room) % kHugePageBytes) % kHugePageBytes;
  if (::mmap(begin + before, byte_count, kAccess, MAP_SHARED | MAP_FIXED, memfd.get(), 0) == MAP_FAILED) {
    Status status = mapping_error(byte_count);
    ::munmap(room, room_bytes);
    return tl::make_unexpected(std::move(status));
  }
  const size_t mapped_bytes = (byte_count + kSmallPageBytes - 1) / kSmallPageBytes * kSmallPageBytes;
  if (before > 0) {
    ::munmap(begin, before);
  }
  if (const size_t end = before + mapped_bytes; end < room_bytes) {
    ::munmap(begin + end, room_bytes - end);
  }
  return begin + before;
}

}  // namespace tutti::transport
