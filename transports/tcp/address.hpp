// SPDX-License-Identifier: Apache-2.0
// What peers must know to reach a rank over TCP, and which of the ways to it become rails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/interfaces.hpp"
#include "transport/dialer.hpp"

namespace tutti::transports::tcp {

inline constexpr size_t kMaxSocketAddresses = 16;

using transport::Way;

struct Address {
  // A digest of the host id: ranks with equal ones try loopback first. If two hosts' ids collide, that attempt fails and the next one is made.
  uint64_t host = 0;
  std::vector<SocketAddress> sockets;  // in the order of preference

  transport::Place place() const { return {host, sockets}; }
};

// At most transport::kMaxAddressBytes.
std::vector<std::byte> encode(const Address& address);
// Empty when the bytes are no address of this transport.
std::optional<Address> decode(std::span<const std::byte> bytes);

// The ways of the rails that a link from `connecting` to `accepting` should have, or less than two of them for a link of one socket. Each of the
// `own` interfaces, which are those of `connecting`, gives `sockets_per_interface` rails, to an address on its own network; where there is none of any
// interface, to addresses in their order, which routers know the way to.
std::vector<Way> plan_rails(std::span<const Interface> own, const Address& connecting, const Address& accepting, uint64_t sockets_per_interface);

}  // namespace tutti::transports::tcp
