// SPDX-License-Identifier: Apache-2.0
// One end of a bootstrap connection: first the handshake, then frames. Never blocks; not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "base/authentication.hpp"
#include "base/descriptor.hpp"
#include "bootstrap/wire.hpp"

namespace tutti::bootstrap {

class Connection {
 public:
  enum class State : uint8_t { authenticating, open, closed };

  // `max_payload_bytes` bounds what the peer may announce as the length of a frame.
  Connection(Descriptor socket, Handshake handshake, size_t max_payload_bytes);

  // Writes and reads what can be written and read without waiting, within a bound, so that a fast peer cannot keep it here.
  void turn();
  // Only writes. For an owner that goes back to waiting for the socket without taking frames: what turn() had read would wait with it.
  void flush();
  // The next complete frame, in order. Frames that arrived before the connection closed are still given.
  std::optional<Frame> next_frame();
  // Queues a frame as encode_frame made it; several connections may share one.
  void send(std::shared_ptr<const Bytes> encoded_frame);
  void send(FrameType type, std::span<const std::byte> payload = {});
  // Ends this side's output, so that the peer sees the end after what has been sent.
  void finish_sending();

  State state() const { return state_; }
  // Why it closed: "connection closed", "wrong secret", "connection reset by peer (ECONNRESET)".
  const std::string& close_reason() const { return close_reason_; }
  // Whether the peer has proven itself, even if the connection has closed since: what it said may still wait in next_frame().
  bool authenticated() const { return handshake_.state() == Handshake::State::done; }
  // The peer's claim; only once authenticated.
  const Handshake::Claim& peer_claim() const { return handshake_.peer_claim(); }
  bool has_output() const { return state_ != State::closed && (!handshake_.outgoing().empty() || !output_.empty()); }
  const Descriptor& socket() const { return socket_; }

 private:
  struct Output {
    std::shared_ptr<const Bytes> bytes;
    size_t written = 0;
  };

  void carry_handshake();
  void write_frames();
  void read_frames();
  // Whether the input holds a header that announces more than is allowed, or an unknown type.
  bool input_is_broken() const;
  void close(std::string reason);
  void close_on_error(int error);

  Descriptor socket_;
  Handshake handshake_;
  size_t max_payload_bytes_;
  State state_ = State::authenticating;
  std::string close_reason_;
  std::deque<Output> output_;
  Bytes input_;
};

}  // namespace tutti::bootstrap
