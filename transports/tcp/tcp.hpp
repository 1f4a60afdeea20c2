// SPDX-License-Identifier: Apache-2.0
// Frames over TCP: between two ranks one authenticated socket, or rails over their network interfaces, made by the lower rank. All channels are
// multiplexed over all of them.
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
#include "transport/socket_watch.hpp"
#include "transport/transport.hpp"
#include "transports/tcp/address.hpp"
#include "transports/tcp/changing_link.hpp"
#include "transports/tcp/full_rate.hpp"
#include "transports/tcp/gathering.hpp"
#include "transports/tcp/link.hpp"
#include "transports/tcp/railed_link.hpp"
#include "transports/tcp/socket_search.hpp"

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
    uint8_t link_session = 0;
    RailedLink* railed = nullptr;  // the link, or what it has changed to, if that has rails
    std::optional<Redialer> redialer;
    int watched_socket = -1;  // a link's only one, if it is in the epoll set
    ChangingLink* changing = nullptr;  // the link, if its sockets may change
    std::optional<SocketSearch> search;  // of the rank that connects
    FullRate full_rate;
    uint64_t sent_bytes = 0;  // when that was noted last
  };

  static bool is_tended(const Peer& peer) { return peer.railed != nullptr || peer.changing != nullptr; }

  bool may_change(const Peer& peer) const;

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
  Result<std::unique_ptr<SocketLink>> make_sockets(uint32_t rank, Gathered gathered);
  void make_changing(uint32_t rank);
  void attach(uint32_t rank, Gathered::Socket socket);
  void tend_links();
  void make_lost_rails(uint32_t rank);
  void look_for_best_sockets(uint32_t rank);
  std::optional<uint64_t> note_full_rate(Peer& peer);
  void change_sockets(uint32_t rank, Gathered gathered);
  void leave_connecting(Peer& peer, transport::PeerState state, std::string reason);

  const uint32_t rank_;
  const Clock& clock_;
  const Settings& settings_;
  const Identity identity_;
  Address address_;
  std::optional<transport::Acceptor> acceptor_;
  std::optional<transport::SocketWatch> watch_;
  std::vector<Peer> peers_;
  std::vector<transport::Acceptor::Proven> proven_;
  size_t connecting_count_ = 0;
  size_t backlogged_link_count_ = 0;
  size_t tended_link_count_ = 0;
  bool tending_presses_ = false;
  uint64_t next_tending_ns_ = 0;
  transport::LookPace look_pace_;
};

}  // namespace tutti::transports::tcp
