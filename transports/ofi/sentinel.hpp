// SPDX-License-Identifier: Apache-2.0
// A TCP socket beside each link. On it the two ranks prove to each other that they know the secret, before a message of the other is looked at; and while
// the link lives it says nothing but whether the peer does: the kernel closes it when the peer's process ends, which endpoints without connections do
// not tell.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/authentication.hpp"
#include "base/clock.hpp"
#include "base/descriptor.hpp"
#include "base/interfaces.hpp"
#include "base/status.hpp"
#include "transport/transport.hpp"

namespace tutti::transports::ofi {

// What all sockets of a communicator must agree on, and who this end is.
struct Identity {
  Key key;
  Handshake::Claim claim;
};

// A socket whose ends are proving themselves.
class Proof {
 public:
  Proof(Descriptor socket, Handshake::Side side, const Identity& identity, Deadline deadline);

  enum class State : uint8_t { running, proven, rejected, lost };  // rejected: nobody is there, or not the peer; lost: for another reason, perhaps a passing one
  State advance(const Clock& clock);
  const std::string& reason() const { return reason_; }
  // Only when proven.
  uint32_t peer_rank() const { return handshake_.peer_claim().rank; }
  Descriptor take_socket() { return std::move(socket_); }

 private:
  bool write();
  bool read();
  void lose(int error);
  State end(State state, std::string_view reason);

  Descriptor socket_;
  Handshake handshake_;
  Handshake::Claim own_claim_;
  Deadline deadline_;
  State state_ = State::running;
  std::string reason_;
};

// The listening sockets of a rank, and who has not yet proven himself there.
class Doorway {
 public:
  // `identity` and `clock` outlive it. Errors: those of find_interfaces, or tuttiSystemError when no interface can be listened on.
  static Result<Doorway> open(std::string_view interfaces, const Identity& identity, const Clock& clock);

  const std::vector<SocketAddress>& addresses() const { return addresses_; }
  std::vector<int> sockets() const;

  struct Arrival {
    uint32_t rank = 0;
    Descriptor socket;
  };
  // Takes waiting connections, a bounded number at a time. Returns how many.
  size_t accept_waiting();
  // Carries proofs on, and appends ranks below the own one, the only ones that call, to `arrivals`. Returns how many proofs have ended.
  size_t advance(std::vector<Arrival>& arrivals);

 private:
  Doorway(const Identity& identity, const Clock& clock) : identity_(&identity), clock_(&clock) {}

  const Identity* identity_;
  const Clock* clock_;
  std::vector<Descriptor> listeners_;
  std::vector<SocketAddress> addresses_;
  std::vector<Proof> strangers_;  // oldest first
};

// Tries the ways to a peer, again and again until the deadline, but no more where somebody else answers.
class Caller {
 public:
  struct Target {
    uint32_t rank = 0;
    std::vector<SocketAddress> ways;
  };
  // `identity` and `clock` outlive it.
  Caller(Target target, const Identity& identity, const Clock& clock, Deadline deadline);

  enum class State : uint8_t { calling, proven, failed };
  State advance();
  Descriptor take_socket() { return proof_->take_socket(); }
  const std::string& reason() const { return reason_; }

 private:
  void begin();
  void give_up_way(const std::string& why);

  const Identity* identity_;
  const Clock* clock_;
  Target target_;
  size_t current_ = 0;
  Deadline deadline_;
  Deadline begin_at_;
  std::optional<Proof> proof_;
  std::string reason_ = "no address in common";
};

class Sentinel {
 public:
  using Counts = std::array<uint32_t, transport::kChannelCount>;

  // A proven socket.
  explicit Sentinel(Descriptor socket);

  int socket() const { return socket_.get(); }
  // Says the number that goes into the link's tokens; once.
  void open(uint64_t nonce);
  // Says how many frames have been sent on each channel, and that no more will be.
  void say_goodbye(const Counts& sent);

  enum class State : uint8_t { opening, open, left, ended };  // left: the peer has said goodbye; ended: nothing more will come
  // Reads what is there.
  State look();
  State state() const { return state_; }
  uint64_t peer_nonce() const { return peer_nonce_; }
  // What the peer said when it left.
  const std::optional<Counts>& peer_sent() const { return peer_sent_; }
  // Why it ended.
  const std::string& reason() const { return reason_; }

 private:
  void write(std::span<const std::byte> record);
  void take_record();
  size_t record_bytes() const;
  void end(std::string_view reason);

  Descriptor socket_;
  State state_ = State::opening;
  std::array<std::byte, sizeof(Counts)> record_{};  // what has come of the next one
  size_t record_filled_ = 0;
  uint64_t peer_nonce_ = 0;
  std::optional<Counts> peer_sent_;
  std::string reason_;
};

}  // namespace tutti::transports::ofi
