// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/full_rate.hpp"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

namespace tutti::transports::tcp {

namespace {

// In a longer stretch the sockets may have run dry in between.
constexpr uint64_t kLongestStretch_ns = 20'000'000;
constexpr uint64_t kFullBytes = 64 * 1024;
// So much that what the kernels acknowledge at a time, and what networks let pass at once before they limit a connection, makes no difference.
constexpr uint64_t kCounted_ns = 40'000'000;

}  // namespace

SocketLoad load_of(int socket) {
  tcp_info info{};
  socklen_t length = sizeof info;
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) {
    return {};
  }
  return {.socket_count = 1,
          .acknowledged_bytes = info.tcpi_bytes_acked,
          .waiting_bytes = info.tcpi_notsent_bytes + uint64_t{info.tcpi_unacked} * info.tcpi_snd_mss};
}

std::optional<uint64_t> FullRate::note(uint64_t now_ns, const SocketLoad& load) {
  const SocketLoad last = std::exchange(last_, load);
  const uint64_t stretch_ns = now_ns - std::exchange(last_ns_, now_ns);
  const bool is_same = load.socket_count == last.socket_count && load.acknowledged_bytes >= last.acknowledged_bytes;
  const bool is_full = std::min(last.waiting_bytes, load.waiting_bytes) >= kFullBytes && stretch_ns <= kLongestStretch_ns;
  if (!is_same || !is_full) {
    return std::nullopt;
  }
  counted_ns_ += stretch_ns;
  counted_bytes_ += load.acknowledged_bytes - last.acknowledged_bytes;
  if (counted_ns_ < kCounted_ns) {
    return std::nullopt;
  }
  // Per microsecond first: bytes times 10^9 would overflow.
  const uint64_t rate_bytes_per_s = counted_bytes_ * 1'000'000 / (counted_ns_ / 1'000);
  counted_ns_ = counted_bytes_ = 0;
  return rate_bytes_per_s;
}

}  // namespace tutti::transports::tcp
