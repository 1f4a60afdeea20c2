// SPDX-License-Identifier: Apache-2.0
#include "transports/shm/local_socket.hpp"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "base/authentication.hpp"

namespace tutti::transports::shm {
namespace {

// Many ranks of a host knock at once.
constexpr int kBacklog = 1024;
// How many descriptors a peer may send along with one message before the kernel drops the rest. All but one are closed.
constexpr size_t kReceivedDescriptors = 4;

struct AbstractAddress {
  explicit AbstractAddress(const SocketName& name) {
    // Readable in /proc/net/unix. A name that begins with a zero byte lies in the abstract namespace.
    std::string text(1, '\0');
    text += "tutti-shm-";
    for (const std::byte byte : name) {
      text += fmt::format("{:02x}", static_cast<unsigned>(byte));
    }
    address.sun_family = AF_UNIX;
    static_assert(sizeof(address.sun_path) > 1 + 10 + 2 * sizeof(SocketName));
    std::memcpy(address.sun_path, text.data(), text.size());
    length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + text.size());
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }

  sockaddr_un address{};
  socklen_t length = 0;
};

Descriptor open_socket() { return Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); }

Transferred outcome_of(ssize_t result) {
  if (result > 0) {
    return {Transfer::done, static_cast<size_t>(result)};
  }
  // The last three: too many descriptors of this user are on their way, or the kernel is short of memory.
  const bool later = result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ETOOMANYREFS ||
                                    errno == ENOBUFS || errno == ENOMEM);
  return {later ? Transfer::would_block : Transfer::closed, 0};
}

// Takes every descriptor out of a received message: the kernel has installed them already.
void collect_descriptors(msghdr& message, Descriptor* first) {
  for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr; control = CMSG_NXTHDR(&message, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    const size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t index = 0; index < count; ++index) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(control) + index * sizeof(int), sizeof(int));
      Descriptor received(fd);
      if (!first->valid()) {
        *first = std::move(received);
      }
    }
  }
}

}  // namespace

SocketName random_socket_name() {
  SocketName name;
  fill_random(name);
  return name;
}

Result<Descriptor> listen_locally(const SocketName& name) {
  const AbstractAddress address(name);
  Descriptor socket = open_socket();
  if (!socket.valid() || ::bind(socket.get(), address.get(), address.length) != 0 || ::listen(socket.get(), kBacklog) != 0) {
    return tl::make_unexpected(system_error(errno, "listen on an abstract Unix socket"));
  }
  return socket;
}

Result<Descriptor> connect_locally(const SocketName& name) {
  const AbstractAddress address(name);
  Descriptor socket = open_socket();
  if (!socket.valid()) {
    return tl::make_unexpected(system_error(errno, "create a Unix socket"));
  }
  if (::connect(socket.get(), address.get(), address.length) == 0) {
    return socket;
  }
  if (errno == EAGAIN || errno == EINTR) {
    return Descriptor();
  }
  if (errno == ECONNREFUSED) {
    return tl::make_unexpected(remote_error("nobody listens on its Unix socket in this network namespace"));
  }
  return tl::make_unexpected(system_error(errno, "connect to its Unix socket"));
}

Result<Descriptor> accept_locally(const Descriptor& listener) {
  Descriptor socket(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (socket.valid() || errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ECONNABORTED) {
    return socket;
  }
  return tl::make_unexpected(system_error(errno, "accept on a Unix socket"));
}

Result<PeerCredentials> peer_credentials(const Descriptor& socket) {
  ucred credentials{};
  socklen_t length = sizeof(credentials);
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0 || length != sizeof(credentials)) {
    return tl::make_unexpected(system_error(errno, "read the credentials of a Unix socket's peer"));
  }
  return PeerCredentials{credentials.uid, credentials.pid};
}

Descriptor watch_process(pid_t process_id) {
  if (process_id <= 0) {
    return Descriptor();
  }
  return Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, process_id, 0)));  // close-on-exec by itself
}

Transferred send_some(const Descriptor& socket, std::span<const std::byte> bytes) {
  return outcome_of(::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
}

Transferred send_with_descriptor(const Descriptor& socket, std::span<const std::byte> bytes, const Descriptor& passed) {
  alignas(cmsghdr) std::byte control[CMSG_SPACE(sizeof(int))] = {};
  iovec vector{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int fd = passed.get();
  std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  const Transferred sent = outcome_of(::sendmsg(socket.get(), &message, MSG_NOSIGNAL));
  // A socket buffer that cannot hold a few bytes at once is none we can use.
  return sent.outcome == Transfer::done && sent.byte_count != bytes.size() ? Transferred{Transfer::closed, 0} : sent;
}

Transferred receive_some(const Descriptor& socket, std::span<std::byte> bytes) {
  return outcome_of(::recv(socket.get(), bytes.data(), bytes.size(), 0));
}

Transferred receive_with_descriptor(const Descriptor& socket, std::span<std::byte> bytes, Descriptor* passed) {
  alignas(cmsghdr) std::byte control[CMSG_SPACE(kReceivedDescriptors * sizeof(int))] = {};
  iovec vector{bytes.data(), bytes.size()};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t result = ::recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC);
  const Transferred received = outcome_of(result);
  if (result >= 0) {
    collect_descriptors(message, passed);
  }
  return received;
}

}  // namespace tutti::transports::shm
