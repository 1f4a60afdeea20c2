// SPDX-License-Identifier: Apache-2.0
// Walks through the ways to a peer until a socket at one of them proves to be the peer's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/descriptor.hpp"
#include "base/interfaces.hpp"
#include "transport/connection.hpp"

namespace tutti::transport {

// How a connection may be made.
struct Way {
  SocketAddress to;
  std::optional<SocketAddress> from = {};  // the kernel's choice if empty

  std::string to_string() const { return to.to_string(); }
};

// Where a rank is: its host, as a digest of the host id, and the addresses of its sockets in the order of preference.
struct Place {
  uint64_t host = 0;
  std::span<const SocketAddress> sockets;
};
// Where a rank at `connecting` may find one at `accepting`, best first. Both ends compute the same, so that both know when there is no way. Left out are families of
// which `connecting` has no address, and loopback unless both are on one host, where it goes first. Link-local IPv6 goes last, over each interface of
// `connecting` that has it, since only trying tells which are on one wire.
std::vector<SocketAddress> ways(const Place& connecting, const Place& accepting);

std::vector<Way> ways_to(std::span<const SocketAddress> addresses);

class Dialer {
 public:
  struct Target {
    uint32_t rank = 0;
    std::vector<Way> ways;
  };
  // `clock` outlives it. A way on which a connection began but was lost is tried again until `deadline`; one that is refused, or on
  // which somebody else answers, is given up. A link-local way that cannot be begun is tried for some seconds: this host's address may not be valid yet.
  Dialer(Target target, const Identity& identity, const Clock& clock, Deadline deadline);

  enum class State : uint8_t { dialing, proven, failed };
  State advance();
  Descriptor take_socket() { return connection_->take_socket(); }
  // Why it failed: what happened on the way tried last.
  const std::string& reason() const { return reason_; }

 private:
  State begin_next();
  void give_up_way(const std::string& why);
  State fail();

  Identity identity_;
  const Clock* clock_;
  uint32_t rank_;
  std::vector<Way> ways_;  // those not given up
  size_t current_ = 0;
  Deadline deadline_;
  Deadline tentative_until_;
  Deadline retry_at_;
  std::optional<Connection> connection_;
  State state_ = State::dialing;
  std::string reason_ = "no address in common";
};

}  // namespace tutti::transport
