// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/caller.hpp"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "bootstrap/wire.hpp"

namespace tutti::bootstrap {

namespace {

// After a refused attempt: 1 ms, 2 ms, ... at most 64 ms, counted over whole passes through the addresses.
constexpr uint64_t kFirstPauseNs = 1'000'000;
constexpr uint64_t kMostDoublings = 6;
// An address that neither refuses nor completes the handshake is given up after 1 s, 2 s, then 4 s, in case another one answers.
constexpr uint64_t kFirstAttemptLimitNs = 1'000'000'000;
constexpr uint64_t kMostLimitDoublings = 2;

}  // namespace

Caller::Caller(Setup setup, const Clock& clock) : clock_(clock), setup_(std::move(setup)), next_attempt_ns_(clock.now_ns()) {}

std::unique_ptr<Connection> Caller::poll() {
  if (!connection_ && !connecting_.valid()) {
    begin_attempt();
  }
  if (connecting_.valid()) {
    finish_connecting();
  }
  if (connection_) {
    if (auto connection = authenticate()) {
      return connection;
    }
  }
  if ((connection_ || connecting_.valid()) && clock_.now_ns() >= attempt_limit_ns_) {
    attempt_failed("no answer");
  }
  return nullptr;
}

void Caller::begin_attempt() {
  if (clock_.now_ns() < next_attempt_ns_) {
    return;
  }
  const uint64_t passes = attempt_ / setup_.addresses.size();
  attempt_limit_ns_ = clock_.now_ns() + (kFirstAttemptLimitNs << std::min(passes, kMostLimitDoublings));
  Result<Descriptor> socket = begin_connect(address());
  if (socket) {
    connecting_ = std::move(*socket);
  } else {
    attempt_failed(socket.error().message());
  }
}

void Caller::finish_connecting() {
  pollfd writable{.fd = connecting_.get(), .events = POLLOUT, .revents = 0};
  if (::poll(&writable, 1, 0) != 1) {
    return;
  }
  if (const int error = pending_error(connecting_); error != 0) {
    return attempt_failed(system_error(error, "connect").message());
  }
  connection_ = std::make_unique<Connection>(std::move(connecting_),
                                             Handshake(Handshake::Side::connecting, setup_.key, setup_.claim), kMaxLineFrameBytes);
}

std::unique_ptr<Connection> Caller::authenticate() {
  connection_->turn();
  if (connection_->authenticated()) {
    const Handshake::Claim& claim = connection_->peer_claim();
    if (claim.purpose == setup_.claim.purpose && claim.rank == setup_.expected_rank) {
      return std::move(connection_);
    }
    attempt_failed(fmt::format("not {}", setup_.expected));
  } else if (connection_->state() == Connection::State::closed) {
    attempt_failed(connection_->close_reason());
  }
  return nullptr;
}

void Caller::attempt_failed(std::string why) {
  connecting_.reset();
  connection_.reset();
  last_trouble_ = std::move(why);
  log::trace("bootstrap: rank {}: {}: {}", setup_.claim.rank, address().to_string(), last_trouble_);
  ++attempt_;
  // Within a pass the next address is tried at once; the pause comes after each of them has failed.
  const uint64_t passes = attempt_ / setup_.addresses.size();
  const bool pass_ended = attempt_ % setup_.addresses.size() == 0;
  next_attempt_ns_ = clock_.now_ns() + (pass_ended ? kFirstPauseNs << std::min(passes - 1, kMostDoublings) : 0);
}

}  // namespace tutti::bootstrap
