// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/socket_exchange.hpp"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "bootstrap/service.hpp"

namespace tutti::bootstrap {

namespace {

// After a refused attempt: 1 ms, 2 ms, ... at most 64 ms, counted over whole passes through the addresses.
constexpr uint64_t kFirstPauseNs = 1'000'000;
constexpr uint64_t kMostDoublings = 6;
// An address that neither refuses nor completes the handshake is given up after 1 s, 2 s, then 4 s, in case another one answers.
constexpr uint64_t kFirstAttemptLimitNs = 1'000'000'000;
constexpr uint64_t kMostLimitDoublings = 2;

uint64_t first_bytes(const Key& key) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof value; ++i) {
    value |= std::to_integer<uint64_t>(key[i]) << (8 * i);
  }
  return value;
}

std::vector<SocketAddress> every_port_of(const Ticket& ticket) {
  std::vector<SocketAddress> addresses;
  for (uint16_t i = 0; i < ticket.port_count; ++i) {
    for (SocketAddress address : ticket.addresses) {
      address.set_port(following_port(address.port(), i));
      addresses.push_back(address);
    }
  }
  return addresses;
}

}  // namespace

SocketExchange::SocketExchange(Ticket ticket, Place place, const Clock& clock)
    : clock_(clock),
      place_(place),
      addresses_(every_port_of(ticket)),
      handshake_key_(handshake_key(ticket.secret)),
      secret_(derive_key(ticket.secret, "tutti links", 0)),
      job_id_(first_bytes(derive_key(ticket.secret, "tutti job id", 0))),
      next_attempt_ns_(clock.now_ns()) {}

SocketExchange::~SocketExchange() {
  if (joined() && failure_.ok()) {
    connection_->send(FrameType::goodbye);
    connection_->turn();
    connection_->finish_sending();
  }
}

Status SocketExchange::begin_all_gather(std::span<const std::byte> contribution) {
  TUTTI_RETURN_IF_ERROR(failure_);
  if (round_running_) {
    return invalid_usage("bootstrap: rank {} began round {} before the one before it had ended", rank(), round_ + 1);
  }
  if (contribution.size() > kMaxContributionBytes) {
    return invalid_argument("bootstrap: rank {} contributes {} bytes; at most {} are allowed", rank(), contribution.size(),
                            kMaxContributionBytes);
  }
  round_running_ = true;
  missing_.reset();
  const Bytes payload = Writer().u64(round_).bytes(contribution).take();
  unsent_ = std::make_shared<const Bytes>(encode_frame(FrameType::contribution, payload));
  return {};
}

Result<std::optional<std::vector<Bytes>>> SocketExchange::poll() {
  TUTTI_UNEXPECTED_IF_ERROR(failure_);
  if (!round_running_) {
    return tl::make_unexpected(invalid_usage("bootstrap: rank {} polls although no round runs", rank()));
  }
  reach();
  if (joined()) {
    if (unsent_) {
      connection_->send(std::exchange(unsent_, nullptr));
    }
    connection_->turn();
    failure_ = read_frames();
  }
  TUTTI_UNEXPECTED_IF_ERROR(failure_);
  if (result_) {
    round_running_ = false;
    ++round_;
  }
  return std::exchange(result_, std::nullopt);
}

// ---- Reaching the service ------------------------------------------------------------------------------------------

void SocketExchange::reach() {
  if (joined()) {
    return;
  }
  if (!connection_ && !connecting_.valid()) {
    begin_attempt();
  }
  if (connecting_.valid()) {
    finish_connecting();
  }
  if (connection_) {
    authenticate();
  }
  if (!joined() && (connection_ || connecting_.valid()) && clock_.now_ns() >= attempt_limit_ns_) {
    attempt_failed("no answer");
  }
}

void SocketExchange::begin_attempt() {
  if (clock_.now_ns() < next_attempt_ns_) {
    return;
  }
  const uint64_t passes = attempt_ / addresses_.size();
  attempt_limit_ns_ = clock_.now_ns() + (kFirstAttemptLimitNs << std::min(passes, kMostLimitDoublings));
  Result<Descriptor> socket = begin_connect(current_address());
  if (socket) {
    connecting_ = std::move(*socket);
  } else {
    attempt_failed(socket.error().message());
  }
}

void SocketExchange::finish_connecting() {
  pollfd writable{.fd = connecting_.get(), .events = POLLOUT, .revents = 0};
  if (::poll(&writable, 1, 0) != 1) {
    return;
  }
  if (const int error = pending_error(connecting_); error != 0) {
    return attempt_failed(system_error(error, "connect").message());
  }
  const Handshake::Claim claim{.rank = rank(), .rank_count = rank_count(), .purpose = kHandshakePurpose};
  connection_ = std::make_unique<Connection>(std::move(connecting_),
                                             Handshake(Handshake::Side::connecting, handshake_key_, claim), kMaxServiceFrameBytes);
}

void SocketExchange::authenticate() {
  connection_->turn();
  if (connection_->state() == Connection::State::open) {
    joined_ = connection_->peer_claim().purpose == kHandshakePurpose && connection_->peer_claim().rank == kServiceRank;
    if (!joined_) {
      attempt_failed("not a bootstrap service");
    }
  } else if (connection_->state() == Connection::State::closed) {
    attempt_failed(connection_->close_reason());
  }
}

void SocketExchange::attempt_failed(std::string why) {
  connecting_.reset();
  connection_.reset();
  last_trouble_ = std::move(why);
  log::trace("bootstrap: rank {}: {}: {}", rank(), current_address().to_string(), last_trouble_);
  ++attempt_;
  // Within a pass the next address is tried at once; the pause comes after each of them has failed.
  const uint64_t passes = attempt_ / addresses_.size();
  const bool pass_ended = attempt_ % addresses_.size() == 0;
  next_attempt_ns_ = clock_.now_ns() + (pass_ended ? kFirstPauseNs << std::min(passes - 1, kMostDoublings) : 0);
}

// ---- Rounds --------------------------------------------------------------------------------------------------------

Status SocketExchange::read_frames() {
  while (!result_) {
    const std::optional<Frame> frame = connection_->next_frame();
    if (!frame) {
      break;
    }
    TUTTI_RETURN_IF_ERROR(handle(*frame));
  }
  if (!result_ && connection_->state() == Connection::State::closed) {
    return remote_error("bootstrap: rank {} lost the process that made the id, at {}: {}", rank(), current_address().to_string(),
                        connection_->close_reason());
  }
  return {};
}

Status SocketExchange::handle(const Frame& frame) {
  switch (frame.type) {
    case FrameType::contributions: return handle_round(frame);
    case FrameType::missing_ranks:
      missing_ = decode_missing(frame.payload);
      return {};
    case FrameType::failure:
      return decode_status(frame.payload).value_or(remote_error("bootstrap: the job failed for an unreadable reason"));
    default: break;
  }
  return internal_error("bootstrap: the service at {} sent a frame that only ranks send", current_address().to_string());
}

Status SocketExchange::handle_round(const Frame& frame) {
  std::optional<Round> round = decode_round(frame.payload, rank_count());
  if (!round || round->number != round_ || !round_running_) {
    return internal_error("bootstrap: the service at {} sent a malformed round {}", current_address().to_string(), round_);
  }
  result_ = std::move(round->contributions);
  return {};
}

std::string SocketExchange::waiting_for() const {
  if (!joined()) {
    const std::string trouble = last_trouble_.empty() ? "" : fmt::format(" (last attempt: {})", last_trouble_);
    return fmt::format("the root at {}{}", addresses_.front().to_string(), trouble);
  }
  return missing_ ? to_string(*missing_) : "the other ranks";
}

void SocketExchange::abandon(const Status& why) {
  if (joined() && failure_.ok()) {
    connection_->send(FrameType::abandonment, encode_status(why));
    connection_->turn();
  }
  if (failure_.ok()) {
    failure_ = aborted_error("bootstrap: rank {} gave up: {}", rank(), why.message());
  }
}

}  // namespace tutti::bootstrap
