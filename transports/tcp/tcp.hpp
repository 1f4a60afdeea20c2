// SPDX-License-Identifier: Apache-2.0
// Frames over TCP: between two ranks one authenticated socket, or a rail on each network interface of theirs, made by the lower rank. All channels
// are multiplexed over all of them.
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
#include "transport/look_pace.hpp"
#include "transport/transport.hpp"
#include "transports/tcp/address.hpp"
#include "transports/tcp/gathering.hpp"
#include "transports/tcp/link.hpp"
#include "transports/tcp/railed_link.hpp"

namespace tutti::transports::tcp {

const transport::TransportType& type();

class TcpTransport final : public transport::Transport {
 public:
  // Errors: tuttiInvalidArgument for a selection of interfaces that matches none, tuttiSystemError.
  static Result<std::unique_ptr<transport::Transport>> create(const transport::TransportContext& context);

  std::vector<std::byte> address() const override { return encode(address_); }
  void connect(uint32_t peer, std::span<const std::byte> peer_address) override;
  void disconnect(uint32_t peer) override;
  transport::PeerState state(uint32_t peer) const override;
  std::string reason(uint32_t peer) const override;
  transport::Link* link(uint32_t peer) override;
  size_t poll() override;

 private:
  struct Peer {
    transport::PeerState state = transport::PeerState::unreachable;
    std::string reason = "never asked to connect";
    Distance distance = Distance::other_host;
    Deadline deadline = Deadline::none();
    std::optional<RailProbe> probe;  // of the rails, where there may be several
    std::vector<SocketAddress> ways;  // for a link of one socket, where there are none
    std::optional<Dialer> dialer;
    RailArrivals arrivals;  // also from before this rank was asked to connect
    uint8_t session = 0;    // of the next attempt
    std::unique_ptr<SocketLink> link;
    RailedLink* railed = nullptr;  // the link, if it has rails
    std::optional<Redialer> redialer;
    int watched_socket = -1;  // a link's only one, if it is in the epoll set
  };

  explicit TcpTransport(const transport::TransportContext& context);
  Status open();

  size_t look();
  size_t look_at_sockets();
  void stop_watching_if_failed(Peer& peer);
  size_t advance_connecting();
  void advance_peer(uint32_t rank);
  void begin_dialing(uint32_t rank);
  void advance_probe(uint32_t rank);
  size_t take_proven();
  void establish(uint32_t rank, Gathered gathered);
  Status establish_link(uint32_t rank, Gathered gathered);
  void attach(uint32_t rank, Gathered::Socket socket);
  void tend_rails();
  void leave_connecting(Peer& peer, transport::PeerState state, std::string reason);
  Status watch(int socket, uint32_t events, uint64_t token);

  const uint32_t rank_;
  const Clock& clock_;
  const Settings& settings_;
  const Identity identity_;
  Address address_;
  std::optional<transport::Acceptor> acceptor_;
  Descriptor epoll_;
  std::vector<Peer> peers_;
  std::vector<transport::Acceptor::Proven> proven_;
  size_t connecting_count_ = 0;
  size_t backlogged_link_count_ = 0;
  size_t railed_link_count_ = 0;
  bool rails_missing_ = false;
  uint64_t next_tending_ns_ = 0;
  transport::LookPace look_pace_;
};

}  // namespace tutti::transports::tcp
