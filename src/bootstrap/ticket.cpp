// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/ticket.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <span>

namespace tutti::bootstrap {

namespace {

constexpr std::string_view kMagic = "TUTTIID1";
constexpr size_t kAddressCountAt = 8;
constexpr size_t kPortCountAt = 10;
constexpr size_t kAddressesAt = 16;
constexpr size_t kSecretAt = kAddressesAt + kMaxTicketAddresses * SocketAddress::kEncodedBytes;
constexpr size_t kPaddingAt = kSecretAt + kKeyBytes;
constexpr size_t kChecksumBytes = 8;
constexpr size_t kChecksumAt = TUTTI_UNIQUE_ID_BYTES - kChecksumBytes;
static_assert(kPaddingAt <= kChecksumAt);

using IdBytes = std::array<std::byte, TUTTI_UNIQUE_ID_BYTES>;

std::array<std::byte, kChecksumBytes> checksum_of(const IdBytes& bytes) {
  const std::string_view covered(reinterpret_cast<const char*>(bytes.data()), kChecksumAt);
  const Key digest = derive_key(Key{}, covered, 0);
  std::array<std::byte, kChecksumBytes> checksum;
  std::copy_n(digest.begin(), checksum.size(), checksum.begin());
  return checksum;
}

Status no_id() {
  return invalid_argument("commId was not made by tuttiGetUniqueId of this version, or was damaged on its way");
}

}  // namespace

tuttiUniqueId encode_ticket(const Ticket& ticket) {
  assert(!ticket.addresses.empty() && ticket.addresses.size() <= kMaxTicketAddresses);
  IdBytes bytes{};
  std::memcpy(bytes.data(), kMagic.data(), kMagic.size());
  bytes[kAddressCountAt] = static_cast<std::byte>(ticket.addresses.size());
  bytes[kPortCountAt] = static_cast<std::byte>(ticket.port_count);
  bytes[kPortCountAt + 1] = static_cast<std::byte>(ticket.port_count >> 8);
  for (size_t i = 0; i < ticket.addresses.size(); ++i) {
    ticket.addresses[i].encode(std::span<std::byte, SocketAddress::kEncodedBytes>(
        &bytes[kAddressesAt + i * SocketAddress::kEncodedBytes], SocketAddress::kEncodedBytes));
  }
  std::copy(ticket.secret.begin(), ticket.secret.end(), bytes.begin() + kSecretAt);
  const auto checksum = checksum_of(bytes);
  std::copy(checksum.begin(), checksum.end(), bytes.begin() + kChecksumAt);
  tuttiUniqueId id;
  std::memcpy(id.internal, bytes.data(), bytes.size());
  return id;
}

Result<Ticket> decode_ticket(const tuttiUniqueId& id) {
  IdBytes bytes;
  std::memcpy(bytes.data(), id.internal, bytes.size());
  const auto checksum = checksum_of(bytes);
  const auto address_count = std::to_integer<size_t>(bytes[kAddressCountAt]);
  const unsigned port_count =
      std::to_integer<unsigned>(bytes[kPortCountAt]) | std::to_integer<unsigned>(bytes[kPortCountAt + 1]) << 8;
  if (std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0 ||
      !std::equal(checksum.begin(), checksum.end(), bytes.begin() + kChecksumAt) || address_count == 0 ||
      address_count > kMaxTicketAddresses || port_count == 0 || port_count > kMaxTicketPorts) {
    return tl::make_unexpected(no_id());
  }
  Ticket ticket{.addresses = {}, .port_count = static_cast<uint16_t>(port_count), .secret = {}};
  for (size_t i = 0; i < address_count; ++i) {
    const auto address = SocketAddress::decode(std::span<const std::byte, SocketAddress::kEncodedBytes>(
        &bytes[kAddressesAt + i * SocketAddress::kEncodedBytes], SocketAddress::kEncodedBytes));
    if (!address) {
      return tl::make_unexpected(no_id());
    }
    ticket.addresses.push_back(*address);
  }
  std::copy_n(bytes.begin() + kSecretAt, kKeyBytes, ticket.secret.begin());
  return ticket;
}

uint16_t following_port(uint16_t first, uint16_t index) {
  constexpr uint32_t kPortCount = 1u << 16;
  constexpr uint32_t kFirstUnprivileged = 1024;
  const uint32_t port = uint32_t{first} + index;
  return static_cast<uint16_t>(port < kPortCount ? port : kFirstUnprivileged + (port - kPortCount));
}

}  // namespace tutti::bootstrap
