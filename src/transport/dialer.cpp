// SPDX-License-Identifier: Apache-2.0
#include "transport/dialer.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/log.hpp"

namespace tutti::transport {

namespace {

// An honest peer answers as soon as it polls; until then its kernel keeps the connection. A way that swallows packets costs this long.
constexpr uint64_t kAttempt_ns = 5'000'000'000;
constexpr uint64_t kRetryPause_ns = 20'000'000;
// How long the check for duplicates of an own link-local address may take, until which it cannot be used: a second by default (RFC 4862), and a random one
// before it.
constexpr uint64_t kTentative_ns = 4'000'000'000;

bool has_family(const Place& place, int family) {
  return std::ranges::any_of(place.sockets, [&](const SocketAddress& socket) { return socket.family() == family; });
}

bool needs_scope(const SocketAddress& socket) { return socket.family() == AF_INET6 && socket.is_link_local(); }

}  // namespace

// A link-local address is reachable with the scope of the connecting rank's own interface; on one host both have the same interfaces.
std::vector<SocketAddress> ways(const Place& connecting, const Place& accepting) {
  const bool same_host = connecting.host == accepting.host;
  std::vector<SocketAddress> found;
  std::vector<SocketAddress> on_the_wire;
  for (const SocketAddress& socket : accepting.sockets) {
    if (!has_family(connecting, socket.family()) || (!same_host && socket.is_loopback())) {
      continue;
    }
    if (same_host || !needs_scope(socket)) {
      (socket.is_link_local() ? on_the_wire : found).push_back(socket);
      continue;
    }
    for (const SocketAddress& own : connecting.sockets) {
      if (needs_scope(own)) {
        on_the_wire.push_back(socket.with_scope_of(own));
      }
    }
  }
  std::ranges::stable_partition(found, [](const SocketAddress& socket) { return socket.is_loopback(); });
  found.insert(found.end(), on_the_wire.begin(), on_the_wire.end());
  return found;
}

std::vector<Way> ways_to(std::span<const SocketAddress> addresses) {
  std::vector<Way> ways;
  std::ranges::transform(addresses, std::back_inserter(ways), [](const SocketAddress& address) { return Way{address}; });
  return ways;
}

Dialer::Dialer(Target target, const Identity& identity, const Clock& clock, Deadline deadline)
    : identity_(identity),
      clock_(&clock),
      rank_(target.rank),
      ways_(std::move(target.ways)),
      deadline_(deadline),
      tentative_until_(Deadline::after_ns(clock, kTentative_ns)),
      retry_at_(Deadline::after_ns(clock, 0)) {}

Dialer::State Dialer::advance() {
  if (state_ != State::dialing) {
    return state_;
  }
  if (!connection_) {
    return begin_next();
  }
  switch (connection_->advance(*clock_)) {
    case Connection::State::running: break;
    case Connection::State::proven:
      if (connection_->peer().rank == rank_) {
        return state_ = State::proven;
      }
      give_up_way(fmt::format("rank {} answers there", connection_->peer().rank));
      break;
    case Connection::State::refused:
    case Connection::State::rejected: give_up_way(connection_->reason()); break;
    case Connection::State::lost:
      reason_ = fmt::format("{}: {}", ways_[current_].to_string(), connection_->reason());
      log::info("{}: connection to rank {} at {}", identity_.transport, rank_, reason_);
      connection_.reset();
      ++current_;
      break;
  }
  return ways_.empty() || deadline_.passed(*clock_) ? fail() : state_;
}

Dialer::State Dialer::begin_next() {
  if (ways_.empty() || deadline_.passed(*clock_)) {
    return fail();
  }
  if (current_ >= ways_.size()) {  // another round over the ways that were lost
    current_ = 0;
    retry_at_ = Deadline::after_ns(*clock_, kRetryPause_ns);
  }
  if (!retry_at_.passed(*clock_)) {
    return state_;
  }
  auto socket = begin_connect(ways_[current_].to, ways_[current_].from);
  if (!socket) {
    const bool may_become_valid = ways_[current_].to.family() == AF_INET6 && ways_[current_].to.is_link_local() && !tentative_until_.passed(*clock_);
    if (may_become_valid) {
      ++current_;
    } else {
      give_up_way(socket.error().message());
    }
    return state_;
  }
  connection_.emplace(std::move(*socket), Handshake::Side::connecting, identity_, Deadline::after_ns(*clock_, kAttempt_ns));
  return state_;
}

void Dialer::give_up_way(const std::string& why) {
  reason_ = fmt::format("{}: {}", ways_[current_].to_string(), why);
  log::info("{}: gave up the way to rank {} at {}", identity_.transport, rank_, reason_);
  ways_.erase(ways_.begin() + static_cast<ptrdiff_t>(current_));
  connection_.reset();
}

Dialer::State Dialer::fail() {
  connection_.reset();
  return state_ = State::failed;
}

}  // namespace tutti::transport
