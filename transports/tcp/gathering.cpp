// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/gathering.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>

#include "base/log.hpp"

namespace tutti::transports::tcp {

namespace {

// How long the first rail waits for the others: those that are good take little longer than it did.
constexpr uint64_t kRailPatience_ns = 500'000'000;
// A way that swallows packets is tried anew after this long, rather than when TCP repeats its first packet, so that its return is noticed.
constexpr uint64_t kRedial_ns = 300'000'000;
constexpr uint64_t kFirstRedialPause_ns = 5'000'000;
constexpr uint64_t kLongestRedialPause_ns = 200'000'000;

}  // namespace

Identity named(Identity identity, const RailName& name) {
  identity.claim.purpose = purpose_of(name);
  identity.knows = [](uint64_t purpose) { return purpose == kLinkPurpose; };
  return identity;
}

RailProbe::RailProbe(const Setup& setup, const Identity& identity, const Clock& clock, Deadline deadline) : setup_(setup), clock_(&clock) {
  assert(!setup.plan.empty() && setup.plan.size() <= kMaxRails);
  // A name of several is also that of the only one that is tried: the other side then waits until it is told.
  const auto count = static_cast<uint8_t>(std::max<size_t>(setup.plan.size(), 2));
  for (uint8_t rail = 0; rail < setup.plan.size(); ++rail) {
    const RailName name{.session = setup.session, .incarnation = 0, .count = count, .rail = rail, .may_change = setup.may_change};
    attempts_.push_back({Dialer({setup.rank, {setup.plan[rail]}}, named(identity, name), clock, deadline)});
  }
}

RailProbe::State RailProbe::advance() {
  size_t proven_count = 0;
  bool all_ended = true;
  for (Attempt& attempt : attempts_) {
    attempt.state = attempt.dialer.advance();
    proven_count += attempt.state == Dialer::State::proven ? 1 : 0;
    all_ended = all_ended && attempt.state != Dialer::State::dialing;
  }
  if (proven_count > 0 && patience_.at_ns() == UINT64_MAX) {
    patience_ = Deadline::after_ns(*clock_, kRailPatience_ns);
  }
  if (!all_ended && !patience_.passed(*clock_)) {
    return State::probing;
  }
  return proven_count > 0 ? State::found : State::none;
}

bool RailProbe::has_all() const {
  return std::ranges::all_of(attempts_, [](const Attempt& attempt) { return attempt.state == Dialer::State::proven; });
}

Gathered RailProbe::take() {
  Gathered gathered{.session = setup_.session, .may_change = setup_.may_change, .rails = {}, .sockets = {}};
  for (size_t rail = 0; rail < attempts_.size(); ++rail) {
    if (attempts_[rail].state == Dialer::State::proven) {
      gathered.rails[rail] = true;
      gathered.sockets.push_back({rail, 0, attempts_[rail].dialer.take_socket()});
    }
  }
  std::array<std::byte, kRailHeaderBytes> bytes;
  encode_rail_header({.kind = RailKind::beginning,
                      .channel = 0,
                      .credit_channel = 0,
                      .payload_bytes = static_cast<uint32_t>(gathered.rails.to_ulong()),
                      .credit_total = 0,
                      .arrived_count = 0,
                      .frame = {},
                      .start_units = 0},
                     bytes);
  for (const Gathered::Socket& socket : gathered.sockets) {
    // A new connection has room for so little. One that is lost already will tell its link.
    (void)::send(socket.socket.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  return gathered;
}

void RailArrivals::add(const RailName& name, Descriptor socket) {
  if (!arrivals_.empty()) {
    const RailName& last = arrivals_.front().name;
    if (static_cast<uint8_t>(last.session - name.session - 1) < 127) {
      return;  // late
    }
    if (last.session != name.session || last.count != name.count) {
      *this = RailArrivals();
    }
  }
  std::erase_if(arrivals_, [&](const Arrival& arrival) { return arrival.name.rail == name.rail; });
  arrivals_.push_back({name, std::move(socket)});
}

bool RailArrivals::read_beginning(Arrival& arrival) {
  while (!arrival.complete()) {
    const auto left = std::span(arrival.beginning).subspan(arrival.beginning_bytes);
    const ssize_t received = ::recv(arrival.socket.get(), left.data(), left.size(), MSG_DONTWAIT);
    if (received <= 0) {
      return received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
    }
    arrival.beginning_bytes += static_cast<size_t>(received);
  }
  return true;
}

std::optional<Gathered> RailArrivals::advance(const Clock& clock) {
  if (arrivals_.empty()) {
    return std::nullopt;
  }
  if (arrivals_.front().name.count == 1) {
    RailHeader sole{.kind = RailKind::beginning, .channel = 1, .payload_bytes = 1, .frame = {}};
    return take(sole);
  }
  std::erase_if(arrivals_, [](Arrival& arrival) { return !read_beginning(arrival); });
  for (const Arrival& arrival : arrivals_) {
    if (!beginning_ && arrival.beginning_bytes == kRailHeaderBytes) {
      beginning_ = decode_rail_header(arrival.beginning);
      patience_ = Deadline::after_ns(clock, kRailPatience_ns);
    }
  }
  if (!beginning_ || beginning_->kind != RailKind::beginning) {
    return std::nullopt;
  }
  const auto complete_count = static_cast<size_t>(std::ranges::count_if(arrivals_, [&](const Arrival& arrival) {
    return arrival.complete() && (beginning_->payload_bytes >> arrival.name.rail & 1) != 0;
  }));
  const bool all_there = complete_count == RailSet(beginning_->payload_bytes).count();
  return all_there || (complete_count > 0 && patience_.passed(clock)) ? std::optional(take(*beginning_)) : std::nullopt;
}

Gathered RailArrivals::take(const RailHeader& beginning) {
  Gathered gathered{.session = arrivals_.front().name.session,
                    .may_change = arrivals_.front().name.may_change,
                    .rails = RailSet(beginning.payload_bytes),
                    .sockets = {}};
  for (Arrival& arrival : arrivals_) {
    if (gathered.rails[arrival.name.rail] && arrival.complete()) {
      gathered.sockets.push_back({arrival.name.rail, arrival.name.incarnation, std::move(arrival.socket)});
    }
  }
  *this = RailArrivals();
  return gathered;
}

Redialer::Redialer(const Setup& setup, const Identity& identity, const Clock& clock) : setup_(setup), identity_(identity), clock_(&clock) {}

std::vector<Gathered::Socket> Redialer::advance(const RailSet& missing) {
  std::vector<Gathered::Socket> found;
  for (size_t rail = 0; rail < setup_.plan.size(); ++rail) {
    Slot& slot = slots_[rail];
    if (!missing[rail]) {
      slot.dialer.reset();
      slot.retry_at.reset();
      slot.pause_ns = 0;
    } else if (!slot.dialer) {
      if (!slot.retry_at || slot.retry_at->passed(*clock_)) {
        begin(rail);
      }
    } else if (const Dialer::State state = slot.dialer->advance(); state == Dialer::State::proven) {
      found.push_back({rail, slot.incarnation, slot.dialer->take_socket()});
      slot.dialer.reset();
    } else if (state == Dialer::State::failed) {
      slot.dialer.reset();
      slot.pause_ns = std::clamp(2 * slot.pause_ns, kFirstRedialPause_ns, kLongestRedialPause_ns);
      slot.retry_at = Deadline::after_ns(*clock_, slot.pause_ns);
    }
  }
  return found;
}

void Redialer::begin(size_t rail) {
  Slot& slot = slots_[rail];
  ++slot.incarnation;
  const RailName name{.session = setup_.session,
                      .incarnation = slot.incarnation,
                      .count = static_cast<uint8_t>(setup_.plan.size()),
                      .rail = static_cast<uint8_t>(rail)};
  slot.dialer.emplace(Dialer::Target{setup_.rank, {setup_.plan[rail]}}, named(identity_, name), *clock_,
                      Deadline::after_ns(*clock_, kRedial_ns));
}

}  // namespace tutti::transports::tcp
