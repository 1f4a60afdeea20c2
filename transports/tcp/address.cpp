// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/address.hpp"

#include <algorithm>
#include <iterator>

#include "base/little_endian.hpp"
#include "transport/transport.hpp"
#include "transports/tcp/rail_name.hpp"

namespace tutti::transports::tcp {

namespace {

// The last character is the version of the address and of the wire format.
constexpr std::string_view kMagic = "tcp1";
constexpr size_t kHostBytes = sizeof(uint64_t);
constexpr size_t kHeadBytes = kMagic.size() + kHostBytes + 1;
static_assert(kHeadBytes + kMaxSocketAddresses * SocketAddress::kEncodedBytes <= transport::kMaxAddressBytes);

// An address that two hosts have is of networks that each has for itself, like that of its containers.
bool is_own(const Address& address, const SocketAddress& socket) {
  return std::ranges::any_of(address.sockets, [&](const SocketAddress& own) { return own.is_same_host(socket); });
}

// Of `interfaces`, the first address of each that is good for a rail.
std::vector<Interface> ends_of_rails(std::span<const Interface> interfaces) {
  std::vector<Interface> ends;
  for (const Interface& interface : interfaces) {
    const bool is_known = std::ranges::any_of(ends, [&](const Interface& end) { return end.name == interface.name; });
    if (!is_known && !interface.address.is_loopback() && !interface.address.is_link_local()) {
      ends.push_back(interface);
    }
  }
  return ends;
}

}  // namespace

std::vector<std::byte> encode(const Address& address) {
  const size_t count = std::min(address.sockets.size(), kMaxSocketAddresses);
  std::vector<std::byte> bytes(kHeadBytes + count * SocketAddress::kEncodedBytes);
  const auto magic = std::as_bytes(std::span(kMagic));
  std::copy(magic.begin(), magic.end(), bytes.begin());
  store_little_endian(address.host, &bytes[kMagic.size()]);
  bytes[kHeadBytes - 1] = static_cast<std::byte>(count);
  for (size_t index = 0; index < count; ++index) {
    address.sockets[index].encode(
        std::span<std::byte, SocketAddress::kEncodedBytes>(&bytes[kHeadBytes + index * SocketAddress::kEncodedBytes],
                                                           SocketAddress::kEncodedBytes));
  }
  return bytes;
}

std::optional<Address> decode(std::span<const std::byte> bytes) {
  const auto magic = std::as_bytes(std::span(kMagic));
  if (bytes.size() < kHeadBytes || !std::equal(magic.begin(), magic.end(), bytes.begin())) {
    return std::nullopt;
  }
  const size_t count = std::to_integer<size_t>(bytes[kHeadBytes - 1]);
  if (count > kMaxSocketAddresses || bytes.size() != kHeadBytes + count * SocketAddress::kEncodedBytes) {
    return std::nullopt;
  }
  Address address;
  address.host = load_little_endian<uint64_t>(&bytes[kMagic.size()]);
  for (size_t index = 0; index < count; ++index) {
    const auto encoded = bytes.subspan(kHeadBytes + index * SocketAddress::kEncodedBytes);
    const auto socket = SocketAddress::decode(encoded.first<SocketAddress::kEncodedBytes>());
    if (!socket) {
      return std::nullopt;
    }
    address.sockets.push_back(*socket);
  }
  return address;
}

std::vector<Way> plan_rails(std::span<const Interface> own, const Address& connecting, const Address& accepting, uint64_t sockets_per_interface) {
  std::vector<Way> pairs;
  if (connecting.host == accepting.host) {
    const std::vector<SocketAddress> found = transport::ways(connecting.place(), accepting.place());
    if (!found.empty()) {
      pairs.push_back({found.front()});
    }
  } else {
    std::vector<SocketAddress> left;
    std::ranges::copy_if(accepting.sockets, std::back_inserter(left), [&](const SocketAddress& socket) {
      return !socket.is_loopback() && !socket.is_link_local() && !is_own(connecting, socket);
    });
    const std::vector<Interface> ends = ends_of_rails(own);
    const auto take = [&](const Interface& end, const auto& suits) {
      const auto found = std::ranges::find_if(left, suits);
      if (found != left.end()) {
        pairs.push_back({*found, end.address});
        left.erase(found);
      }
    };
    for (const Interface& end : ends) {
      take(end, [&](const SocketAddress& socket) { return is_on_network(socket, end); });
    }
    if (pairs.empty()) {
      for (const Interface& end : ends) {
        take(end, [&](const SocketAddress& socket) { return socket.family() == end.address.family(); });
      }
    }
  }
  std::vector<Way> rails;
  for (uint64_t socket = 0; socket < sockets_per_interface; ++socket) {
    for (const Way& pair : pairs) {
      if (rails.size() < kMaxRails) {
        rails.push_back(pair);
      }
    }
  }
  return rails;
}

}  // namespace tutti::transports::tcp
