// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/tcp.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/hash.hpp"
#include "base/log.hpp"

namespace tutti::transports::tcp {

namespace {

using transport::PeerState;

// How often rails are asked whether they are silent, and links how much they have to do.
constexpr uint64_t kTendingInterval_ns = 5'000'000;

// What carries less between two looks is not full, whatever its sockets say.
constexpr uint64_t kLeastBusyBytes = 128 * 1024;

}  // namespace

Result<std::unique_ptr<transport::Transport>> TcpTransport::create(const transport::TransportContext& context) {
  std::unique_ptr<TcpTransport> transport(new TcpTransport(context));
  TUTTI_UNEXPECTED_IF_ERROR(transport->open());
  return transport;
}

TcpTransport::TcpTransport(const transport::TransportContext& context)
    : rank_(context.rank),
      clock_(context.clock),
      settings_(context.settings),
      identity_{.transport = "tcp",
                .key = derive_key(context.secret, "tcp link", context.communicator_id),
                .claim = {.rank = context.rank, .rank_count = context.rank_count, .purpose = kLinkPurpose},
                .knows = [](uint64_t purpose) { return rail_name_of(purpose).has_value(); }},
      address_{.host = hash_of_text(context.host_id), .sockets = {}},
      peers_(context.rank_count) {}

Status TcpTransport::open() {
  auto acceptor = transport::Acceptor::open(
      {.interfaces = settings_.socket_interfaces, .ports = settings_.socket_ports, .most_addresses = kMaxSocketAddresses}, identity_, clock_);
  if (!acceptor) {
    return acceptor.error();
  }
  acceptor_.emplace(std::move(*acceptor));
  address_.sockets = acceptor_->addresses();
  auto watch = transport::SocketWatch::open(*acceptor_);
  if (!watch) {
    return watch.error();
  }
  watch_ = std::move(*watch);
  return {};
}

void TcpTransport::connect(uint32_t rank, std::span<const std::byte> peer_address) {
  assert(rank < peers_.size() && rank != rank_);
  Peer& peer = peers_[rank];
  if (peer.state != PeerState::unreachable) {
    return;
  }
  const std::optional<Address> theirs = decode(peer_address);
  if (!theirs) {
    peer.reason = "its address makes no sense";
    return;
  }
  std::vector<SocketAddress> found = rank_ < rank ? transport::ways(address_.place(), theirs->place()) : transport::ways(theirs->place(), address_.place());
  if (found.empty()) {
    peer.reason = "no address in common";
    return;
  }
  peer.distance = theirs->host == address_.host ? Distance::same_host : Distance::other_host;
  peer.state = PeerState::connecting;
  peer.reason.clear();
  peer.deadline = Deadline::after_timeout_ms(clock_, settings_.timeout_ms);
  ++connecting_count_;
  if (rank_ > rank) {
    return;
  }
  peer.ways = std::move(found);
  std::vector<Way> plan = plan_rails(acceptor_->interfaces(), address_, *theirs, std::max<uint64_t>(settings_.sockets_per_interface, 1));
  if (plan.size() > 1) {
    peer.probe.emplace(RailProbe::Setup{rank, peer.session++, may_change(peer), std::move(plan)}, identity_, clock_, peer.deadline);
  } else {
    begin_dialing(rank);
  }
}

void TcpTransport::begin_dialing(uint32_t rank) {
  Peer& peer = peers_[rank];
  const RailName name{.session = peer.session++, .incarnation = 0, .count = 1, .rail = 0, .may_change = may_change(peer)};
  peer.dialer.emplace(Dialer::Target{rank, transport::ways_to(peer.ways)}, named(identity_, name), clock_, peer.deadline);
}

// On a host no network limits connections, so only links between hosts look for the best number of sockets. The rank that connects decides.
bool TcpTransport::may_change(const Peer& peer) const { return peer.distance == Distance::other_host && settings_.sockets_per_interface == 0; }

void TcpTransport::disconnect(uint32_t rank) {
  assert(rank < peers_.size());
  Peer& peer = peers_[rank];
  if (peer.state == PeerState::connecting) {
    --connecting_count_;
  }
  tended_link_count_ -= is_tended(peer) ? 1 : 0;
  const uint8_t session = peer.session;
  peer = Peer();
  peer.session = session;
  peer.reason = "disconnected";
}

PeerState TcpTransport::state(uint32_t rank) const { return peers_[rank].state; }
std::string TcpTransport::reason(uint32_t rank) const { return peers_[rank].reason; }
transport::Link* TcpTransport::link(uint32_t rank) { return peers_[rank].link.get(); }

size_t TcpTransport::poll() {
  size_t done = 0;
  if (backlogged_link_count_ > 0) {
    for (Peer& peer : peers_) {
      done += peer.link != nullptr ? peer.link->flush() : 0;
    }
  }
  return look_pace_.is_due(clock_.now_ns(), connecting_count_ > 0) ? done + look() : done;
}

size_t TcpTransport::look() {
  size_t done = look_at_sockets();
  done += acceptor_->advance(proven_);
  done += take_proven();
  if (tended_link_count_ > 0 && (tending_presses_ || clock_.now_ns() >= next_tending_ns_)) {
    tend_links();
  }
  return done + (connecting_count_ > 0 ? advance_connecting() : 0);
}

size_t TcpTransport::look_at_sockets() {
  size_t done = 0;
  const bool somebody_connects = watch_->look([&](uint32_t rank) {
    if (Peer& peer = peers_[rank]; peer.link != nullptr) {
      done += peer.link->look();
      stop_watching_if_failed(peer);
    }
  });
  return done + (somebody_connects ? acceptor_->accept_waiting() : 0);
}

// Rails close theirs.
void TcpTransport::stop_watching_if_failed(Peer& peer) {
  if (!peer.link->failure().ok() && peer.watched_socket >= 0) {
    watch_->remove(peer.watched_socket);
    peer.watched_socket = -1;
  }
}

size_t TcpTransport::take_proven() {
  const size_t count = proven_.size();
  for (transport::Acceptor::Proven& arrival : proven_) {
    Peer& peer = peers_[arrival.peer.rank];
    const RailName name = *rail_name_of(arrival.peer.purpose);
    if (peer.state != PeerState::connected) {
      peer.arrivals.add(name, std::move(arrival.socket));
    } else if (peer.railed != nullptr && name.session == peer.link_session && name.count > 1) {
      attach(arrival.peer.rank, {name.rail, name.incarnation, std::move(arrival.socket)});
    } else if (peer.changing != nullptr && name.session != peer.link_session && name.count > 1) {
      peer.arrivals.add(name, std::move(arrival.socket));
      tending_presses_ = true;
    }  // else the peer has a link already, and this one is closed
  }
  proven_.clear();
  return count;
}

size_t TcpTransport::advance_connecting() {
  const size_t before = connecting_count_;
  for (uint32_t rank = 0; rank < peers_.size(); ++rank) {
    if (peers_[rank].state == PeerState::connecting) {
      advance_peer(rank);
    }
  }
  return before - connecting_count_;
}

void TcpTransport::advance_peer(uint32_t rank) {
  Peer& peer = peers_[rank];
  if (peer.probe) {
    advance_probe(rank);
    return;
  }
  if (!peer.dialer) {
    if (std::optional<Gathered> gathered = peer.arrivals.advance(clock_)) {
      establish(rank, std::move(*gathered));
    } else if (peer.deadline.passed(clock_)) {
      leave_connecting(peer, PeerState::unreachable, "it did not connect in time");
    }
    return;
  }
  switch (peer.dialer->advance()) {
    case Dialer::State::dialing: break;
    case Dialer::State::proven: {
      Gathered gathered{.session = static_cast<uint8_t>(peer.session - 1), .may_change = may_change(peer), .rails = 1, .sockets = {}};
      gathered.sockets.push_back({0, 0, peer.dialer->take_socket()});
      establish(rank, std::move(gathered));
      break;
    }
    case Dialer::State::failed: leave_connecting(peer, PeerState::unreachable, peer.dialer->reason()); break;
  }
}

void TcpTransport::advance_probe(uint32_t rank) {
  Peer& peer = peers_[rank];
  switch (peer.probe->advance()) {
    case RailProbe::State::probing: break;
    case RailProbe::State::found: {
      Gathered gathered = peer.probe->take();
      peer.redialer.emplace(Redialer::Setup{rank, gathered.session, peer.probe->plan()}, identity_, clock_);
      establish(rank, std::move(gathered));
      break;
    }
    case RailProbe::State::none:
      peer.probe.reset();
      begin_dialing(rank);
      break;
  }
}

void TcpTransport::establish(uint32_t rank, Gathered gathered) {
  Peer& peer = peers_[rank];
  const bool may_change = gathered.may_change;
  auto sockets = make_sockets(rank, std::move(gathered));
  if (!sockets) {
    leave_connecting(peer, PeerState::unreachable, sockets.error().message());
    return;
  }
  peer.link = std::move(*sockets);
  if (may_change) {
    make_changing(rank);
  }
  tended_link_count_ += is_tended(peer) ? 1 : 0;
  log::info("tcp: rank {} is connected: {}", rank, peer.link->describe());
  leave_connecting(peer, PeerState::connected, {});
}

// What the link is made of, now or from now on.
Result<std::unique_ptr<SocketLink>> TcpTransport::make_sockets(uint32_t rank, Gathered gathered) {
  Peer& peer = peers_[rank];
  peer.link_session = gathered.session;
  peer.railed = nullptr;
  peer.watched_socket = -1;
  if (gathered.rails.count() == 1) {
    Descriptor socket = std::move(gathered.sockets.front().socket);
    TUTTI_UNEXPECTED_IF_ERROR(watch_->add(socket.get(), rank));
    peer.watched_socket = socket.get();
    return std::make_unique<TcpLink>(std::move(socket), settings_, peer.distance, backlogged_link_count_);
  }
  auto railed = std::make_unique<RailedLink>(
      RailedLink::Setup{.session = gathered.session, .rails = gathered.rails, .distance = peer.distance}, settings_, clock_, backlogged_link_count_);
  peer.railed = railed.get();
  for (Gathered::Socket& socket : gathered.sockets) {
    attach(rank, std::move(socket));
  }
  return railed;
}

void TcpTransport::make_changing(uint32_t rank) {
  Peer& peer = peers_[rank];
  const bool leads = rank_ < rank;
  if (leads) {
    peer.search.emplace(SocketSearch::Setup{rank, ways_of(peer.link->sockets())}, identity_, clock_);
  }
  const size_t max_frame_bytes = choose_frame_bytes(settings_.slice_bytes, std::min(kMaxFrameBytesBetweenHosts, kMaxRailFrameBytes));
  auto changing = std::make_unique<ChangingLink>(leads ? ChangingLink::Part::leads : ChangingLink::Part::follows, max_frame_bytes, std::move(peer.link));
  peer.changing = changing.get();
  peer.link = std::move(changing);
}

void TcpTransport::attach(uint32_t rank, Gathered::Socket socket) {
  if (watch_->add(socket.socket.get(), rank).ok()) {
    (void)peers_[rank].railed->attach(socket.rail, socket.incarnation, std::move(socket.socket));
  }
}

void TcpTransport::tend_links() {
  next_tending_ns_ = clock_.now_ns() + kTendingInterval_ns;
  tending_presses_ = false;
  for (uint32_t rank = 0; rank < peers_.size(); ++rank) {
    if (!is_tended(peers_[rank])) {
      continue;
    }
    peers_[rank].link->tend();
    if (peers_[rank].changing != nullptr) {
      look_for_best_sockets(rank);
    }
    make_lost_rails(rank);
  }
}

void TcpTransport::make_lost_rails(uint32_t rank) {
  Peer& peer = peers_[rank];
  if (peer.railed != nullptr && peer.redialer) {
    const RailSet missing = peer.railed->missing();
    tending_presses_ = tending_presses_ || missing.any();
    for (Gathered::Socket& socket : peer.redialer->advance(missing)) {
      attach(rank, std::move(socket));
    }
  }
}

void TcpTransport::look_for_best_sockets(uint32_t rank) {
  Peer& peer = peers_[rank];
  ChangingLink& link = *peer.changing;
  if (!link.failure().ok()) {
    return;
  }
  const std::optional<uint64_t> rate_bytes_per_s = note_full_rate(peer);
  if (!peer.search) {
    if (rate_bytes_per_s) {
      link.tell_rate(*rate_bytes_per_s);
    }
    if (std::optional<Gathered> gathered = link.may_change() ? peer.arrivals.advance(clock_) : std::nullopt) {
      change_sockets(rank, std::move(*gathered));
    }
  } else {
    if (rate_bytes_per_s) {
      peer.search->trial().note(SocketTrial::Direction::out, *rate_bytes_per_s);
    }
    if (const auto told_bytes_per_s = link.take_told_rate(); told_bytes_per_s && link.is_settled()) {
      peer.search->trial().note(SocketTrial::Direction::in, *told_bytes_per_s);
    }
    peer.session += peer.session == peer.link_session ? 1 : 0;  // of the other 255
    if (std::optional<Gathered> gathered = link.may_change() ? peer.search->advance(peer.session) : std::nullopt) {
      peer.redialer.emplace(Redialer::Setup{rank, gathered->session, peer.search->plan()}, identity_, clock_);
      change_sockets(rank, std::move(*gathered));
      peer.search->trial().changed(clock_.now_ns());
    }
  }
  tending_presses_ = tending_presses_ || !link.is_settled() || !peer.arrivals.empty() || (peer.search && peer.search->is_connecting());
}

// Nothing while a rail is lost, or sockets are being changed.
std::optional<uint64_t> TcpTransport::note_full_rate(Peer& peer) {
  const uint64_t sent_bytes = peer.changing->sent_bytes();
  const bool is_busy = sent_bytes - std::exchange(peer.sent_bytes, sent_bytes) >= kLeastBusyBytes;
  if (!peer.changing->is_settled() || (peer.railed != nullptr && peer.railed->missing().any())) {
    peer.full_rate.begin_anew();
    return std::nullopt;
  }
  if (!is_busy) {
    peer.full_rate.pause();
    return std::nullopt;
  }
  return peer.full_rate.note(clock_.now_ns(), peer.changing->load());
}

void TcpTransport::change_sockets(uint32_t rank, Gathered gathered) {
  Peer& peer = peers_[rank];
  auto sockets = make_sockets(rank, std::move(gathered));
  if (!sockets) {
    peer.changing->fail(sockets.error());
    return;
  }
  peer.changing->change_to(std::move(*sockets));
  log::info("tcp: the link to rank {} changes to {}", rank, peer.link->describe());
}

void TcpTransport::leave_connecting(Peer& peer, PeerState state, std::string reason) {
  assert(peer.state == PeerState::connecting);
  --connecting_count_;
  peer.state = state;
  peer.reason = std::move(reason);
  peer.dialer.reset();
  peer.probe.reset();
}

const transport::TransportType& type() {
  static constexpr transport::TransportType instance{
      .name = "tcp", .preference = 10, .automatic = true, .create = &TcpTransport::create};
  return instance;
}

}  // namespace tutti::transports::tcp
