// SPDX-License-Identifier: Apache-2.0
// What an executor does beside moving data: it looks after transports and peers, answers and asks questions, and fails in words.
#include <sched.h>

#include <algorithm>
#include <span>

#include "base/log.hpp"
#include "base/types.hpp"
#include "engine/engine.hpp"
#include "engine/executor.hpp"

namespace tutti::engine {

namespace {

constexpr uint64_t kWatchIntervalNs = 100'000;
// A stalled operation asks the ranks it waits for after this long, then at doubling intervals.
constexpr uint64_t kFirstInquiryNs = 2'000'000;
constexpr uint64_t kMaxInquiryIntervalNs = 100'000'000;
// Inquiries and their answers that cannot be sent are dropped, they will be repeated; failures and goodbyes always find a place.
constexpr size_t kMaxQueuedInquiries = 4;
// How long abort() tries to tell the peers, at least and at most: a peer that does not read may be full to the brim.
constexpr uint32_t kFarewellTurns = 64;
constexpr uint32_t kMaxFarewellTurns = 10'000;
constexpr uint64_t kMaxFarewellNs = 10'000'000;
// Who knows first may know least. A rank that a death makes fail may end before others have met that death, and they lose both: before a lost rank
// is named, the others have this long to say why, or to be found lost too. And before a rank is named that waits itself, it has this long to say for
// whom.
constexpr uint64_t kVerdictDelayNs = 5'000'000;

}  // namespace

size_t Executor::tend() {
  turns_since_tending_ = 0;
  size_t worked = 0;
  for (const auto& transport : transports_) {
    worked += transport->poll();
  }
  const uint64_t now_ns = options_.clock->now_ns();
  if (now_ns - last_watch_ns_ >= kWatchIntervalNs || leave_requested_.load(std::memory_order_acquire)) {
    last_watch_ns_ = now_ns;
    worked += watch(now_ns);
  }
  return worked;
}

size_t Executor::watch(uint64_t now_ns) {
  size_t worked = 0;
  for (const uint32_t peer : linked_) {
    worked += read_control(peer);
    worked += flush_outbox(peer);
  }
  look_for_lost_peers(now_ns);
  if (!has_failed()) {
    worked += carry_openings(now_ns);
    look_for_stalls(now_ns);
    if (!noted_failure_.ok()) {
      fail(noted_failure_);
    }
  }
  part();
  return worked;
}

size_t Executor::read_control(uint32_t peer) {
  constexpr size_t kMaxMessages = 16;
  size_t count = 0;
  transport::Frame frame;
  transport::Outcome outcome{};
  while (count < kMaxMessages && (outcome = links_[peer].peek(transport::kControlChannel, {}, &frame)) == transport::Outcome::done) {
    if (const auto message = decode_control(frame.payload)) {
      handle(peer, *message);
    } else {
      note_failure(remote_error("rank {} sent a control message of {} bytes that makes no sense", peer, frame.payload.size()));
    }
    links_[peer].pop(transport::kControlChannel);
    ++count;
  }
  peer_state(peer).is_silent = outcome == transport::Outcome::failed;
  return count;
}

void Executor::handle(uint32_t peer, const ControlMessage& message) {
  if (const auto* inquiry = std::get_if<Inquiry>(&message)) {
    answer(peer, *inquiry);
  } else if (const auto* waiting = std::get_if<Waiting>(&message)) {
    peer_state(peer).waits_in = waiting->sequence;
  } else if (const auto* notice = std::get_if<FailureNotice>(&message)) {
    peer_state(peer).said_failure = true;
    note_failure(notice->status);
  } else if (const auto* request = std::get_if<LinkRequest>(&message)) {
    take_link_request(peer, *request);
  } else {
    peer_state(peer).said_goodbye = true;
  }
}

// Its sequence differs from the one asked for if that call has not been made, or was made too long ago.
Executor::HistoryEntry Executor::recall(uint64_t sequence) {
  const std::lock_guard lock(submit_lock_);
  return history_[sequence % history_.size()];
}

// A peer waits for this rank in a call. Silence is the answer while this rank has not come there, or when it has done its part.
void Executor::answer(uint32_t peer, const Inquiry& inquiry) {
  const HistoryEntry entry = recall(inquiry.sequence);
  if (!entry.is_of(inquiry.sequence)) {
    return;
  }
  if (entry.signature == inquiry.signature && entry.chain == inquiry.chain) {
    if (is_pending(inquiry.sequence)) {
      post(peer, Waiting{inquiry.sequence});
    }
    return;
  }
  if (entry.signature == inquiry.signature) {  // the disagreement lies further back: both go there, asking each other
    if (const HistoryEntry before = recall(inquiry.sequence - 1); before.is_of(inquiry.sequence - 1)) {
      post(peer, Inquiry{inquiry.sequence - 1, before.signature, before.chain});
    } else {
      note_failure(mismatch_error("{}: rank {} and rank {} have disagreed about an earlier call",
                                  to_string(OperationName{entry.signature, inquiry.sequence, options_.name}), options_.rank, peer));
    }
    return;
  }
  const SignatureOfRank own{options_.rank, entry.signature};
  const SignatureOfRank other{peer, inquiry.signature};
  // Both sides word it alike: the lower rank's view first.
  const bool own_first = options_.rank < peer;
  note_failure(mismatch_error(
      "{}: {}", to_string(OperationName{(own_first ? own : other).signature, inquiry.sequence, options_.name}),
      own_first ? describe_difference(own, other) : describe_difference(other, own)));
}

void Executor::note_failure(const Status& why) {
  if (noted_failure_.ok()) {
    noted_failure_ = why;
  }
}

void Executor::post(uint32_t peer, const ControlMessage& message) {
  if (peer == options_.rank) {
    return;
  }
  Peer& state = peer_state(peer);
  if (state.lost) {
    return;
  }
  const bool is_repeated = std::holds_alternative<Inquiry>(message) || std::holds_alternative<Waiting>(message);
  if (is_repeated && state.outbox.size() >= kMaxQueuedInquiries) {
    return;
  }
  // A peer that has said goodbye needs nothing more, but may not have heard this rank's own yet: an abort now must not look like one in its work.
  if (std::holds_alternative<FailureNotice>(message) && leaving_ && state.said_goodbye) {
    return;
  }
  state.outbox.push_back(encode(message));
}

void Executor::post_to_all(const ControlMessage& message) {
  for (const uint32_t peer : linked_) {
    post(peer, message);
  }
}

size_t Executor::flush_outbox(uint32_t peer) {
  Peer& state = peer_state(peer);
  size_t worked = 0;
  while (!state.outbox.empty() && !state.lost) {
    transport::Link& link = links_[peer];
    uint64_t& taken_bytes = links_.taken_bytes(peer, transport::kControlChannel);
    const std::vector<std::byte>& message = state.outbox.front();
    if (!state.front_taken) {
      if (link.try_send(transport::kControlChannel, transport::FrameHeader{}, message) != transport::Outcome::done) {
        break;
      }
      taken_bytes += message.size();
      state.front_taken = true;
      ++worked;
    }
    if (link.released_bytes(transport::kControlChannel) < taken_bytes) {
      break;
    }
    state.outbox.pop_front();
    state.front_taken = false;
  }
  return worked;
}

void Executor::look_for_lost_peers(uint64_t now_ns) {
  for (const uint32_t peer : linked_) {
    Peer& state = peer_state(peer);
    if (state.lost || links_[peer].failure().ok()) {
      continue;
    }
    if (!state.link_failed_ns) {
      state.link_failed_ns = now_ns;
    }
    // Its last words may lie behind much data.
    if (state.is_silent || now_ns - *state.link_failed_ns >= kVerdictDelayNs) {
      lose(peer, now_ns);
    }
  }
  if (!deaths_.empty() && now_ns >= verdict_due_ns_) {
    note_failure(explain_deaths());
    deaths_.clear();
  }
}

void Executor::lose(uint32_t peer, uint64_t now_ns) {
  Peer& state = peer_state(peer);
  state.lost = true;
  links_[peer].let_go();  // of the outbox
  state.outbox.clear();
  if (state.said_goodbye || has_failed()) {
    return;
  }
  if (deaths_.empty()) {
    verdict_due_ns_ = now_ns + kVerdictDelayNs;
  }
  deaths_.push_back(peer);
}

void Executor::look_for_stalls(uint64_t now_ns) {
  constexpr size_t kMostLookedAt = 64;  // of those that run; the others wait for earlier work, not for a peer
  size_t looked_at = 0;
  for (size_t index = window_begin_; index < window_.size() && looked_at < kMostLookedAt; ++index) {
    if (window_[index]->state == OperationState::running) {
      look_after(*window_[index], now_ns);
      ++looked_at;
    }
  }
}

void Executor::look_after(Operation& operation, uint64_t now_ns) {
  OperationWatch& watch = operation.watch;
  if (watch.advances != operation.advances) {
    watch = OperationWatch{.advances = operation.advances,
                           .progress_ns = now_ns,
                           .next_inquiry_ns = now_ns + kFirstInquiryNs,
                           .inquiry_interval_ns = kFirstInquiryNs};
    return;
  }
  const uint64_t timeout_ns = options_.timeout_ms * 1'000'000;
  const uint64_t stalled_ns = now_ns - watch.progress_ns;
  if (timeout_ns != 0 && stalled_ns >= timeout_ns && (stalled_ns >= timeout_ns + kVerdictDelayNs || !waits_for_waiting_ranks(operation))) {
    note_failure(explain_timeout(operation));
    return;
  }
  inquire(operation, now_ns);
}

bool Executor::is_pending(uint64_t sequence) const {
  return std::any_of(window_.begin() + static_cast<ptrdiff_t>(window_begin_), window_.end(),
                     [&](const Operation* operation) { return !operation->is_point_to_point() && operation->sequence == sequence; });
}

bool Executor::waits_for_waiting_ranks(const Operation& operation) {
  collect_awaited_peers(operation, &awaited_);
  return std::ranges::all_of(awaited_, [&](uint32_t peer) { return peer_state(peer).waits_in == operation.sequence; });
}

void Executor::inquire(Operation& operation, uint64_t now_ns) {
  OperationWatch& watch = operation.watch;
  if (operation.is_point_to_point() || now_ns < watch.next_inquiry_ns) {
    return;
  }
  watch.inquiry_interval_ns = std::min(2 * watch.inquiry_interval_ns, kMaxInquiryIntervalNs);
  watch.next_inquiry_ns = now_ns + watch.inquiry_interval_ns;
  collect_awaited_peers(operation, &awaited_);
  log::trace("rank {}: {} waits for ranks {}", options_.rank, name_of(operation), fmt::join(awaited_, ", "));
  for (const uint32_t peer : awaited_) {
    post(peer, Inquiry{operation.sequence, operation.signature(), static_cast<uint32_t>(operation.frame_word >> 32)});
  }
}

void Executor::say_goodbye() {
  // Release; pairs with the acquire in tend().
  leave_requested_.store(true, std::memory_order_release);
}

void Executor::part() {
  if (!leave_requested_.load(std::memory_order_acquire) || has_parted()) {
    return;
  }
  if (!leaving_) {
    leaving_ = true;
    post_to_all(Goodbye{});
  }
  if (!deaths_.empty()) {
    return;
  }
  const bool all_gone =
      std::ranges::all_of(peers_owned_, [&](const auto& peer) { return peer->lost || (peer->said_goodbye && peer->outbox.empty()); });
  if (all_gone) {
    has_parted_.store(true, std::memory_order_release);
  }
}

std::string Executor::name_of(const Operation& operation) const {
  const OperationName name{operation.signature(), operation.sequence, options_.name};
  if (!operation.is_point_to_point()) {
    return to_string(name);
  }
  const bool sends = operation.signature().collective == schedule::Collective::send;
  return fmt::format("{} {} rank {}", to_string(name), sends ? "to" : "from", operation.request.peer);
}

// ok() when the trouble is not yet understood: then the peer has been asked, or its death is being looked into.
Status Executor::explain(const Operation& operation, const Trouble& trouble) {
  for (const uint32_t peer : linked_) {
    read_control(peer);
  }
  if (!noted_failure_.ok()) {
    return noted_failure_;
  }
  if (trouble.kind != Trouble::Kind::link_failed) {
    return explain_frame(operation, trouble);
  }
  if (!peer_state(trouble.peer).said_goodbye) {
    return {};
  }
  return remote_error("{}: rank {} has left the communicator without taking part", name_of(operation), trouble.peer);
}

Status Executor::explain_frame(const Operation& operation, const Trouble& trouble) const {
  const Signature& own = operation.signature();
  const uint64_t element_bytes = operation.program().element_bytes();
  if (trouble.kind == Trouble::Kind::wrong_length) {
    return mismatch_error("{}: rank {} sends {} elements, rank {} expects {}", name_of(operation), trouble.peer,
                          trouble.received_bytes / element_bytes, options_.rank, trouble.expected_bytes / element_bytes);
  }
  if (!operation.is_point_to_point()) {
    // The inquiry of a stalled operation will tell what the peer called, unless the peer has forgotten it over many later calls.
    return operation.watch.inquiry_interval_ns < kMaxInquiryIntervalNs
               ? Status()
               : mismatch_error("{}: rank {} sends data of its call #{}, which rank {} has made otherwise", name_of(operation), trouble.peer,
                                static_cast<uint32_t>(trouble.received_word), options_.rank);
  }
  const auto sent_type = static_cast<tuttiDataType_t>(trouble.received_word >> 32);
  return mismatch_error("{}: rank {} sends datatype {}, rank {} expects {}", name_of(operation), trouble.peer,
                        tutti::name_of(sent_type), options_.rank, tutti::name_of(own.datatype));
}

Status Executor::explain_timeout(const Operation& operation) const {
  std::vector<uint32_t> awaited;
  collect_awaited_peers(operation, &awaited);
  std::ranges::sort(awaited);
  return timeout_error("{}: no progress for {} ms; rank {} waits for rank{} {}", name_of(operation), options_.timeout_ms,
                       options_.rank, awaited.size() == 1 ? "" : "s", fmt::join(awaited, ", "));
}

// Of several, the first that was noticed comes first; one of them may have ended because another did.
Status Executor::explain_deaths() {
  const uint32_t first = deaths_.front();
  Status why = remote_error("rank {} of \"{}\" died: {}", first, options_.name, links_[first].failure().message());
  if (deaths_.size() == 1) {
    return why;
  }
  const std::span others = std::span(deaths_).subspan(1);
  return remote_error("{}; so did rank{} {}", why.message(), others.size() == 1 ? "" : "s", fmt::join(others, ", "));
}

void Executor::fail(const Status& why) {
  {
    const std::lock_guard lock(failure_mutex_);
    if (!failure_.ok()) {
      return;
    }
    failure_ = why;
    // Release; pairs with has_failed().
    has_failed_.store(true, std::memory_order_release);
  }
  log::info("rank {} of \"{}\": {}: {}", options_.rank, options_.name, tutti::name_of(why.code()), why.message());
  let_go_of_memory();
  post_to_all(FailureNotice{why});
  for (const uint32_t peer : linked_) {
    flush_outbox(peer);
  }
  complete_all_with_failure();
}

bool Executor::has_unsent_words() const {
  return std::ranges::any_of(peers_owned_, [](const auto& peer) { return !peer->outbox.empty() && !peer->lost; });
}

// A peer that has failed too, and said so, stores nothing into this rank's memory any more.
bool Executor::has_writers() const {
  return has_shared_memory_ && std::ranges::any_of(peers_owned_, [](const auto& peer) {
           return !peer->lost && !peer->said_failure && !peer->said_goodbye;
         });
}

void Executor::abort(const Status& why) {
  // Relaxed: waiters poll it, and ownership orders the rest.
  aborts_.fetch_add(1, std::memory_order_relaxed);
  while (!try_claim()) {
    sched_yield();  // a turn is short
  }
  fail(why);
  drain_queue();
  const uint64_t begin_ns = options_.clock->now_ns();
  for (uint32_t turns = 0; turns < kFarewellTurns || ((has_unsent_words() || has_writers()) && turns < kMaxFarewellTurns); ++turns) {
    if (turns >= kFarewellTurns) {
      sched_yield();  // to a peer that shares the core
    }
    full_turn();
    if (options_.clock->now_ns() - begin_ns >= kMaxFarewellNs) {
      break;
    }
  }
  aborts_.fetch_sub(1, std::memory_order_relaxed);
  release_ownership();
}

}  // namespace tutti::engine
