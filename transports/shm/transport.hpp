// SPDX-License-Identifier: Apache-2.0
// The shared-memory transport: who listens, who connects, and who has died. The lower rank of a pair connects to the higher one's socket;
// see introduction.hpp for what they then say to each other.
#pragma once

#include <poll.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/descriptor.hpp"
#include "transport/transport.hpp"
#include "transports/shm/address.hpp"
#include "transports/shm/introduction.hpp"
#include "transports/shm/link.hpp"

namespace tutti::transports::shm {

class ShmTransport final : public transport::Transport {
 public:
  // Errors: tuttiSystemError when no Unix socket can be had.
  static Result<std::unique_ptr<transport::Transport>> create(const transport::TransportContext& context);

  std::vector<std::byte> address() const override { return encode(own_address_); }
  void connect(uint32_t peer, std::span<const std::byte> peer_address) override;
  void disconnect(uint32_t peer) override;
  transport::PeerState state(uint32_t peer) const override;
  std::string reason(uint32_t peer) const override;
  transport::Link* link(uint32_t peer) override;
  size_t poll() override;

 private:
  struct Peer {
    transport::PeerState state = transport::PeerState::unreachable;
    std::string reason = "not asked to connect";
    SocketName socket_name{};
    Deadline deadline = Deadline::none();           // of the attempt
    uint64_t next_knock_ns = 0;                     // when to try its socket again
    std::unique_ptr<Introduction> introduction;     // ours to it; only with higher ranks
    std::unique_ptr<ShmLink> link;
    std::unique_ptr<ShmLink> arrived;  // it connected and proved itself before we were asked to connect to it
  };
  // Someone who knocked and has yet to prove who it is.
  struct Visitor {
    std::unique_ptr<Introduction> introduction;
    Deadline deadline;
  };

  ShmTransport(const transport::TransportContext& context, const Address& address, Descriptor listener);

  bool anything_unfinished() const { return connecting_count_ > 0 || !visitors_.empty(); }
  // Why no attempt is made on a peer of this address; nothing when one is worth it.
  std::optional<std::string> hopeless(const Address& address) const;
  size_t accept_visitors();
  size_t advance_visitors();
  void welcome(uint32_t rank, std::unique_ptr<ShmLink> link);
  size_t advance_attempts();
  void advance_attempt(uint32_t rank, Peer& peer);
  // Tries the peer's socket: to connect, or, when the peer is to connect to us, only to learn whether it is there at all.
  void knock(uint32_t rank, Peer& peer);
  // Who has ended, and what the others say about their windows.
  size_t look_at_peers();
  void become_connected(Peer& peer, std::unique_ptr<ShmLink> link);
  void give_up(Peer& peer, std::string reason);

  uint32_t rank_;
  const Clock& clock_;
  uint64_t timeout_ms_;
  Identity identity_;
  Address own_address_;
  Descriptor listener_;
  std::vector<Peer> peers_;  // by rank
  std::vector<Visitor> visitors_;
  uint32_t connecting_count_ = 0;
  uint32_t quiet_polls_ = 0;
  uint64_t next_look_ns_ = 0;
  std::vector<pollfd> watched_;  // kept for its memory: two for each link
};

}  // namespace tutti::transports::shm
