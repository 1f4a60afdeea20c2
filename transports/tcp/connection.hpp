// SPDX-License-Identifier: Apache-2.0
// A socket whose two ends are proving to each other that they belong to the communicator. Nothing else is read from it before.
#pragma once

#include <cstdint>
#include <string>

#include "base/authentication.hpp"
#include "base/clock.hpp"
#include "base/descriptor.hpp"
#include "transports/tcp/rail_name.hpp"

namespace tutti::transports::tcp {

// What both ends of every socket of a communicator must agree on, and who this end is. The purpose is kLinkPurpose where this end accepts, and names
// the socket where it connects.
struct Identity {
  Key key;
  Handshake::Claim claim;
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
  uint32_t peer_rank() const { return handshake_.peer_claim().rank; }
  // What the connecting end calls the socket; only when proven, and for the accepting end.
  RailName rail_name() const { return *rail_name_of(handshake_.peer_claim().purpose); }
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
  Handshake::Side side_;
  Handshake::Claim own_claim_;
  Deadline deadline_;
  State state_ = State::running;
  bool answered_ = false;  // whether the other end's kernel took our bytes, or sent some
  std::string reason_;
};

}  // namespace tutti::transports::tcp
