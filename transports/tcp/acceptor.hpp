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
#include "transports/tcp/connection.hpp"

namespace tutti::transports::tcp {

// How long a stranger may take to prove itself, and how many may try at a time. When there are more, the oldest gives way: an honest peer needs a
// few milliseconds, and connects again if it was the one.
inline constexpr uint64_t kStrangerPatience_ns = 5'000'000'000;
inline constexpr size_t kMaxStrangers = 128;

class Acceptor {
 public:
  struct Options {
    uint32_t rank = 0;
    uint32_t rank_count = 1;
    std::string_view interfaces;  // TUTTI_SOCKET_IFNAME
    PortRange ports;              // TUTTI_SOCKET_PORTS
  };
  // Listens on the chosen interfaces. `identity` and `clock` outlive it. Errors: those of find_interfaces, or tuttiSystemError when none of the
  // interfaces can be listened on.
  static Result<Acceptor> open(const Options& options, const Identity& identity, const Clock& clock);

  std::vector<SocketAddress> addresses() const;
  std::vector<int> sockets() const;
  // Those that are listened on.
  const std::vector<Interface>& interfaces() const { return interfaces_; }

  struct Proven {
    uint32_t rank = 0;
    RailName name;
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

  Acceptor(uint32_t rank, const Identity& identity, const Clock& clock) : rank_(rank), identity_(&identity), clock_(&clock) {}

  uint32_t rank_;
  const Identity* identity_;
  const Clock* clock_;
  std::vector<Listener> listeners_;
  std::vector<Interface> interfaces_;
  std::vector<Connection> strangers_;  // oldest first
};

}  // namespace tutti::transports::tcp
