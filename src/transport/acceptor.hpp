// SPDX-License-Identifier: Apache-2.0
// The listening sockets of a rank, and the connections made to them that have not yet proven whose they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/descriptor.hpp"
#include "base/interfaces.hpp"
#include "base/settings.hpp"
#include "base/status.hpp"
#include "transport/connection.hpp"

namespace tutti::transport {

// How long a stranger may take to prove itself, and how many may try at a time. When there are more, the oldest gives way: an honest peer needs a
// few milliseconds, and connects again if it was the one.
inline constexpr uint64_t kStrangerPatience_ns = 5'000'000'000;
inline constexpr size_t kMaxStrangers = 128;

class Acceptor {
 public:
  struct Options {
    std::string_view interfaces;  // TUTTI_SOCKET_IFNAME
    PortRange ports;              // TUTTI_SOCKET_PORTS
    size_t most_addresses = 1;
  };
  // Listens on the chosen interfaces, those near to the calling thread first. `identity` and `clock` outlive it. Errors: those of find_interfaces, or
  // tuttiSystemError when none of the interfaces can be listened on.
  static Result<Acceptor> open(const Options& options, const Identity& identity, const Clock& clock);

  std::vector<SocketAddress> addresses() const;
  std::vector<int> sockets() const;
  // Those that are listened on.
  const std::vector<Interface>& interfaces() const { return interfaces_; }

  struct Proven {
    Handshake::Claim peer;
    Descriptor socket;
  };
  // Takes waiting connections, a bounded number at a time. Returns how many.
  size_t accept_waiting();
  // Carries handshakes on, drops what fails or is late, and appends to `proven` what proved to be a peer of a lower rank, the only ones that
  // connect. Returns how many handshakes have ended.
  size_t advance(std::vector<Proven>& proven);

 private:
  struct Listener {
    Descriptor socket;
    SocketAddress address;
  };

  Acceptor(const Identity& identity, const Clock& clock) : identity_(&identity), clock_(&clock) {}

  const Identity* identity_;
  const Clock* clock_;
  std::vector<Listener> listeners_;
  std::vector<Interface> interfaces_;
  std::vector<Connection> strangers_;  // oldest first
};

}  // namespace tutti::transport
