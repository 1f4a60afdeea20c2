// SPDX-License-Identifier: Apache-2.0
#include "transport/connection.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <utility>

#include "base/status.hpp"

namespace tutti::transport {

Connection::Connection(Descriptor socket, Handshake::Side side, const Identity& identity, Deadline deadline)
    : socket_(std::move(socket)), handshake_(side, identity.key, identity.claim), rank_count_(identity.claim.rank_count), knows_(identity.knows), deadline_(deadline) {}

Connection::State Connection::advance(const Clock& clock) {
  while (state_ == State::running) {
    const Transfer written = write_outgoing();
    const Transfer read = written == Transfer::broken ? Transfer::broken : read_wanted();
    if (handshake_.state() != Handshake::State::running) {
      return conclude();
    }
    if (read == Transfer::broken) {
      return end_unproven();
    }
    if (written == Transfer::waiting && read == Transfer::waiting) {
      break;
    }
  }
  if (state_ == State::running && deadline_.passed(clock)) {
    reason_ = "no answer in time";
    return end_unproven();
  }
  return state_;
}

Connection::Transfer Connection::write_outgoing() {
  const std::span<const std::byte> outgoing = handshake_.outgoing();
  if (outgoing.empty()) {
    return Transfer::waiting;
  }
  const ssize_t written = ::send(socket_.get(), outgoing.data(), outgoing.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (written < 0) {
    return broken(errno);
  }
  answered_ = true;
  handshake_.written(static_cast<size_t>(written));
  return Transfer::moved;
}

Connection::Transfer Connection::read_wanted() {
  std::array<std::byte, 256> bytes;
  const size_t wanted = std::min(handshake_.wanted(), bytes.size());
  if (wanted == 0) {
    return Transfer::waiting;
  }
  const ssize_t received = ::recv(socket_.get(), bytes.data(), wanted, MSG_DONTWAIT);
  if (received < 0) {
    return broken(errno);
  }
  if (received == 0) {
    reason_ = "connection closed during the handshake";
    return Transfer::broken;
  }
  answered_ = true;
  handshake_.received(std::span(bytes).first(static_cast<size_t>(received)));
  return Transfer::moved;
}

// EAGAIN is also the answer of a socket that is still connecting.
Connection::Transfer Connection::broken(int error) {
  if (error == EAGAIN || error == EWOULDBLOCK || error == EINTR) {
    return Transfer::waiting;
  }
  reason_ = system_error(error, "handshake").message();
  return Transfer::broken;
}

Connection::State Connection::conclude() {
  if (handshake_.state() == Handshake::State::rejected) {
    return end(State::rejected, std::string(handshake_.rejection()));
  }
  const Handshake::Claim& peer = handshake_.peer_claim();
  if (peer.rank_count != rank_count_ || !knows_(peer.purpose)) {
    return end(State::rejected, fmt::format("the other end claims {} ranks and purpose {:x}", peer.rank_count, peer.purpose));
  }
  state_ = State::proven;
  return state_;
}

Connection::State Connection::end_unproven() {
  return end(answered_ ? State::lost : State::refused, std::exchange(reason_, {}));
}

Connection::State Connection::end(State state, std::string reason) {
  state_ = state;
  reason_ = std::move(reason);
  socket_.reset();
  return state_;
}

}  // namespace tutti::transport
