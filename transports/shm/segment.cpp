// SPDX-License-Identifier: Apache-2.0
#include "transports/shm/segment.hpp"

#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <map>
#include <mutex>
#include <utility>

#include "transport/memfd.hpp"

namespace tutti::transports::shm {

class Segment::Mapping {
 public:
  Mapping(std::byte* data, size_t size) : data_(data), size_(size) {}
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { ::munmap(data_, size_); }

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  std::byte* const data_;
  const size_t size_;
};

// What this process has created and not yet unmapped, by the memfd's identity.
class Segment::Created {
 public:
  static Created& of_process() {
    static auto* const created = new Created;  // may be used until the very end of the process
    return *created;
  }

  void add(const struct stat& identity, const std::shared_ptr<const Mapping>& mapping) {
    const std::lock_guard lock(mutex_);
    std::erase_if(mappings_, [](const auto& entry) { return entry.second.expired(); });
    mappings_.insert_or_assign(key_of(identity), mapping);
  }
  // Null for what another process created.
  std::shared_ptr<const Mapping> find(const struct stat& identity) {
    const std::lock_guard lock(mutex_);
    const auto found = mappings_.find(key_of(identity));
    return found == mappings_.end() ? nullptr : found->second.lock();
  }

 private:
  using Key = std::pair<dev_t, ino_t>;
  static Key key_of(const struct stat& identity) { return {identity.st_dev, identity.st_ino}; }

  std::mutex mutex_;
  std::map<Key, std::weak_ptr<const Mapping>> mappings_;
};

std::byte* Segment::data() const { return mapping_ == nullptr ? nullptr : mapping_->data(); }
size_t Segment::size() const { return mapping_ == nullptr ? 0 : mapping_->size(); }

Result<Segment> Segment::map(size_t byte_count, const Descriptor& memfd) {
  const Result<std::byte*> data = transport::map_memfd(memfd, byte_count);
  if (!data.has_value()) {
    return tl::make_unexpected(data.error());
  }
  // Only spares fork() the page tables, so a kernel that refuses does no harm.
  ::madvise(*data, byte_count, MADV_DONTFORK);
  return Segment(std::make_shared<const Mapping>(*data, byte_count));
}

bool Segment::replace_by_private_memory() {
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
  return ::mmap(data(), size(), PROT_READ | PROT_WRITE, kFlags, -1, 0) != MAP_FAILED;
}

Result<Segment> Segment::create(size_t byte_count, Descriptor* memfd) {
  Result<Descriptor> created = transport::create_memfd("tutti", byte_count);
  if (!created.has_value()) {
    return tl::make_unexpected(created.error());
  }
  Result<Segment> segment = map(byte_count, *created);
  struct stat identity {};
  if (segment.has_value() && ::fstat(created->get(), &identity) == 0) {
    Created::of_process().add(identity, segment->mapping_);
  }
  *memfd = std::move(*created);
  return segment;
}

Result<Segment> Segment::attach(size_t byte_count, const Descriptor& memfd) {
  if (!transport::has_sealed_size(memfd)) {
    return tl::make_unexpected(remote_error("passed memory whose size is not sealed"));
  }
  struct stat identity {};
  if (::fstat(memfd.get(), &identity) != 0) {
    return tl::make_unexpected(system_error(errno, "fstat of a shared segment"));
  }
  if (identity.st_size < 0 || static_cast<size_t>(identity.st_size) != byte_count) {
    return tl::make_unexpected(remote_error("passed a segment of {} bytes instead of {}", identity.st_size, byte_count));
  }
  if (auto mapping = Created::of_process().find(identity)) {
    return Segment(std::move(mapping));
  }
  return map(byte_count, memfd);
}

}  // namespace tutti::transports::shm
