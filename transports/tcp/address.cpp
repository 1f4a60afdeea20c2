// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/address.hpp"

#include <algorithm>

#include "base/hash.hpp"
#include "transport/transport.hpp"

namespace tutti::transports::tcp {

namespace {

// The last character is the version of the address and of the wire format.
constexpr std::string_view kMagic = "tcp1";
constexpr size_t kHostBytes = sizeof(uint64_t);
constexpr size_t kHeadBytes = kMagic.size() + kHostBytes + 1;
static_assert(kHeadBytes + kMaxSocketAddresses * SocketAddress::kEncodedBytes <= transport::kMaxAddressBytes);

bool has_family(const Address& address, int family) {
  return std::any_of(address.sockets.begin(), address.sockets.end(),
                     [&](const SocketAddress& socket) { return socket.family() == family; });
}

// A link-local address is only reachable with the scope of the connecting rank's own interface, which the accepting rank's encoding cannot
// tell; on one host both have the same interfaces.
bool reachable(const SocketAddress& socket, bool same_host) {
  return same_host || (!socket.is_loopback() && !socket.is_link_local());
}

}  // namespace

uint64_t digest_of_host(std::string_view host_id) {
  uint64_t digest = hash_combine(0, host_id.size());
  for (const char character : host_id) {
    digest = hash_combine(digest, static_cast<unsigned char>(character));
  }
  return digest;
}

std::vector<std::byte> encode(const Address& address) {
  const size_t count = std::min(address.sockets.size(), kMaxSocketAddresses);
  std::vector<std::byte> bytes(kHeadBytes + count * SocketAddress::kEncodedBytes);
  const auto magic = std::as_bytes(std::span(kMagic));
  std::copy(magic.begin(), magic.end(), bytes.begin());
  for (size_t index = 0; index < kHostBytes; ++index) {
    bytes[kMagic.size() + index] = static_cast<std::byte>(address.host >> (8 * index));
  }
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
  for (size_t index = 0; index < kHostBytes; ++index) {
    address.host |= std::to_integer<uint64_t>(bytes[kMagic.size() + index]) << (8 * index);
  }
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

std::vector<SocketAddress> ways(const Address& connecting, const Address& accepting) {
  const bool same_host = connecting.host == accepting.host;
  std::vector<SocketAddress> found;
  std::copy_if(accepting.sockets.begin(), accepting.sockets.end(), std::back_inserter(found), [&](const SocketAddress& socket) {
    return has_family(connecting, socket.family()) && reachable(socket, same_host);
  });
  std::stable_partition(found.begin(), found.end(), [](const SocketAddress& socket) { return socket.is_loopback(); });
  return found;
}

}  // namespace tutti::transports::tcp
