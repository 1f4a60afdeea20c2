// SPDX-License-Identifier: Apache-2.0
// Unix stream sockets with names in the abstract namespace, which vanish with their socket and are seen only inside the network namespace.
// Every socket is non-blocking and close-on-exec.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <span>

#include "base/descriptor.hpp"
#include "base/status.hpp"

namespace tutti::transports::shm {

// Random, so that it can be neither guessed nor taken by accident.
using SocketName = std::array<std::byte, 16>;

SocketName random_socket_name();

// Errors: tuttiSystemError.
Result<Descriptor> listen_locally(const SocketName& name);
// An invalid descriptor when the listener's queue is full for now. Errors: tuttiRemoteError when nobody listens, or not in this network
// namespace; tuttiSystemError.
Result<Descriptor> connect_locally(const SocketName& name);
// An invalid descriptor when nobody waits. Errors: tuttiSystemError.
Result<Descriptor> accept_locally(const Descriptor& listener);

// The process at the other end, as the kernel knows it. `process_id` is 0 when it lives outside of our process namespace.
struct PeerCredentials {
  uid_t user_id = 0;
  pid_t process_id = 0;
};
Result<PeerCredentials> peer_credentials(const Descriptor& socket);
// A descriptor that becomes readable when the process ends; invalid where the kernel or a sandbox offers none.
Descriptor watch_process(pid_t process_id);

enum class Transfer : uint8_t { done, would_block, closed };
struct Transferred {
  Transfer outcome = Transfer::would_block;
  size_t byte_count = 0;  // when done, at least 1
};

Transferred send_some(const Descriptor& socket, std::span<const std::byte> bytes);
// Sends all of `bytes`, which are few, and `passed` with them.
Transferred send_with_descriptor(const Descriptor& socket, std::span<const std::byte> bytes, const Descriptor& passed);
// A descriptor that comes along is not accepted.
Transferred receive_some(const Descriptor& socket, std::span<std::byte> bytes);
// Keeps the first descriptor that comes along and closes any other.
Transferred receive_with_descriptor(const Descriptor& socket, std::span<std::byte> bytes, Descriptor* passed);

}  // namespace tutti::transports::shm
