// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/door.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/log.hpp"

namespace tutti::bootstrap {

namespace {

// A guest this young is not thrown out for a newer one: honest handshakes take a few round trips.
constexpr uint64_t kGuestGraceNs = 500'000'000;
constexpr int kMaxAcceptsPerTurn = 64;
// When the process has no descriptor left for a connection.
constexpr uint64_t kAcceptPauseNs = 10'000'000;

}  // namespace

Door::Door(Setup setup, const Clock& clock) : clock_(clock), setup_(std::move(setup)) {}

bool Door::has_room() const {
  const uint64_t now_ns = clock_.now_ns();
  const bool has_place = guests_.size() < kMaxGuests || now_ns - guests_.front().arrived_ns >= kGuestGraceNs;
  return has_place && now_ns >= accept_again_ns_;
}

void Door::watch(PollSet* set) {
  if (has_room()) {
    std::ranges::for_each(setup_.listeners, [&](const Descriptor& listener) { set->add(listener.get()); });
  }
  std::ranges::for_each(guests_, [&](Guest& guest) { set->add(guest.connection); });
}

void Door::attend() {
  for (const Descriptor& listener : setup_.listeners) {
    // What is not accepted now waits in the listener's backlog.
    for (int i = 0; i < kMaxAcceptsPerTurn && has_room(); ++i) {
      Descriptor socket(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!socket.valid()) {
        const bool out_of_resources = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        if (out_of_resources) {
          log::warn("bootstrap: {}", system_error(errno, "accept a connection").message());
        }
        accept_again_ns_ = out_of_resources ? clock_.now_ns() + kAcceptPauseNs : 0;
        break;
      }
      if (guests_.size() >= kMaxGuests) {
        guests_.pop_front();
      }
      const int on = 1;
      ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      Handshake handshake(Handshake::Side::accepting, setup_.key, setup_.claim);
      guests_.push_back({.connection = Connection(std::move(socket), std::move(handshake), setup_.max_payload_bytes),
                         .arrived_ns = clock_.now_ns()});
      guests_.back().connection.turn();
    }
  }
}

std::vector<Connection> Door::take_proven() {
  std::vector<Connection> proven;
  std::erase_if(guests_, [&](Guest& guest) {
    const bool closed = guest.connection.state() == Connection::State::closed;
    const bool late = clock_.now_ns() - guest.arrived_ns >= kHandshakeLimitNs;
    if (guest.connection.authenticated()) {
      proven.push_back(std::move(guest.connection));
      return true;
    }
    if (closed || late) {
      log::info("bootstrap: dropped a connection: {}",
                closed ? std::string_view(guest.connection.close_reason()) : "it did not prove itself in time");
    }
    return closed || late;
  });
  return proven;
}

uint64_t Door::next_deadline_ns() const {
  uint64_t next = accept_again_ns_ != 0 ? accept_again_ns_ : UINT64_MAX;
  if (!guests_.empty()) {
    const bool full = guests_.size() >= kMaxGuests;
    next = std::min(next, guests_.front().arrived_ns + (full ? kGuestGraceNs : kHandshakeLimitNs));
  }
  return next;
}

}  // namespace tutti::bootstrap
