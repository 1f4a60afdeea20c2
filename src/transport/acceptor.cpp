// SPDX-License-Identifier: Apache-2.0
#include "transport/acceptor.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "base/nearness.hpp"

namespace tutti::transport {

namespace {

constexpr int kMaxAcceptsPerCall = 64;

// All peers may connect before this rank looks for the first time.
int choose_backlog(uint32_t rank_count) { return static_cast<int>(std::clamp<uint32_t>(rank_count, 128, 65'535)); }

}  // namespace

Result<Acceptor> Acceptor::open(const Options& options, const Identity& identity, const Clock& clock) {
  Result<std::vector<Interface>> interfaces = find_interfaces(options.interfaces);
  if (!interfaces) {
    return tl::make_unexpected(interfaces.error());
  }
  prefer_near(*interfaces, Nearness::of_this_thread());
  Acceptor acceptor(identity, clock);
  Status last_failure = failure(tuttiSystemError, "{}: no network interface is up", identity.transport);
  for (const Interface& interface : *interfaces) {
    if (acceptor.listeners_.size() == options.most_addresses) {
      log::info("{}: interface {} and those behind it are left out", identity.transport, interface.name);
      break;
    }
    Result<Descriptor> socket = listen_on(interface.address, choose_backlog(identity.claim.rank_count), options.ports);
    Result<SocketAddress> address = socket ? local_address(*socket) : tl::make_unexpected(socket.error());
    if (!address) {
      log::info("{}: interface {} is not used: {}", identity.transport, interface.name, address.error().message());
      last_failure = address.error();
      continue;
    }
    acceptor.listeners_.push_back({std::move(*socket), *address});
    acceptor.interfaces_.push_back(interface);
  }
  if (acceptor.listeners_.empty()) {
    return tl::make_unexpected(last_failure);
  }
  return acceptor;
}

std::vector<SocketAddress> Acceptor::addresses() const {
  std::vector<SocketAddress> addresses;
  for (const Listener& listener : listeners_) {
    addresses.push_back(listener.address);
  }
  return addresses;
}

std::vector<int> Acceptor::sockets() const {
  std::vector<int> sockets;
  for (const Listener& listener : listeners_) {
    sockets.push_back(listener.socket.get());
  }
  return sockets;
}

size_t Acceptor::accept_waiting() {
  size_t accepted = 0;
  for (const Listener& listener : listeners_) {
    for (int count = 0; count < kMaxAcceptsPerCall; ++count) {
      Descriptor socket(::accept4(listener.socket.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!socket.valid()) {
        break;  // nobody there, or a passing shortage: the next call tries again
      }
      if (strangers_.size() == kMaxStrangers) {
        log::info("{}: more than {} connections at a time have not proven themselves; the oldest is dropped", identity_->transport, kMaxStrangers);
        strangers_.erase(strangers_.begin());
      }
      strangers_.emplace_back(std::move(socket), Handshake::Side::accepting, *identity_,
                              Deadline::after_ns(*clock_, kStrangerPatience_ns));
      ++accepted;
    }
  }
  return accepted;
}

size_t Acceptor::advance(std::vector<Proven>& proven) {
  const size_t before = strangers_.size();
  std::erase_if(strangers_, [&](Connection& stranger) {
    const Connection::State state = stranger.advance(*clock_);
    if (state == Connection::State::running) {
      return false;
    }
    if (state != Connection::State::proven) {
      log::info("{}: a connection was dropped: {}", identity_->transport, stranger.reason());
    } else if (stranger.peer().rank >= identity_->claim.rank) {
      log::info("{}: a connection from rank {} was dropped: it should wait for this rank's", identity_->transport, stranger.peer().rank);
    } else {
      proven.push_back({stranger.peer(), stranger.take_socket()});
    }
    return true;
  });
  return before - strangers_.size();
}

}  // namespace tutti::transport
