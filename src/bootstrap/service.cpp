// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/service.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/log.hpp"

namespace tutti::bootstrap {

namespace {

// A guest this young is not thrown out for a newer one: honest handshakes take a few round trips.
constexpr uint64_t kGuestGraceNs = 500'000'000;
// How often the ranks that wait are told for whom.
constexpr uint64_t kReportIntervalNs = 100'000'000;
// How long ranks that arrive after the job has failed are told so, instead of finding nobody.
constexpr uint64_t kFailureLingerNs = 30'000'000'000;
constexpr int kMaxAcceptsPerTurn = 64;
// When the process has no descriptor left for a connection.
constexpr uint64_t kAcceptPauseNs = 10'000'000;
// Honest ranks are refused once each, when a job was started wrongly.
constexpr size_t kMaxRefused = 64;

// What a rank's reason to give up means for the others: what concerns all of them stays what it is, the rest is a peer's trouble.
tuttiResult_t code_for_others(const Status& why) {
  const bool concerns_all = why.code() == tuttiMismatch || why.code() == tuttiTimeout || why.code() == tuttiAborted;
  return concerns_all ? why.code() : tuttiRemoteError;
}

}  // namespace

Key handshake_key(const Key& secret) { return derive_key(secret, "tutti bootstrap handshake", 0); }

Service::Service(Options options, const Clock& clock)
    : clock_(clock),
      listeners_(std::move(options.listeners)),
      handshake_key_(handshake_key(options.secret)),
      timeout_ns_(options.timeout_ms == 0 || options.timeout_ms > UINT64_MAX / 1'000'000 ? UINT64_MAX
                                                                                         : options.timeout_ms * 1'000'000),
      last_progress_ns_(clock.now_ns()) {}

void Service::turn(int wake_up, int longest_wait_ms) {
  wait_and_carry_connections(wake_up, longest_wait_ms);
  accept_guests();
  attend_guests();
  attend_members();
  attend_refused();
  tell_who_is_missing();
  check_timeout();
}

void Service::wait_and_carry_connections(int wake_up, int longest_wait_ms) {
  std::vector<pollfd> descriptors{{.fd = wake_up, .events = POLLIN, .revents = 0}};  // poll ignores a negative one
  if (accepts_guests()) {
    for (const Descriptor& listener : listeners_) {
      descriptors.push_back({.fd = listener.get(), .events = POLLIN, .revents = 0});
    }
  }
  const size_t first_connection = descriptors.size();
  std::vector<Connection*> connections;
  const auto watch = [&](Connection& connection) {
    if (connection.state() != Connection::State::closed) {
      const int events = connection.has_output() ? POLLIN | POLLOUT : POLLIN;
      descriptors.push_back({.fd = connection.socket().get(), .events = static_cast<short>(events), .revents = 0});
      connections.push_back(&connection);
    }
  };
  std::for_each(guests_.begin(), guests_.end(), [&](Guest& guest) { watch(guest.connection); });
  std::for_each(refused_.begin(), refused_.end(), [&](Guest& guest) { watch(guest.connection); });
  std::for_each(members_.begin(), members_.end(), [&](auto& entry) { watch(entry.second.connection); });
  if (::poll(descriptors.data(), descriptors.size(), wait_limit_ms(longest_wait_ms)) <= 0) {
    return;
  }
  for (size_t i = 0; i < connections.size(); ++i) {
    if (descriptors[first_connection + i].revents != 0) {
      connections[i]->turn();
    }
  }
}

uint64_t Service::next_deadline_ns() const {
  uint64_t next = std::min(next_report_ns_, linger_until_ns_);
  if (!guests_.empty()) {
    const bool full = guests_.size() >= kMaxGuests;
    next = std::min(next, guests_.front().arrived_ns + (full ? kGuestGraceNs : kHandshakeLimitNs));
  }
  if (!refused_.empty()) {
    next = std::min(next, refused_.front().arrived_ns + kHandshakeLimitNs);
  }
  if (accept_again_ns_ != 0) {
    next = std::min(next, accept_again_ns_);
  }
  if (failure_.ok() && timeout_ns_ != UINT64_MAX) {
    next = std::min(next, last_progress_ns_ + timeout_ns_);
  }
  return next;
}

int Service::wait_limit_ms(int longest_wait_ms) const {
  const uint64_t next_ns = next_deadline_ns();
  const uint64_t now_ns = clock_.now_ns();
  if (next_ns <= now_ns) {
    return 0;
  }
  const uint64_t wait_ms = (next_ns - now_ns) / 1'000'000 + 1;
  return static_cast<int>(std::min<uint64_t>(wait_ms, static_cast<uint64_t>(longest_wait_ms)));
}

bool Service::finished() const {
  const bool all_gone = std::all_of(members_.begin(), members_.end(), [](const auto& entry) {
    return entry.second.connection.state() == Connection::State::closed;
  });
  const bool all_came = rank_count_ != 0 && members_.size() == rank_count_;
  if (clock_.now_ns() >= linger_until_ns_) {
    return true;
  }
  return all_came && all_gone && refused_.empty();
}

bool Service::has_output() const {
  return std::any_of(members_.begin(), members_.end(), [](const auto& entry) { return entry.second.connection.has_output(); }) ||
         std::any_of(refused_.begin(), refused_.end(), [](const Guest& guest) { return guest.connection.has_output(); });
}

// ---- Guests --------------------------------------------------------------------------------------------------------

bool Service::accepts_guests() const {
  const uint64_t now_ns = clock_.now_ns();
  const bool has_room = guests_.size() < kMaxGuests || now_ns - guests_.front().arrived_ns >= kGuestGraceNs;
  return has_room && now_ns >= accept_again_ns_;
}

void Service::accept_guests() {
  for (const Descriptor& listener : listeners_) {
    // What is not accepted now waits in the listener's backlog.
    for (int i = 0; i < kMaxAcceptsPerTurn && accepts_guests(); ++i) {
      Descriptor socket(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!socket.valid()) {
        const bool out_of_resources = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        accept_again_ns_ = out_of_resources ? clock_.now_ns() + kAcceptPauseNs : 0;
        break;
      }
      if (guests_.size() >= kMaxGuests) {
        guests_.pop_front();
      }
      const int on = 1;
      ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      const Handshake::Claim claim{.rank = kServiceRank, .rank_count = 0, .purpose = kHandshakePurpose};
      Handshake handshake(Handshake::Side::accepting, handshake_key_, claim);
      guests_.push_back({.connection = Connection(std::move(socket), std::move(handshake), kMaxRankFrameBytes),
                         .arrived_ns = clock_.now_ns()});
      guests_.back().connection.turn();
    }
  }
}

void Service::attend_guests() {
  for (auto guest = guests_.begin(); guest != guests_.end();) {
    const bool closed = guest->connection.state() == Connection::State::closed;
    const bool late = clock_.now_ns() - guest->arrived_ns >= kHandshakeLimitNs;
    if (guest->connection.authenticated()) {
      admit(std::move(guest->connection));
      guest = guests_.erase(guest);
    } else if (closed || late) {
      log::info("bootstrap: dropped a connection: {}",
                closed ? std::string_view(guest->connection.close_reason()) : "it did not prove itself in time");
      guest = guests_.erase(guest);
    } else {
      ++guest;
    }
  }
}

void Service::refuse(Connection connection, const Status& why) {
  connection.send(FrameType::failure, encode_status(why));
  connection.turn();
  if (refused_.size() < kMaxRefused) {
    refused_.push_back({.connection = std::move(connection), .arrived_ns = clock_.now_ns()});
  }
}

// Closing a socket with unread input would reset the connection and may take the refusal with it, so the rank closes first.
void Service::attend_refused() {
  for (auto guest = refused_.begin(); guest != refused_.end();) {
    while (guest->connection.next_frame()) {
    }
    const bool over = guest->connection.state() == Connection::State::closed ||
                      clock_.now_ns() - guest->arrived_ns >= kHandshakeLimitNs;
    guest = over ? refused_.erase(guest) : std::next(guest);
  }
}

// ---- Members -------------------------------------------------------------------------------------------------------

void Service::admit(Connection connection) {
  const Handshake::Claim claim = connection.peer_claim();
  if (claim.purpose != kHandshakePurpose || claim.rank_count == 0 || claim.rank_count > kMaxRankCount ||
      claim.rank >= claim.rank_count) {
    return refuse(std::move(connection),
                  invalid_argument("bootstrap: rank {} of {} is not a valid rank", claim.rank, claim.rank_count));
  }
  if (rank_count_ == 0) {
    rank_count_ = claim.rank_count;
    first_rank_ = claim.rank;
  }
  if (claim.rank_count != rank_count_) {
    fail(mismatch_error("bootstrap: rank {} was started as one of {} ranks, rank {} as one of {}", claim.rank, claim.rank_count,
                        first_rank_, rank_count_));
    return refuse(std::move(connection), failure_);
  }
  if (members_.contains(claim.rank)) {
    log::warn("bootstrap: refused a second rank {}", claim.rank);
    return refuse(std::move(connection),
                  failure_.ok() ? invalid_usage("bootstrap: rank {} has already joined; two callers use the same rank", claim.rank)
                                : failure_);
  }
  const auto [entry, inserted] =
      members_.emplace(claim.rank, Member{.connection = std::move(connection), .contribution = {}, .presence = {}});
  progressed();
  entry->second.connection.turn();
  if (!failure_.ok()) {
    entry->second.connection.send(FrameType::failure, encode_status(failure_));
  }
}

void Service::attend_members() {
  for (auto& [rank, member] : members_) {
    while (const auto frame = member.connection.next_frame()) {
      handle(rank, member, *frame);
    }
    if (member.connection.state() == Connection::State::closed) {
      handle_end(rank, member);
    }
  }
  complete_round_if_possible();
  check_for_absentees();
  // What has just been queued goes out at once rather than after the next wait.
  for (auto& [rank, member] : members_) {
    member.connection.flush();
  }
}

void Service::handle(uint32_t rank, Member& member, const Frame& frame) {
  switch (frame.type) {
    case FrameType::contribution: return handle_contribution(rank, member, frame);
    case FrameType::goodbye:
      member.presence = Member::Presence::left;
      return progressed();
    case FrameType::abandonment: {
      const auto why = decode_status(frame.payload);
      member.presence = Member::Presence::left;
      return fail(tutti::failure(why ? code_for_others(*why) : tuttiRemoteError, "bootstrap: rank {} gave up: {}", rank,
                          why ? why->message() : "for an unreadable reason"));
    }
    default: break;
  }
  fail(remote_error("bootstrap: rank {} sent a frame that only the service sends", rank));
}

void Service::handle_contribution(uint32_t rank, Member& member, const Frame& frame) {
  if (!failure_.ok()) {
    return;
  }
  Reader reader(frame.payload);
  const auto number = reader.u64();
  if (!number || *number != round_ || member.contribution || reader.rest().size() > kMaxContributionBytes) {
    return fail(remote_error("bootstrap: rank {} sent a contribution that does not belong to round {}", rank, round_));
  }
  member.contribution.emplace(reader.rest().begin(), reader.rest().end());
  contributed_bytes_ += reader.rest().size();
  if (++contributed_count_ == 1) {
    next_report_ns_ = clock_.now_ns() + kReportIntervalNs;
  }
  if (contributed_bytes_ > kMaxRoundBytes) {
    return fail(remote_error("bootstrap: the contributions to round {} exceed {} bytes", round_, kMaxRoundBytes));
  }
  progressed();
}

// A rank whose connection ended without a goodbye died, or was killed.
void Service::handle_end(uint32_t rank, Member& member) {
  if (member.presence == Member::Presence::left) {
    return;
  }
  member.presence = Member::Presence::left;
  fail(remote_error("bootstrap: rank {} died: {}", rank, member.connection.close_reason()));
}

void Service::complete_round_if_possible() {
  if (!failure_.ok() || rank_count_ == 0 || contributed_count_ < rank_count_) {
    return;
  }
  Writer writer;
  writer.u64(round_).u32(rank_count_);
  for (const auto& [rank, member] : members_) {
    writer.u32(static_cast<uint32_t>(member.contribution->size()));
  }
  for (auto& [rank, member] : members_) {
    writer.bytes(*member.contribution);
    member.contribution.reset();
  }
  const auto frame = std::make_shared<const Bytes>(encode_frame(FrameType::contributions, writer.take()));
  for (auto& [rank, member] : members_) {
    member.connection.send(frame);
  }
  ++round_;
  contributed_count_ = 0;
  contributed_bytes_ = 0;
  next_report_ns_ = UINT64_MAX;
  progressed();
}

// A rank that has left will not contribute any more: whoever waits for it would wait for ever.
void Service::check_for_absentees() {
  if (!failure_.ok() || contributed_count_ == 0) {
    return;
  }
  for (const auto& [rank, member] : members_) {
    if (member.presence == Member::Presence::left && !member.contribution) {
      return fail(remote_error("bootstrap: rank {} left before round {}, in which others take part", rank, round_));
    }
  }
}

// ---- Time and failure ----------------------------------------------------------------------------------------------

MissingRanks Service::missing_ranks() const {
  MissingRanks missing;
  missing.count = rank_count_ - static_cast<uint32_t>(contributed_count_);
  for (uint32_t rank = 0; rank < rank_count_ && missing.listed.size() < std::min<size_t>(missing.count, kMaxListedRanks); ++rank) {
    const auto member = members_.find(rank);
    if (member == members_.end() || !member->second.contribution) {
      missing.listed.push_back(rank);
    }
  }
  return missing;
}

void Service::tell_who_is_missing() {
  if (!failure_.ok() || clock_.now_ns() < next_report_ns_) {
    return;
  }
  next_report_ns_ = clock_.now_ns() + kReportIntervalNs;
  const auto frame = std::make_shared<const Bytes>(encode_frame(FrameType::missing_ranks, encode_missing(missing_ranks())));
  for (auto& [rank, member] : members_) {
    if (member.contribution && !member.connection.has_output()) {
      member.connection.send(frame);
      member.connection.flush();
    }
  }
}

void Service::check_timeout() {
  if (failure_.ok() && timeout_ns_ != UINT64_MAX && clock_.now_ns() - last_progress_ns_ >= timeout_ns_) {
    const std::string whom = rank_count_ == 0 ? "any rank" : to_string(missing_ranks());
    fail(timeout_error("bootstrap: waited {} ms for {}", timeout_ns_ / 1'000'000, whom));
    linger_until_ns_ = clock_.now_ns();  // whoever has not come by now is not waited for
  }
}

void Service::fail(Status why) {
  if (!failure_.ok()) {
    return;
  }
  failure_ = std::move(why);
  linger_until_ns_ = clock_.now_ns() + kFailureLingerNs;
  next_report_ns_ = UINT64_MAX;
  log::info("{}", failure_.message());
  const auto frame = std::make_shared<const Bytes>(encode_frame(FrameType::failure, encode_status(failure_)));
  for (auto& [rank, member] : members_) {
    member.connection.send(frame);
    member.connection.flush();
  }
}

}  // namespace tutti::bootstrap
