// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/registrar.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace tutti::bootstrap {

namespace {

// How long ranks that arrive after the job has failed are told so, instead of finding nobody.
constexpr uint64_t kFailureLingerNs = 30'000'000'000;

}  // namespace

Registrar::Registrar(uint64_t timeout_ms, const Clock& clock, Voice& voice)
    : clock_(clock),
      voice_(voice),
      timeout_ns_(timeout_ms == 0 || timeout_ms > UINT64_MAX / 1'000'000 ? UINT64_MAX : timeout_ms * 1'000'000),
      last_progress_ns_(clock.now_ns()) {}

Status Registrar::admit(const Handshake::Claim& claim) {
  if (claim.rank_count == 0 || claim.rank_count > kMaxRankCount || claim.rank >= claim.rank_count) {
    return invalid_argument("bootstrap: rank {} of {} is not a valid rank", claim.rank, claim.rank_count);
  }
  if (rank_count_ == 0) {
    rank_count_ = claim.rank_count;
    first_rank_ = claim.rank;
  }
  if (claim.rank_count != rank_count_) {
    fail(mismatch_error("bootstrap: rank {} was started as one of {} ranks, rank {} as one of {}", claim.rank, claim.rank_count,
                        first_rank_, rank_count_));
    return failure_;
  }
  TUTTI_RETURN_IF_ERROR(failure_);
  if (members_.contains(claim.rank)) {
    log::warn("bootstrap: refused a second rank {}", claim.rank);
    return invalid_usage("bootstrap: rank {} has already joined; two callers use the same rank", claim.rank);
  }
  members_[claim.rank];
  progressed();
  return {};
}

void Registrar::receive(uint32_t rank, const Frame& frame) {
  switch (frame.type) {
    case FrameType::registration: return take_registration(rank, frame);
    case FrameType::goodbye:
      members_[rank].left = true;
      check_for_absentees();
      return progressed();
    case FrameType::abandonment:
      members_[rank].left = true;
      return fail(gave_up(rank, decode_status(frame.payload)));
    case FrameType::failure:
      return fail(decode_status(frame.payload).value_or(remote_error("bootstrap: rank {} failed for an unreadable reason", rank)));
    default: break;
  }
  fail(remote_error("bootstrap: rank {} sent a frame that no rank sends to a root", rank));
}

void Registrar::take_registration(uint32_t rank, const Frame& frame) {
  if (!failure_.ok()) {
    return;
  }
  const auto registration = decode_registration(frame.payload);
  const bool makes_sense = registration && registration->share.count > 0 && registration->share.count <= rank_count_ &&
                           registration->share.first < rank_count_;
  if (!makes_sense || members_[rank].address) {
    return fail(remote_error("bootstrap: rank {} sent a registration that makes no sense", rank));
  }
  if (share_.count == 0) {
    share_ = registration->share;
  }
  if (registration->share != share_ || !is_expected(rank)) {
    return fail(mismatch_error("bootstrap: rank {} came to the root of ranks {} to {}; the ranks were given different lists of ids", rank, share_.first,
                               share_.first + share_.count - 1));
  }
  members_[rank].address = registration->address;
  if (++registered_count_ == 1) {
    next_report_ns_ = clock_.now_ns() + kReportIntervalNs;
  }
  progressed();
  if (registered_count_ == expected_count()) {
    introduce();
  }
  check_for_absentees();
}

bool Registrar::is_expected(uint32_t rank) const {
  return (rank >= share_.first && rank - share_.first < share_.count) || rank == rank_after(share_.first + share_.count - 1);
}

void Registrar::introduce() {
  introduced_ = true;
  next_report_ns_ = UINT64_MAX;
  for (uint32_t rank = share_.first; rank < share_.first + share_.count; ++rank) {
    const Bytes address = encode_address(*members_[rank_after(rank)].address);
    voice_.tell(rank, std::make_shared<const Bytes>(encode_frame(FrameType::introduction, address)));
  }
}

void Registrar::ended(uint32_t rank, std::string_view why) {
  // A rank whose connection ended without a goodbye died, or was killed.
  if (!members_[rank].left) {
    members_[rank].left = true;
    fail(remote_error("bootstrap: rank {} died: {}", rank, why));
  }
}

// A rank that has left before it was introduced will not come again: whoever waits for it would wait for ever.
void Registrar::check_for_absentees() {
  const auto absentee = std::ranges::find_if(members_, [](const auto& entry) { return entry.second.left; });
  if (!introduced_ && absentee != members_.end()) {
    fail(remote_error("bootstrap: rank {} left before the ranks had met", absentee->first));
  }
}

// ---- Time and failure ----------------------------------------------------------------------------------------------

MissingRanks Registrar::missing_ranks() const {
  const uint32_t count = share_.count == 0 ? rank_count_ : share_.count;
  MissingRanks missing;
  const auto look_at = [&](uint32_t rank) {
    const auto member = members_.find(rank);
    const bool is_missing = member == members_.end() || (introduced_ ? !member->second.left : !member->second.address);
    missing.count += is_missing;
    if (is_missing && missing.listed.size() < kMaxListedRanks) {
      missing.listed.push_back(rank);
    }
  };
  for (uint32_t rank = share_.first; rank < share_.first + count; ++rank) {
    look_at(rank);
  }
  if (count < rank_count_) {
    look_at(rank_after(share_.first + count - 1));
  }
  return missing;
}

void Registrar::tick() {
  const uint64_t now_ns = clock_.now_ns();
  if (failure_.ok() && now_ns >= next_report_ns_) {
    next_report_ns_ = now_ns + kReportIntervalNs;
    tell_all(FrameType::missing_ranks, encode_missing(missing_ranks()));
  }
  if (failure_.ok() && timeout_ns_ != UINT64_MAX && now_ns - last_progress_ns_ >= timeout_ns_) {
    const std::string whom = rank_count_ == 0 ? "any rank" : to_string(missing_ranks());
    fail(timeout_error("bootstrap: waited {} ms for {}", timeout_ns_ / 1'000'000, whom));
    linger_until_ns_ = now_ns;  // whoever has not come by now is not waited for
  }
}

uint64_t Registrar::next_deadline_ns() const {
  const uint64_t timeout = failure_.ok() && timeout_ns_ != UINT64_MAX ? last_progress_ns_ + timeout_ns_ : UINT64_MAX;
  return std::min({next_report_ns_, linger_until_ns_, timeout});
}

void Registrar::fail(Status why) {
  if (!failure_.ok()) {
    return;
  }
  failure_ = std::move(why);
  linger_until_ns_ = clock_.now_ns() + kFailureLingerNs;
  next_report_ns_ = UINT64_MAX;
  log::info("{}", failure_.message());
  tell_all(FrameType::failure, encode_status(failure_));
}

void Registrar::tell_all(FrameType type, const Bytes& payload) {
  const auto frame = std::make_shared<const Bytes>(encode_frame(type, payload));
  for (const auto& [rank, member] : members_) {
    if (!member.left) {
      voice_.tell(rank, frame);
    }
  }
}

}  // namespace tutti::bootstrap
