// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/socket_link.hpp"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "transports/tcp/wire.hpp"

namespace tutti::transports::tcp {

namespace {

// A host that vanished is noticed within about half a minute even if nothing is sent to it.
constexpr int kKeepAliveIdle_s = 15;
constexpr int kKeepAliveInterval_s = 5;
constexpr int kKeepAliveProbeCount = 3;

// Inside a host nothing is lost and nothing queues but in the two sockets; what the host has for its network may hold packets back by a timer, as BBR
// does, which made two ranks' allreduce of 1 MiB take up to twice as long. Every kernel has this one, and everybody may choose it.
constexpr std::string_view kPlainCongestionControl = "reno";

// What the socket buffers may hold of what nobody reads any more, at most, when a link closes.
constexpr int kMaxReadsAtClose = 256;

// A kernel that lacks one is no reason to fail.
void set_option(int socket, int level, int option, int value) { (void)::setsockopt(socket, level, option, &value, sizeof value); }

std::optional<SocketAddress> end_of(int socket, decltype(&::getsockname) get_name) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (get_name(socket, reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    return std::nullopt;
  }
  const auto address = SocketAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&storage), length);
  return address ? std::optional(*address) : std::nullopt;
}

std::string name_of(const std::optional<SocketAddress>& end) { return end ? end->to_string() : "unknown"; }

}  // namespace

void tune(int socket, const Settings& settings, Distance distance) {
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdle_s);
  set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveInterval_s);
  set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbeCount);
  if (distance == Distance::same_host) {
    (void)::setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, kPlainCongestionControl.data(), kPlainCongestionControl.size());
  }
  if (settings.timeout_ms != 0) {
    set_option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(std::min<uint64_t>(settings.timeout_ms, INT_MAX)));
  }
}

std::optional<SocketAddress> own_end(int socket) { return end_of(socket, &::getsockname); }
std::optional<SocketAddress> peer_end(int socket) { return end_of(socket, &::getpeername); }

std::string describe_ends(int socket) { return fmt::format("{} -> {}", name_of(own_end(socket)), name_of(peer_end(socket))); }

void shut_down(int socket) {
  ::shutdown(socket, SHUT_WR);
  std::array<std::byte, 16 * 1024> discarded;
  for (int reads = 0; reads < kMaxReadsAtClose; ++reads) {
    if (::recv(socket, discarded.data(), discarded.size(), MSG_DONTWAIT) <= 0) {
      break;
    }
  }
}

size_t choose_frame_bytes(uint64_t slice_bytes, size_t max_bytes) {
  return slice_bytes == 0 ? max_bytes : static_cast<size_t>(std::clamp<uint64_t>(slice_bytes, kMinFrameBytes, max_bytes));
}

}  // namespace tutti::transports::tcp
