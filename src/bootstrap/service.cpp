// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/service.hpp"

#include <algorithm>

namespace tutti::bootstrap {

namespace {

// Honest ranks are refused once each, when a job was started wrongly.
constexpr size_t kMaxRefused = 1024;

}  // namespace

Key handshake_key(const Key& secret) { return derive_key(secret, "tutti bootstrap handshake", 0); }

Service::Service(Options options, const Clock& clock)
    : clock_(clock),
      registrar_(options.timeout_ms, clock, *this),
      door_({.listeners = std::move(options.listeners),
             .key = handshake_key(options.secret),
             .claim = {.rank = kRootRank, .rank_count = 0, .purpose = kRootPurpose},
             .max_payload_bytes = kMaxRootFrameBytes},
            clock) {}

void Service::turn(int wake_up, int longest_wait_ms) {
  set_.clear();
  set_.add(wake_up);
  door_.watch(&set_);
  std::ranges::for_each(refused_, [&](Refused& refused) { set_.add(refused.connection); });
  std::ranges::for_each(members_, [&](auto& entry) { set_.add(entry.second); });
  set_.wait(wait_limit_ms(longest_wait_ms));
  door_.attend();
  for (Connection& connection : door_.take_proven()) {
    admit(std::move(connection));
  }
  attend_members();
  attend_refused();
  registrar_.tick();
  // What has just been queued goes out at once rather than after the next wait.
  std::ranges::for_each(members_, [](auto& entry) { entry.second.flush(); });
}

int Service::wait_limit_ms(int longest_wait_ms) const {
  uint64_t next_ns = std::min(registrar_.next_deadline_ns(), door_.next_deadline_ns());
  if (!refused_.empty()) {
    next_ns = std::min(next_ns, refused_.front().since_ns + kHandshakeLimitNs);
  }
  const uint64_t now_ns = clock_.now_ns();
  if (next_ns <= now_ns) {
    return 0;
  }
  const uint64_t wait_ms = (next_ns - now_ns) / 1'000'000 + 1;
  return static_cast<int>(std::min<uint64_t>(wait_ms, static_cast<uint64_t>(longest_wait_ms)));
}

bool Service::finished() const {
  const bool all_gone =
      std::ranges::all_of(members_, [](const auto& entry) { return entry.second.state() == Connection::State::closed; });
  return registrar_.is_over() || (registrar_.all_came() && all_gone && refused_.empty());
}

bool Service::has_output() const {
  return std::ranges::any_of(members_, [](const auto& entry) { return entry.second.has_output(); }) ||
         std::ranges::any_of(refused_, [](const Refused& refused) { return refused.connection.has_output(); });
}

void Service::tell(uint32_t rank, const std::shared_ptr<const Bytes>& frame) { members_.at(rank).send(frame); }

void Service::admit(Connection connection) {
  const Handshake::Claim claim = connection.peer_claim();
  const Status verdict = claim.purpose == kRootPurpose ? registrar_.admit(claim) : invalid_argument("bootstrap: this is a root");
  if (!verdict.ok()) {
    return refuse(std::move(connection), verdict);
  }
  members_.emplace(claim.rank, std::move(connection)).first->second.turn();
}

void Service::refuse(Connection connection, const Status& why) {
  connection.send(FrameType::failure, encode_status(why));
  connection.turn();
  if (refused_.size() < kMaxRefused) {
    refused_.push_back({.connection = std::move(connection), .since_ns = clock_.now_ns()});
  }
}

void Service::attend_members() {
  for (auto& [rank, connection] : members_) {
    while (const auto frame = connection.next_frame()) {
      registrar_.receive(rank, *frame);
    }
    if (connection.state() == Connection::State::closed) {
      registrar_.ended(rank, connection.close_reason());
    }
  }
}

// Closing a socket with unread input would reset the connection and may take the refusal with it, so the rank closes first.
void Service::attend_refused() {
  std::erase_if(refused_, [&](Refused& refused) {
    while (refused.connection.next_frame()) {
    }
    return refused.connection.state() == Connection::State::closed || clock_.now_ns() - refused.since_ns >= kHandshakeLimitNs;
  });
}

}  // namespace tutti::bootstrap
