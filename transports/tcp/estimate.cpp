// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/estimate.hpp"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <linux/tcp.h>  // not netinet/tcp.h, whose tcp_info ends before the shortest round trip
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <map>

#include "base/interfaces.hpp"

namespace tutti::transports::tcp {

namespace {

constexpr uint64_t kDefaultLatency_ns = 20'000;
constexpr uint64_t kDefaultBits_per_s = 10'000'000'000;
// What two processes that poll add to the wire's latency: all of what loopback takes.
constexpr uint64_t kSoftware_ns = 3'500;
// Payload in a frame of Ethernet's usual 1,500 bytes: 1,448 bytes behind IP, TCP and its time stamps, of 1,538 with preamble and gap.
constexpr uint64_t kPayloadPerMille = 941;
constexpr uint64_t kLongestRoundTrip_ns = 10'000'000'000;

std::string interface_of(int socket) {
  sockaddr_storage own{};
  socklen_t length = sizeof own;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &length) != 0) {
    return {};
  }
  const auto address = SocketAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&own), length);
  const auto interfaces = find_interfaces({});
  if (!address || !interfaces) {
    return {};
  }
  const auto found = std::ranges::find_if(*interfaces, [&](const Interface& interface) { return interface.address.is_same_host(*address); });
  return found == interfaces->end() ? std::string() : found->name;
}

std::optional<uint64_t> speed_of(int socket, const std::string& interface) {
  ethtool_cmd command{};
  command.cmd = ETHTOOL_GSET;
  ifreq request{};
  if (interface.empty() || interface.size() >= sizeof request.ifr_name) {
    return std::nullopt;
  }
  std::memcpy(request.ifr_name, interface.c_str(), interface.size() + 1);
  request.ifr_data = reinterpret_cast<char*>(&command);
  if (::ioctl(socket, SIOCETHTOOL, &request) != 0) {
    return std::nullopt;
  }
  const uint32_t megabits_per_s = ethtool_cmd_speed(&command);
  // Of an interface without a cable drivers say all ones, of 16 or of 32 bits.
  if (megabits_per_s == 0 || megabits_per_s == std::numeric_limits<uint16_t>::max() || megabits_per_s > INT32_MAX) {
    return std::nullopt;
  }
  return uint64_t{megabits_per_s} * 1'000'000;
}

std::optional<uint64_t> round_trip_of(int socket) {
  tcp_info info{};
  socklen_t length = sizeof info;
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) {
    return std::nullopt;
  }
  const uint64_t round_trip_ns = uint64_t{info.tcpi_min_rtt} * 1000;
  return round_trip_ns != 0 && round_trip_ns <= kLongestRoundTrip_ns ? std::optional(round_trip_ns) : std::nullopt;
}

}  // namespace

SocketFigures figures_of(int socket) {
  SocketFigures figures{.interface = interface_of(socket), .round_trip_ns = round_trip_of(socket), .interface_bits_per_s = {}};
  figures.interface_bits_per_s = speed_of(socket, figures.interface);
  return figures;
}

transport::LinkEstimate estimate_between_hosts(std::span<const SocketFigures> sockets) {
  uint64_t least_round_trip_ns = std::numeric_limits<uint64_t>::max();
  bool is_speed_known = true;
  std::map<std::string, uint64_t> bits_per_s;  // by interface
  for (const SocketFigures& figures : sockets) {
    least_round_trip_ns = std::min(least_round_trip_ns, figures.round_trip_ns.value_or(least_round_trip_ns));
    is_speed_known = is_speed_known && figures.interface_bits_per_s.has_value();
    bits_per_s[figures.interface] = figures.interface_bits_per_s.value_or(kDefaultBits_per_s);
  }
  const bool is_latency_known = least_round_trip_ns != std::numeric_limits<uint64_t>::max();
  // In steps of two, so that what is planned does not change with each start.
  const uint64_t latency_ns = is_latency_known ? kSoftware_ns + std::bit_ceil(std::max<uint64_t>(least_round_trip_ns / 2, 1)) : kDefaultLatency_ns;
  uint64_t bandwidth_bytes_per_s = 0;
  for (const auto& [interface, speed] : bits_per_s) {
    bandwidth_bytes_per_s += speed / 8 * kPayloadPerMille / 1000;
  }
  constexpr std::array<std::string_view, 4> kSources{"default for 10 Gbit/s Ethernet", "round trip while connecting; default for 10 Gbit/s Ethernet",
                                                     "default latency of Ethernet; speed of the interfaces",
                                                     "round trip while connecting; speed of the interfaces"};
  return {.latency_ns = latency_ns,
          .bandwidth_bytes_per_s = std::max<uint64_t>(bandwidth_bytes_per_s, 1),
          .source = kSources[(is_latency_known ? 1u : 0u) + (is_speed_known ? 2u : 0u)],
          .copies_out = true};
}

}  // namespace tutti::transports::tcp
