// SPDX-License-Identifier: Apache-2.0
#include "transports/shm/transport.hpp"

#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/hash.hpp"

namespace tutti::transports::shm {
namespace {

using transport::PeerState;
using transport::TransportContext;

// Strangers are bounded in number and in time.
constexpr size_t kMaxVisitors = 64;
constexpr uint64_t kVisitNs = 10'000'000'000;
constexpr uint64_t kKnockIntervalNs = 100'000'000;
// How often the kernel is asked who has ended, and how many polls pass between two looks at the clock: reading it costs a sixth of an 8-byte
// frame.
constexpr uint64_t kLookIntervalNs = 1'000'000;
constexpr uint32_t kPollsPerClockReading = 16;

constexpr uint64_t kPurpose = 0x73686d206c696e6b;  // "shm link"

}  // namespace

ShmTransport::ShmTransport(const TransportContext& context, const Address& address, Descriptor listener)
    : rank_(context.rank),
      clock_(context.clock),
      timeout_ms_(context.settings.timeout_ms),
      identity_{.claim = {context.rank, context.rank_count, hash_combine(kPurpose, context.communicator_id)},
                .key = derive_key(context.secret, "shm link", context.communicator_id),
                .geometry = geometry_for(context.settings.slice_bytes, context.rank_count),
                .reaches_memory = context.settings.peer_memory},
      own_address_(address),
      listener_(std::move(listener)),
      peers_(context.rank_count) {}

Result<std::unique_ptr<transport::Transport>> ShmTransport::create(const TransportContext& context) {
  const Address address{.user_id = ::geteuid(),
                        .process_id = static_cast<uint32_t>(::getpid()),
                        .socket_name = random_socket_name(),
                        .host_id = context.host_id.substr(0, kMaxHostIdBytes)};
  Result<Descriptor> listener = listen_locally(address.socket_name);
  if (!listener.has_value()) {
    return tl::make_unexpected(listener.error());
  }
  return std::unique_ptr<transport::Transport>(new ShmTransport(context, address, std::move(*listener)));
}

std::optional<std::string> ShmTransport::hopeless(const Address& address) const {
  if (address.host_id != own_address_.host_id) {
    return "other host";
  }
  if (address.user_id != own_address_.user_id) {
    return fmt::format("process {} belongs to user {}, this one to user {}", address.process_id, address.user_id, own_address_.user_id);
  }
  return std::nullopt;
}

void ShmTransport::connect(uint32_t rank, std::span<const std::byte> peer_address) {
  assert(rank < peers_.size());
  Peer& peer = peers_[rank];
  if (peer.state != PeerState::unreachable) {
    return;
  }
  const Result<Address> address = decode(peer_address);
  std::optional<std::string> obstacle =
      rank == rank_ ? "a rank has no link to itself" : address.has_value() ? hopeless(*address) : address.error().message();
  if (obstacle.has_value()) {
    peer.arrived.reset();
    peer.reason = std::move(*obstacle);
    return;
  }
  peer.state = PeerState::connecting;
  peer.reason.clear();
  peer.socket_name = address->socket_name;
  peer.deadline = Deadline::after_timeout_ms(clock_, timeout_ms_);
  peer.next_knock_ns = 0;
  ++connecting_count_;
  if (peer.arrived != nullptr) {
    become_connected(peer, std::move(peer.arrived));
  }
}

void ShmTransport::disconnect(uint32_t rank) {
  assert(rank < peers_.size());
  Peer& peer = peers_[rank];
  if (peer.state == PeerState::connecting) {
    give_up(peer, "disconnected");
  } else if (peer.state == PeerState::connected) {
    // `arrived` stays: a peer that has dropped the link before us may be connecting anew already.
    peer.link.reset();
    peer.state = PeerState::unreachable;
    peer.reason = "disconnected";
  }
}

PeerState ShmTransport::state(uint32_t rank) const {
  assert(rank < peers_.size());
  return peers_[rank].state;
}

std::string ShmTransport::reason(uint32_t rank) const {
  assert(rank < peers_.size());
  return peers_[rank].reason;
}

transport::Link* ShmTransport::link(uint32_t rank) {
  assert(rank < peers_.size());
  return peers_[rank].link.get();
}

size_t ShmTransport::poll() {
  if (!anything_unfinished() && ++quiet_polls_ < kPollsPerClockReading) {
    return 0;
  }
  quiet_polls_ = 0;
  const uint64_t now_ns = clock_.now_ns();
  const bool look_due = now_ns >= next_look_ns_;
  size_t work = 0;
  if (look_due || connecting_count_ > 0) {
    work += accept_visitors();
  }
  work += advance_visitors();
  work += advance_attempts();
  if (look_due) {
    next_look_ns_ = now_ns + kLookIntervalNs;
    work += look_at_peers();
  }
  return work;
}

size_t ShmTransport::accept_visitors() {
  size_t accepted = 0;
  while (visitors_.size() < kMaxVisitors) {
    Result<Descriptor> socket = accept_locally(listener_);
    if (!socket.has_value()) {
      log::warn("shm: rank {}: {}", rank_, socket.error().message());
      break;
    }
    if (!socket->valid()) {
      break;
    }
    ++accepted;
    Result<std::unique_ptr<Introduction>> introduction =
        Introduction::begin(Handshake::Side::accepting, identity_, std::move(*socket));
    if (introduction.has_value()) {
      visitors_.push_back({std::move(*introduction), Deadline::after_ns(clock_, kVisitNs)});
    } else {
      log::info("shm: rank {} sends a visitor away: {}", rank_, introduction.error().message());
    }
  }
  return accepted;
}

size_t ShmTransport::advance_visitors() {
  const size_t before = visitors_.size();
  std::erase_if(visitors_, [&](Visitor& visitor) {
    switch (visitor.introduction->advance()) {
      case Introduction::State::running:
        return visitor.deadline.passed(clock_);
      case Introduction::State::failed:
        log::trace("shm: rank {}: a visitor {}", rank_, visitor.introduction->failure().message());
        return true;
      case Introduction::State::done:
        welcome(visitor.introduction->peer_rank(), visitor.introduction->take_link());
        return true;
    }
    return true;
  });
  return before - visitors_.size();
}

void ShmTransport::welcome(uint32_t rank, std::unique_ptr<ShmLink> link) {
  Peer& peer = peers_[rank];  // the introduction has bounded it
  if (peer.state == PeerState::connecting) {
    become_connected(peer, std::move(link));
  } else {
    peer.arrived = std::move(link);
  }
}

size_t ShmTransport::advance_attempts() {
  if (connecting_count_ == 0) {
    return 0;
  }
  const uint32_t before = connecting_count_;
  for (uint32_t rank = 0; rank < peers_.size(); ++rank) {
    if (peers_[rank].state == PeerState::connecting) {
      advance_attempt(rank, peers_[rank]);
    }
  }
  return before - connecting_count_;
}

void ShmTransport::advance_attempt(uint32_t rank, Peer& peer) {
  if (peer.introduction == nullptr) {
    knock(rank, peer);
  }
  if (peer.introduction != nullptr) {
    switch (peer.introduction->advance()) {
      case Introduction::State::running:
        break;
      case Introduction::State::failed:
        give_up(peer, peer.introduction->failure().message());
        return;
      case Introduction::State::done:
        if (const uint32_t found = peer.introduction->peer_rank(); found != rank) {
          give_up(peer, fmt::format("its socket belongs to rank {}", found));
        } else {
          become_connected(peer, peer.introduction->take_link());
        }
        return;
    }
  }
  if (peer.state == PeerState::connecting && peer.deadline.passed(clock_)) {
    give_up(peer, fmt::format("no answer within {} ms", timeout_ms_));
  }
}

void ShmTransport::knock(uint32_t rank, Peer& peer) {
  const uint64_t now_ns = clock_.now_ns();
  if (rank < rank_ && now_ns < peer.next_knock_ns) {
    return;
  }
  peer.next_knock_ns = now_ns + kKnockIntervalNs;
  Result<Descriptor> socket = connect_locally(peer.socket_name);
  if (!socket.has_value()) {
    give_up(peer, socket.error().message());
    return;
  }
  if (rank < rank_ || !socket->valid()) {
    return;
  }
  Result<std::unique_ptr<Introduction>> introduction = Introduction::begin(Handshake::Side::connecting, identity_, std::move(*socket));
  if (introduction.has_value()) {
    peer.introduction = std::move(*introduction);
  } else {
    give_up(peer, introduction.error().message());
  }
}

size_t ShmTransport::look_at_peers() {
  watched_.clear();
  for (const Peer& peer : peers_) {
    if (peer.link != nullptr && peer.link->failure().ok()) {
      peer.link->send_windows();
    }
    if (peer.link != nullptr && peer.link->failure().ok()) {
      // POLLHUP and POLLERR are always reported; poll() ignores a descriptor of -1.
      watched_.push_back({peer.link->socket().get(), POLLRDHUP | POLLIN, 0});
      watched_.push_back({peer.link->process_watch().get(), POLLIN, 0});
    }
  }
  if (watched_.empty() || ::poll(watched_.data(), watched_.size(), 0) <= 0) {
    return 0;
  }
  size_t work = 0;
  const pollfd* entry = watched_.data();
  for (Peer& peer : peers_) {
    if (peer.link != nullptr && peer.link->failure().ok()) {
      if ((entry[0].revents & ~POLLIN) != 0 || entry[1].revents != 0) {
        peer.link->end();
        ++work;
      } else if (entry[0].revents != 0) {
        peer.link->receive_windows();
        ++work;
      }
      entry += 2;
    }
  }
  return work;
}

void ShmTransport::become_connected(Peer& peer, std::unique_ptr<ShmLink> link) {
  peer.state = PeerState::connected;
  peer.link = std::move(link);
  peer.introduction.reset();
  --connecting_count_;
}

void ShmTransport::give_up(Peer& peer, std::string reason) {
  peer.state = PeerState::unreachable;
  peer.reason = std::move(reason);
  peer.introduction.reset();
  --connecting_count_;
}

}  // namespace tutti::transports::shm
