// SPDX-License-Identifier: Apache-2.0
// What a link between hosts is expected to do, by what the kernel knows when it comes up: the shortest round trip of its sockets so far, those of the
// handshake, and the speed that drivers give for the interfaces.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "transport/transport.hpp"

namespace tutti::transports::tcp {

// What is known of one socket of a link.
struct SocketFigures {
  std::string interface;                        // its name; empty: not known
  std::optional<uint64_t> round_trip_ns;        // the kernels alone
  std::optional<uint64_t> interface_bits_per_s;
};

SocketFigures figures_of(int socket);

// Of a link over these sockets, of which there is at least one. Interfaces that more than one of them use count once.
transport::LinkEstimate estimate_between_hosts(std::span<const SocketFigures> sockets);

}  // namespace tutti::transports::tcp
