// SPDX-License-Identifier: Apache-2.0
// How two ranks that met on a Unix socket come to share a segment, without ever blocking:
//
//   both                     the kernel vouches that the peer runs as our user; it is sent away otherwise
//   both                     Handshake: each proves that it knows the communicator's secret and says which rank it is
//   connecting -> accepting  offer: the segment's geometry, its memfd by SCM_RIGHTS, and a mark in the process's memory
//   accepting -> connecting  acceptance, once it has checked and mapped the segment, and its own mark
//
// Each tries to read the other's mark, so that both know whether they reach the other's memory.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/authentication.hpp"
#include "transports/shm/layout.hpp"
#include "transports/shm/link.hpp"
#include "transports/shm/local_socket.hpp"
#include "transports/shm/peer_process.hpp"

namespace tutti::transports::shm {

// Who we are, to every peer.
struct Identity {
  Handshake::Claim claim;
  Key key;
  Geometry geometry;  // of the segments we offer
  bool reaches_memory = true;  // of peers, where the kernel lets us
};

class Introduction {
 public:
  enum class State : uint8_t { running, done, failed };

  // `identity` outlives it. Errors: tuttiRemoteError when the process at the other end belongs to another user.
  static Result<std::unique_ptr<Introduction>> begin(Handshake::Side side, const Identity& identity, Descriptor socket);

  // Goes as far as it can now.
  State advance();
  State state() const { return state_; }
  // Why it failed.
  const Status& failure() const { return failure_; }
  // Which rank the peer has proven to be, and the link to it; once, and only when done.
  uint32_t peer_rank() const { return handshake_.peer_claim().rank; }
  std::unique_ptr<ShmLink> take_link();

 private:
  // What is to be done next.
  enum class Phase : uint8_t { prove, send_offer, await_acceptance, await_offer, send_acceptance };
  enum class Pace : uint8_t { on, wait };

  Introduction(Handshake::Side side, const Identity& identity, Descriptor socket, pid_t process_id);

  Pace step();
  Pace prove();
  Pace send_offer();
  Pace await_acceptance();
  Pace await_offer();
  Pace send_acceptance();
  Status check_claim() const;
  // The pace after a transfer of a whole message of `expected_bytes`; goes on to `next` when it is through.
  Pace after(const Transferred& transferred, size_t expected_bytes, Phase next);
  Pace fail(Status failure);
  void look_at(const Mark& mark);
  Pace finish();

  const Identity& identity_;
  Handshake::Side side_;
  Handshake handshake_;
  Phase phase_ = Phase::prove;
  State state_ = State::running;
  Status failure_;
  Descriptor offered_memfd_;
  ShmLink::Parts parts_;
};

}  // namespace tutti::transports::shm
