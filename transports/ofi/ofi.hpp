// SPDX-License-Identifier: Apache-2.0
// Frames over libfabric: one reliable datagram endpoint for all peers of a communicator, and beside each link a TCP socket that proves who the peer is and
// that it lives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/descriptor.hpp"
#include "transport/acceptor.hpp"
#include "transport/dialer.hpp"
#include "transport/look_pace.hpp"
#include "transport/socket_watch.hpp"
#include "transport/transport.hpp"
#include "transports/ofi/address.hpp"
#include "transports/ofi/hub.hpp"
#include "transports/ofi/link.hpp"
#include "transports/ofi/providers.hpp"
#include "transports/ofi/sentinel.hpp"

namespace tutti::transports::ofi {

const transport::TransportType& type();

class OfiTransport final : public transport::Transport {
 public:
  // Errors: tuttiInvalidArgument for a TUTTI_OFI_PROVIDER that is not offered or a selection of interfaces that matches none; tuttiSystemError when
  // nothing is suitable or it cannot be opened.
  static Result<std::unique_ptr<transport::Transport>> create(const transport::TransportContext& context);
  // The same with an endpoint of the caller's.
  static Result<std::unique_ptr<transport::Transport>> create_with(const transport::TransportContext& context, std::unique_ptr<Endpoint> endpoint);
  ~OfiTransport() override;

  std::vector<std::byte> address() const override { return encode(address_); }
  void connect(uint32_t peer, std::span<const std::byte> peer_address) override;
  void disconnect(uint32_t peer) override;
  transport::PeerState state(uint32_t peer) const override { return peers_[peer].state; }
  std::string reason(uint32_t peer) const override { return peers_[peer].reason; }
  transport::Link* link(uint32_t peer) override;
  std::optional<int> preference() const override;
  size_t poll() override;

 private:
  struct Peer {
    transport::PeerState state = transport::PeerState::unreachable;
    std::string reason = "never asked to connect";
    Address address;
    Deadline deadline = Deadline::none();
    std::optional<transport::Dialer> dialer;
    Descriptor early;  // proven before this rank was asked to connect
    std::optional<Sentinel> sentinel;
    uint64_t nonce = 0;
    std::unique_ptr<OfiLink> link;  // from when the sentinel is open
    Deadline gone_for_good = Deadline::none();  // once it has left: when what has not arrived is missing
  };

  explicit OfiTransport(const transport::TransportContext& context);
  Status open(std::unique_ptr<Endpoint> endpoint);

  size_t look();
  size_t take_arrivals();
  size_t advance_connecting();
  void advance(uint32_t rank);
  void take_socket(uint32_t rank, Descriptor socket);
  void advance_opening(uint32_t rank);
  void begin_link(uint32_t rank);
  void advance_greeting(uint32_t rank);
  void look_after(uint32_t rank);
  void leave_connecting(Peer& peer, transport::PeerState state, std::string reason);
  void say_goodbye(Peer& peer);
  uint64_t token(uint64_t lower_nonce, uint64_t higher_nonce, uint32_t receiver) const;
  uint64_t tag_of(uint32_t rank) const;

  const uint32_t rank_;
  const Clock& clock_;
  const Settings& settings_;
  const transport::Identity identity_;
  Address address_;
  std::unique_ptr<Hub> hub_;
  std::optional<transport::Acceptor> acceptor_;
  std::optional<transport::SocketWatch> watch_;
  std::vector<Peer> peers_;
  std::vector<transport::Acceptor::Proven> arrivals_;
  size_t connecting_count_ = 0;
  transport::LookPace look_pace_;
};

}  // namespace tutti::transports::ofi
