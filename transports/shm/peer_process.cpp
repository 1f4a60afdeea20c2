// SPDX-License-Identifier: Apache-2.0
#include "transports/shm/peer_process.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "base/authentication.hpp"
#include "base/log.hpp"

namespace tutti::transports::shm {
namespace {

Status not_readable(pid_t process_id, const Mark& mark) {
  if (process_id <= 0) {
    return remote_error("it lives in another process namespace");
  }
  uint64_t value = 0;
  TUTTI_RETURN_IF_ERROR(read_process(process_id, mark.address, std::as_writable_bytes(std::span(&value, 1))));
  return value == mark.value ? Status() : remote_error("process {} is not the one that was asked for", process_id);
}

}  // namespace

Mark own_mark() {
  static const uint64_t word = [] {
    uint64_t value = 0;
    fill_random(std::as_writable_bytes(std::span(&value, 1)));
    return value;
  }();
  return {reinterpret_cast<uintptr_t>(&word), word};
}

Reach find_reach(pid_t process_id, const Mark& mark, bool may_read) {
  const Mark own = own_mark();
  if (process_id == ::getpid() && mark.address == own.address && mark.value == own.value) {
    return Reach::same_process;
  }
  if (!may_read) {
    return Reach::none;
  }
  const Status obstacle = not_readable(process_id, mark);
  if (obstacle.ok()) {
    return Reach::readable;
  }
  static std::atomic<bool> said{false};
  if (!said.exchange(true, std::memory_order_relaxed)) {
    log::info("shm: messages are copied through shared memory, as the peer's own cannot be read: {}", obstacle.message());
  }
  return Reach::none;
}

Status read_process(pid_t process_id, uint64_t address, std::span<std::byte> target) {
  size_t done = 0;
  while (done < target.size()) {
    const iovec local{target.data() + done, target.size() - done};
    const iovec remote{reinterpret_cast<void*>(static_cast<uintptr_t>(address + done)), target.size() - done};
    const ssize_t result = ::process_vm_readv(process_id, &local, 1, &remote, 1, 0);
    if (result > 0) {
      done += static_cast<size_t>(result);
    } else if (result == 0 || errno != EINTR) {
      const int error = result == 0 ? EFAULT : errno;
      const std::string what = fmt::format("read {} bytes at {:#x} of process {}", target.size() - done, address + done, process_id);
      return remote_error("{}", system_error(error, what).message());
    }
  }
  return {};
}

}  // namespace tutti::transports::shm
