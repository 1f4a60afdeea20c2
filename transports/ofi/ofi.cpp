// SPDX-License-Identifier: Apache-2.0
#include "transports/ofi/ofi.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <utility>

#include "base/hash.hpp"
#include "base/little_endian.hpp"
#include "base/log.hpp"
#include "transports/ofi/libfabric_endpoint.hpp"

namespace tutti::transports::ofi {

namespace {

using transport::Acceptor;
using transport::Dialer;
using transport::PeerState;

// Below tcp, which has several sockets and writes from where the bytes are.
constexpr int kSoftwarePreference = 5;

// The purpose that sentinels claim.
constexpr uint64_t kSentinelPurpose = 0x7475'7474'696f'6669;

// From proof to greeting: how long endpoints may take to reach each other.
constexpr uint64_t kGreetingPatience_ns = 10'000'000'000;
// What a peer sent before it ended may still be on its way, as nothing orders the sentinel's end and the endpoint's messages. After a goodbye it is known
// what is to come; a process that died has said nothing.
constexpr uint64_t kGraceAfterGoodbye_ns = 1'000'000'000;
constexpr uint64_t kGraceAfterDeath_ns = 5'000'000;
// Rounds of a millisecond in which a leaving rank waits for its last messages to go out.
constexpr int kMaxFarewellRounds = 20;

// A selection as TUTTI_TRANSPORTS has it.
bool names(std::string_view selection, std::string_view transport) {
  while (!selection.empty()) {
    const size_t comma = selection.find(',');
    if (selection.substr(0, comma) == transport) {
      return true;
    }
    selection = comma == std::string_view::npos ? std::string_view() : selection.substr(comma + 1);
  }
  return false;
}

// Whether peers are to be reached without the transport tcp, or by this one at any rate.
bool asks_for_ofi(std::string_view selection) {
  return selection.starts_with('^') ? names(selection.substr(1), "tcp") : names(selection, "ofi");
}

size_t choose_frame_bytes(uint64_t slice_bytes) {
  return slice_bytes == 0 ? kMaxFrameBytes : static_cast<size_t>(std::clamp<uint64_t>(slice_bytes, kMinFrameBytes, kMaxFrameBytes));
}

uint64_t first_word_of(const Key& key) { return load_little_endian<uint64_t>(key.data()); }

}  // namespace

Result<std::unique_ptr<transport::Transport>> OfiTransport::create(const transport::TransportContext& context) {
  const Settings& settings = context.settings;
  const bool is_named = !settings.ofi_provider.empty();
  const bool takes_software = asks_for_ofi(settings.transports);
  if (!is_named && !takes_software && !has_adapters()) {
    return tl::make_unexpected(failure(tuttiSystemError, "no network adapter here; TUTTI_OFI_PROVIDER takes a provider in software"));
  }
  const auto offers = find_offers(settings);
  if (!offers) {
    return tl::make_unexpected(offers.error());
  }
  const auto offer = choose(*offers, {.provider = settings.ofi_provider, .takes_software = takes_software, .rank = context.rank});
  if (!offer) {
    return tl::make_unexpected(offer.error());
  }
  if (*offer == nullptr) {
    return tl::make_unexpected(
        failure(tuttiSystemError, "libfabric offers no network adapter here; TUTTI_OFI_PROVIDER takes one of: {}", names_of(*offers)));
  }
  if ((*offer)->place != Nearness::Place::unknown) {
    log::info("ofi: adapter {} is {} to this rank's processors", (*offer)->domain, (*offer)->place == Nearness::Place::near ? "near" : "far");
  }
  auto endpoint = open_endpoint(**offer);
  if (!endpoint) {
    return tl::make_unexpected(
        Status(endpoint.error().code(), fmt::format("libfabric's {} on {}: {}", (*offer)->provider, (*offer)->domain, endpoint.error().message())));
  }
  return create_with(context, std::move(*endpoint));
}

Result<std::unique_ptr<transport::Transport>> OfiTransport::create_with(const transport::TransportContext& context,
                                                                        std::unique_ptr<Endpoint> endpoint) {
  std::unique_ptr<OfiTransport> transport(new OfiTransport(context));
  TUTTI_UNEXPECTED_IF_ERROR(transport->open(std::move(endpoint)));
  return transport;
}

OfiTransport::OfiTransport(const transport::TransportContext& context)
    : rank_(context.rank),
      clock_(context.clock),
      settings_(context.settings),
      identity_{.transport = "ofi",
                .key = derive_key(context.secret, "ofi link", context.communicator_id),
                .claim = {.rank = context.rank, .rank_count = context.rank_count, .purpose = kSentinelPurpose},
                .knows = [](uint64_t purpose) { return purpose == kSentinelPurpose; }},
      address_{.host = hash_of_text(context.host_id), .provider = {}, .name = {}, .sockets = {}},
      peers_(context.rank_count) {}

Status OfiTransport::open(std::unique_ptr<Endpoint> endpoint) {
  auto acceptor = Acceptor::open(
      {.interfaces = settings_.socket_interfaces, .ports = settings_.socket_ports, .most_addresses = kMaxSocketAddresses}, identity_, clock_);
  if (!acceptor) {
    return acceptor.error();
  }
  acceptor_.emplace(std::move(*acceptor));
  address_.sockets = acceptor_->addresses();
  address_.provider = endpoint->traits().provider;
  address_.name = endpoint->name();
  if (address_.provider.size() > kMaxProviderBytes || address_.name.size() > kMaxNameBytes) {
    return failure(tuttiSystemError, "ofi: an endpoint's address of {} bytes", address_.name.size());
  }
  log::info("ofi: {} at {}", address_.provider, endpoint->describe(address_.name));
  hub_ = std::make_unique<Hub>(std::move(endpoint), tag_of(rank_), static_cast<uint32_t>(peers_.size()));
  auto watch = transport::SocketWatch::open(*acceptor_);
  if (!watch) {
    return watch.error();
  }
  watch_ = std::move(*watch);
  return {};
}

OfiTransport::~OfiTransport() {
  for (Peer& peer : peers_) {
    say_goodbye(peer);
  }
  for (Peer& peer : peers_) {
    peer.link.reset();
  }
}

transport::Link* OfiTransport::link(uint32_t rank) {
  return peers_[rank].state == PeerState::connected ? peers_[rank].link.get() : nullptr;
}

void OfiTransport::connect(uint32_t rank, std::span<const std::byte> peer_address) {
  assert(rank < peers_.size() && rank != rank_);
  Peer& peer = peers_[rank];
  if (peer.state != PeerState::unreachable) {
    return;
  }
  std::optional<Address> theirs = decode(peer_address);
  if (!theirs) {
    peer.reason = "its address makes no sense";
    return;
  }
  const bool is_same_host = theirs->host == address_.host;
  std::vector<SocketAddress> found = rank_ < rank ? transport::ways(address_.place(), theirs->place()) : transport::ways(theirs->place(), address_.place());
  if (theirs->provider != address_.provider) {
    peer.reason = fmt::format("it uses libfabric's {}, this rank {}", theirs->provider, address_.provider);
  } else if (core_of(address_.provider) == "shm" && !is_same_host) {
    peer.reason = "other host";
  } else if (found.empty()) {
    peer.reason = "no address in common";
  } else {
    peer.state = PeerState::connecting;
    peer.reason.clear();
    peer.address = std::move(*theirs);
    peer.deadline = Deadline::after_timeout_ms(clock_, settings_.timeout_ms);
    ++connecting_count_;
    if (rank_ < rank) {
      peer.dialer.emplace(Dialer::Target{rank, transport::ways_to(found)}, identity_, clock_, peer.deadline);
    } else if (peer.early.valid()) {
      take_socket(rank, std::move(peer.early));
    }
  }
}

void OfiTransport::disconnect(uint32_t rank) {
  assert(rank < peers_.size());
  Peer& peer = peers_[rank];
  if (peer.state == PeerState::connecting) {
    --connecting_count_;
  }
  say_goodbye(peer);
  peer = Peer();
  peer.reason = "disconnected";
}

// What was sent should arrive: messages get the time to leave, and the peer learns how many it may wait for.
void OfiTransport::say_goodbye(Peer& peer) {
  if (!peer.sentinel || peer.link == nullptr) {
    return;
  }
  int idle_rounds = 0;
  while (peer.link->is_sending() && peer.link->failure().ok() && !hub_->is_closed() && idle_rounds < kMaxFarewellRounds) {
    if (hub_->progress() == 0) {
      ++idle_rounds;
      (void)::poll(nullptr, 0, 1);
    }
  }
  peer.sentinel->say_goodbye(peer.link->sent());
}

std::optional<int> OfiTransport::preference() const {
  const auto networks = network_providers();
  const bool has_adapter = std::ranges::find(networks, core_of(address_.provider)) != networks.end();
  return has_adapter ? std::nullopt : std::optional(kSoftwarePreference);
}

size_t OfiTransport::poll() {
  size_t done = hub_->progress();
  for (Peer& peer : peers_) {
    done += peer.link != nullptr ? peer.link->flush() : 0;
  }
  return look_pace_.is_due(clock_.now_ns(), connecting_count_ > 0) ? done + look() : done;
}

size_t OfiTransport::look() {
  size_t done = 0;
  const bool somebody_connects = watch_->look([&](uint32_t rank) {
    if (Peer& peer = peers_[rank]; peer.sentinel && peer.sentinel->look() == Sentinel::State::ended) {
      watch_->remove(peer.sentinel->socket());
      ++done;
    }
  });
  done += somebody_connects ? acceptor_->accept_waiting() : 0;
  (void)acceptor_->advance(arrivals_);
  done += take_arrivals();
  done += connecting_count_ > 0 ? advance_connecting() : 0;
  for (uint32_t rank = 0; rank < peers_.size(); ++rank) {
    look_after(rank);
  }
  return done;
}

size_t OfiTransport::take_arrivals() {
  const size_t count = arrivals_.size();
  for (Acceptor::Proven& arrival : arrivals_) {
    Peer& peer = peers_[arrival.peer.rank];
    if (peer.state == PeerState::connecting && !peer.sentinel) {
      take_socket(arrival.peer.rank, std::move(arrival.socket));
    } else if (peer.state == PeerState::unreachable) {
      peer.early = std::move(arrival.socket);
    }  // else the peer has a link already, and this socket is closed
  }
  arrivals_.clear();
  return count;
}

size_t OfiTransport::advance_connecting() {
  const size_t before = connecting_count_;
  for (uint32_t rank = 0; rank < peers_.size(); ++rank) {
    if (peers_[rank].state == PeerState::connecting) {
      advance(rank);
    }
  }
  return before - connecting_count_;
}

// The lower rank calls; then it opens and the higher one answers; then it greets and the higher one answers. So each knows that the other expects what it sends.
void OfiTransport::advance(uint32_t rank) {
  Peer& peer = peers_[rank];
  if (peer.dialer) {
    switch (peer.dialer->advance()) {
      case Dialer::State::dialing: break;
      case Dialer::State::proven: take_socket(rank, peer.dialer->take_socket()); break;
      case Dialer::State::failed: return leave_connecting(peer, PeerState::unreachable, peer.dialer->reason());
    }
  }
  if (peer.state == PeerState::connecting && peer.sentinel && peer.link == nullptr) {
    advance_opening(rank);
  }
  if (peer.state == PeerState::connecting && peer.link != nullptr) {
    advance_greeting(rank);
  }
  if (peer.state == PeerState::connecting && peer.deadline.passed(clock_)) {
    leave_connecting(peer, PeerState::unreachable, peer.link == nullptr ? "it did not connect in time" : "the endpoints do not reach each other");
  }
}

void OfiTransport::take_socket(uint32_t rank, Descriptor socket) {
  Peer& peer = peers_[rank];
  peer.sentinel.emplace(std::move(socket));
  peer.dialer.reset();
  if (const Status watched = watch_->add(peer.sentinel->socket(), rank); !watched.ok()) {
    return leave_connecting(peer, PeerState::unreachable, watched.message());
  }
  fill_random(std::as_writable_bytes(std::span(&peer.nonce, 1)));
  if (rank_ < rank) {
    peer.sentinel->open(peer.nonce);
  }
}

void OfiTransport::advance_opening(uint32_t rank) {
  Peer& peer = peers_[rank];
  switch (peer.sentinel->look()) {
    case Sentinel::State::opening: break;
    case Sentinel::State::open: begin_link(rank); break;
    case Sentinel::State::left:
    case Sentinel::State::ended: leave_connecting(peer, PeerState::unreachable, "it gave up: " + peer.sentinel->reason()); break;
  }
}

void OfiTransport::begin_link(uint32_t rank) {
  Peer& peer = peers_[rank];
  const auto added = hub_->endpoint().add_peer(peer.address.name);
  if (!added) {
    return leave_connecting(peer, PeerState::unreachable, added.error().message());
  }
  const uint64_t theirs = peer.sentinel->peer_nonce();
  const auto [lower, higher] = rank_ < rank ? std::pair(peer.nonce, theirs) : std::pair(theirs, peer.nonce);
  const Distance distance = peer.address.host == address_.host ? Distance::same_host : Distance::other_host;
  peer.link = std::make_unique<OfiLink>(
      *hub_,
      OfiLink::Ends{.own_rank = rank_,
                    .peer_rank = rank,
                    .peer = *added,
                    .peer_tag = tag_of(rank),
                    .own_token = token(lower, higher, rank_),
                    .peer_token = token(lower, higher, rank)},
      OfiLink::Manner{.max_frame_bytes = choose_frame_bytes(settings_.slice_bytes),
                      .estimate = estimate_of(address_.provider, distance),
                      .description = fmt::format("ofi {} {} -> {}", address_.provider, hub_->endpoint().describe(address_.name),
                                                 hub_->endpoint().describe(peer.address.name))});
  peer.deadline = Deadline::after_ns(clock_, kGreetingPatience_ns);
  if (rank_ < rank) {
    peer.link->greet();
  } else {
    peer.sentinel->open(peer.nonce);
  }
}

void OfiTransport::advance_greeting(uint32_t rank) {
  Peer& peer = peers_[rank];
  if (!peer.link->failure().ok()) {
    return leave_connecting(peer, PeerState::unreachable, peer.link->failure().message());
  }
  if (!peer.link->greeted()) {
    if (peer.sentinel->state() == Sentinel::State::ended) {
      leave_connecting(peer, PeerState::unreachable, "it gave up: " + peer.sentinel->reason());
    }
    return;
  }
  if (rank_ > rank) {
    peer.link->greet();
    (void)peer.link->flush();
  }
  log::info("ofi: rank {} is connected: {}", rank, peer.link->describe());
  leave_connecting(peer, PeerState::connected, {});
}

// A link ends some time after its sentinel, when all has arrived that may still come.
void OfiTransport::look_after(uint32_t rank) {
  Peer& peer = peers_[rank];
  if (peer.state != PeerState::connected || !peer.link->failure().ok()) {
    return;
  }
  const Sentinel::State state = peer.sentinel->state();
  if (state != Sentinel::State::left && state != Sentinel::State::ended) {
    return;
  }
  const bool has_said_goodbye = peer.sentinel->peer_sent().has_value();
  if (peer.gone_for_good.at_ns() == Deadline::none().at_ns()) {
    peer.gone_for_good = Deadline::after_ns(clock_, has_said_goodbye ? kGraceAfterGoodbye_ns : kGraceAfterDeath_ns);
  }
  hub_->drain();
  if (has_said_goodbye && peer.link->has_arrived(*peer.sentinel->peer_sent())) {
    peer.link->fail(remote_error("connection closed by the peer"));
  } else if (peer.gone_for_good.passed(clock_)) {
    peer.link->fail(has_said_goodbye ? remote_error("it left, and not all that it had sent arrived") : remote_error("{}", peer.sentinel->reason()));
  }
}

void OfiTransport::leave_connecting(Peer& peer, PeerState state, std::string reason) {
  assert(peer.state == PeerState::connecting);
  --connecting_count_;
  peer.state = state;
  peer.reason = std::move(reason);
  peer.dialer.reset();
  peer.deadline = Deadline::none();
  if (state == PeerState::unreachable) {
    peer.link.reset();
    peer.sentinel.reset();
  }
}

// Both nonces are in it, so it is of no use for another link, and the secret, so it cannot be computed from what the sentinel says.
uint64_t OfiTransport::token(uint64_t lower_nonce, uint64_t higher_nonce, uint32_t receiver) const {
  const Key lower = derive_key(identity_.key, "ofi token, lower", lower_nonce);
  return first_word_of(derive_key(derive_key(lower, "ofi token, higher", higher_nonce), "ofi token, receiver", receiver));
}

uint64_t OfiTransport::tag_of(uint32_t rank) const { return first_word_of(derive_key(identity_.key, "ofi tag", rank)); }

// Below shm, and above tcp for the sake of network adapters.
const transport::TransportType& type() {
  static constexpr transport::TransportType instance{.name = "ofi", .preference = 20, .automatic = true, .create = &OfiTransport::create};
  return instance;
}

}  // namespace tutti::transports::ofi
