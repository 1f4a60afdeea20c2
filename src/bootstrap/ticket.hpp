// SPDX-License-Identifier: Apache-2.0
// What the 128 bytes of a unique id say.
//
//   magic (8)  address count (1)  0 (1)  port count (2, little-endian)  0 (4)  2 addresses (28 each)  secret (32)  0 (16)  checksum (8)
//
// The checksum is the beginning of a SHA-256-based digest under a fixed key: it finds ids that are not ours or damaged, nothing more.
#pragma once

#include <cstdint>
#include <vector>

#include "base/authentication.hpp"
#include "base/interfaces.hpp"
#include "base/status.hpp"
#include "tutti/tutti.h"

namespace tutti::bootstrap {

inline constexpr size_t kMaxTicketAddresses = 2;
inline constexpr uint16_t kMaxTicketPorts = 64;

struct Ticket {
  std::vector<SocketAddress> addresses;  // where the service listens, the best first
  uint16_t port_count = 1;               // on each address, that port or one of the following
  Key secret{};
};

tuttiUniqueId encode_ticket(const Ticket& ticket);
// tuttiInvalidArgument when the id was not made by encode_ticket.
Result<Ticket> decode_ticket(const tuttiUniqueId& id);

// The port `index` places after `first`; after 65535 comes 1024.
uint16_t following_port(uint16_t first, uint16_t index);

}  // namespace tutti::bootstrap
