// SPDX-License-Identifier: Apache-2.0
// A socket whose two ends are proving to each other that they belong to the communicator. Nothing else is read from it before.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/authentication.hpp"
#include "base/clock.hpp"
#include "base/descriptor.hpp"

namespace tutti::transport {

// What both ends of every socket of a transport must agree on, and who this end is.
struct Identity {
  std::string_view transport;  // for the log
  Key key;
  Handshake::Claim claim;
  bool (*knows)(uint64_t purpose);  // whether the other end may claim it
};

class Connection {
 public:
  // `deadline` ends an attempt that makes no progress, or too little.
  Connection(Descriptor socket, Handshake::Side side, const Identity& identity, Deadline deadline);

  enum class State : uint8_t {
    running,
    proven,
    refused,   // nobody answered there
    rejected,  // by the handshake: somebody else answered
    lost       // somebody answered, but the connection ended or the deadline passed before the handshake was over
  };
  // Reads and writes as far as the socket lets it.
  State advance(const Clock& clock);
  // Why it was refused, rejected or lost.
  const std::string& reason() const { return reason_; }
  // Who the other end is; only when proven.
  const Handshake::Claim& peer() const { return handshake_.peer_claim(); }
  // The socket, positioned behind the handshake; only when proven.
  Descriptor take_socket() { return std::move(socket_); }

 private:
  enum class Transfer : uint8_t { moved, waiting, broken };
  Transfer write_outgoing();
  Transfer read_wanted();
  Transfer broken(int error);
  State conclude();
  State end_unproven();
  State end(State state, std::string reason);

  Descriptor socket_;
  Handshake handshake_;
  uint32_t rank_count_;
  bool (*knows_)(uint64_t purpose);
  Deadline deadline_;
  State state_ = State::running;
  bool answered_ = false;  // whether the other end's kernel took our bytes, or sent some
  std::string reason_;
};

}  // namespace tutti::transport
