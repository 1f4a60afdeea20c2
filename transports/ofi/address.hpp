// SPDX-License-Identifier: Apache-2.0
// What peers must know to reach a rank: its endpoint's name, and sockets at which the two ranks prove themselves first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/interfaces.hpp"
#include "transport/dialer.hpp"

namespace tutti::transports::ofi {

inline constexpr size_t kMaxSocketAddresses = 12;
inline constexpr size_t kMaxProviderBytes = 64;
inline constexpr size_t kMaxNameBytes = 256;

struct Address {
  uint64_t host = 0;        // a digest of the host id
  std::string provider;     // "tcp;ofi_rxm"
  std::vector<std::byte> name;  // of the endpoint
  std::vector<SocketAddress> sockets;  // in the order of preference

  transport::Place place() const { return {host, sockets}; }
};

// At most transport::kMaxAddressBytes.
std::vector<std::byte> encode(const Address& address);
// Empty when the bytes are no address of this transport.
std::optional<Address> decode(std::span<const std::byte> bytes);

}  // namespace tutti::transports::ofi
