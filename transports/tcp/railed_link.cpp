// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/railed_link.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "transports/tcp/estimate.hpp"

namespace tutti::transports::tcp {

namespace {

using transport::Outcome;

// What may be on its way over a rail: more only waits in queues, where a slower rail would hold up the frames behind it.
constexpr size_t kMaxBytesOnRail = 1024 * 1024;
// A healthy network answers within milliseconds; its own repair of a lost packet may take some tens.
constexpr uint64_t kSilence_ns = 100'000'000;
// A rail so many times slower than another is not used beside it.
constexpr uint64_t kSlowness = 8;

}  // namespace

RailedLink::RailedLink(const Setup& setup, const Settings& settings, const Clock& clock, size_t& backlogged_link_count)
    : setup_(setup),
      settings_(settings),
      clock_(clock),
      max_frame_bytes_(choose_frame_bytes(settings.slice_bytes, kMaxRailFrameBytes)),
      backlogged_link_count_(backlogged_link_count) {}

RailedLink::~RailedLink() {
  if (backlogged_) {
    --backlogged_link_count_;
  }
  for (const auto& rail : rails_) {
    if (rail != nullptr) {
      shut_down(rail->socket());
    }
  }
}

RailSet RailedLink::missing() const {
  RailSet missing;
  for (size_t index = 0; failure_.ok() && index < kMaxRails; ++index) {
    missing[index] = setup_.rails[index] && rails_[index] == nullptr;
  }
  return missing;
}

bool RailedLink::attach(size_t index, uint8_t incarnation, Descriptor socket) {
  assert(index < kMaxRails);
  const auto newer = static_cast<uint8_t>(incarnation - incarnations_[index]);
  const bool is_first = incarnation == 0 && incarnations_[index] == 0 && rails_[index] == nullptr;
  if (!failure_.ok() || !setup_.rails[index] || (!is_first && (newer == 0 || newer >= 128))) {
    return false;
  }
  if (rails_[index] != nullptr) {
    retire(index, Close::at_once);
  }
  losses_to_tell_[index] = false;  // the peer knows
  tune(socket.get(), settings_, setup_.distance);
  incarnations_[index] = incarnation;
  log::info("tcp: rail {} of a link goes {}", index, describe_ends(socket.get()));
  rails_[index] = std::make_unique<Rail>(Rail::Setup{index, incarnation, std::move(socket)}, clock_, inbox_, outbox_);
  settle();
  return true;
}

// For a frame, by the fastest rail that is known; UINT64_MAX if none is.
uint64_t RailedLink::fastest_ns() const {
  uint64_t fastest_ns = UINT64_MAX;
  for (const auto& rail : rails_) {
    if (rail != nullptr && rail->rate().is_known()) {
      fastest_ns = std::min(fastest_ns, rail->rate().expected_ns(kMaxRailFrameBytes));
    }
  }
  return fastest_ns;
}

// What such a rail could add is less than what frames and credit that wait for it cost.
bool RailedLink::is_slow(const Rail& rail, uint64_t fastest_ns) {
  return rail.rate().expected_ns(kMaxRailFrameBytes) / kSlowness > fastest_ns;
}

// The free rail that will be done soonest or, as long as that is not known of all, the one with least on its way. But a frame waits for a busy rail if
// that will be done sooner: what lies behind a frame that a slow rail carries could only pile up.
Rail* RailedLink::choose_rail(size_t payload_bytes) {
  const bool all_known = std::ranges::all_of(rails_, [](const auto& rail) { return rail == nullptr || rail->rate().is_known(); });
  const auto cost = [&](const Rail& rail) { return all_known ? rail.expected_ns(payload_bytes) : uint64_t{rail.unacknowledged_bytes()}; };
  const uint64_t fastest_ns = this->fastest_ns();
  Rail* chosen = nullptr;
  uint64_t soonest_ns = UINT64_MAX;
  for (const auto& rail : rails_) {
    if (rail == nullptr || !rail->failure().ok() || is_slow(*rail, fastest_ns)) {
      continue;
    }
    soonest_ns = std::min(soonest_ns, rail->expected_ns(payload_bytes));
    const size_t room_bytes = rail->rate().is_known() ? kMaxBytesOnRail : DrainRate::kUnitBytes;
    const bool is_free = rail->idle() && (rail->unacknowledged_bytes() == 0 || rail->unacknowledged_bytes() + payload_bytes <= room_bytes);
    if (is_free && (chosen == nullptr || cost(*rail) < cost(*chosen))) {
      chosen = rail.get();
    }
  }
  if (chosen == nullptr || (all_known && chosen->expected_ns(payload_bytes) / 2 > soonest_ns)) {
    return nullptr;
  }
  for (const auto& rail : rails_) {
    if (rail != nullptr && is_slow(*rail, fastest_ns)) {
      rail->rate().doubt();
    }
  }
  return chosen;
}

transport::GivenCredit::News RailedLink::credit_for(const Rail& rail) { return is_slow(rail, fastest_ns()) ? inbox_.credit().old_news() : inbox_.credit().tell(); }

Outcome RailedLink::try_send(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload) {
  assert(channel < transport::kChannelCount && payload.size() <= max_frame_bytes_);
  flush();
  const auto may_go = [&] { return failure_.ok() && homeless_.empty() && outbox_.has_credit_for(channel, payload.size()); };
  Rail* rail = may_go() ? choose_rail(payload.size()) : nullptr;
  if (rail == nullptr && failure_.ok()) {
    look_for_news();
    rail = may_go() ? choose_rail(payload.size()) : nullptr;
  }
  if (!failure_.ok()) {
    return Outcome::failed;
  }
  if (rail == nullptr) {
    return Outcome::would_block;
  }
  rail->send(outbox_.take(channel, header, payload), credit_for(*rail));
  settle();
  return failure_.ok() ? Outcome::done : Outcome::failed;
}

// Credit and acknowledgements arrive between frames. Where peek() is reading them it finds these too, and knows better where the frames go.
void RailedLink::look_for_news() {
  if (!std::exchange(read_since_credit_look_, false)) {
    read_all(transport::kChannelCount);
    settle();
  }
}

// Until the next frame on `channel` is there. Rails take turns at being first.
void RailedLink::read_all(uint32_t channel) {
  for (size_t turn = 0; turn < kMaxRails; ++turn) {
    const size_t index = (first_to_read_ + turn) % kMaxRails;
    if (rails_[index] != nullptr) {
      rails_[index]->read_to_frame(channel);
      if (channel < transport::kChannelCount && inbox_.ready(channel)) {
        first_to_read_ = index + 1;
        break;
      }
    }
  }
}

Outcome RailedLink::peek(uint32_t channel, std::span<std::byte> landing, transport::Frame* frame) {
  assert(channel < transport::kChannelCount);
  if (!inbox_.ready(channel)) {
    if (!landing.empty()) {
      inbox_.set_landing(channel, landing);
    }
    const uint32_t channel_bit = 1u << channel;
    if (failure_.ok() && (seen_empty_channels_ & channel_bit) != 0) {
      seen_empty_channels_ &= ~channel_bit;
      return Outcome::would_block;
    }
    read_since_look_ = read_since_credit_look_ = true;
    read_all(channel);
    settle();
    if (!inbox_.ready(channel)) {
      const bool drained = std::ranges::all_of(rails_, [](const auto& rail) { return rail == nullptr || rail->drained(); });
      // One peek in vain speaks for the next one on each other channel, which spares them a system call.
      seen_empty_channels_ = drained ? ~channel_bit : 0;
      return failure_.ok() ? Outcome::would_block : Outcome::failed;
    }
  }
  *frame = inbox_.front(channel);
  return Outcome::done;
}

void RailedLink::pop(uint32_t channel) {
  inbox_.pop(channel);
  if (inbox_.credit().is_due()) {
    flush();
  }
}

void RailedLink::let_go() {
  outbox_.let_go();
  inbox_.let_go();
}

size_t RailedLink::flush() {
  if (!failure_.ok() || !has_work()) {
    return 0;
  }
  const size_t written_bytes = write_all();
  settle();
  return written_bytes;
}

size_t RailedLink::write_all() {
  size_t written_bytes = 0;
  for (const auto& rail : rails_) {
    written_bytes += rail != nullptr ? rail->flush() : 0;
  }
  while (!homeless_.empty()) {
    Rail* const rail = choose_rail(homeless_.front().payload.size());
    if (rail == nullptr) {
      break;
    }
    OutgoingFrame& frame = homeless_.pop();
    written_bytes += kRailHeaderBytes + frame.payload.size();
    rail->send(frame, credit_for(*rail));
  }
  return written_bytes;
}

// What the peer may be waiting for does not wait for a frame to travel with.
void RailedLink::write_news() {
  for (const auto& rail : rails_) {
    const auto is_free = [&] { return rail->idle() && rail->failure().ok(); };
    if (rail == nullptr || !is_free()) {
      continue;
    }
    const bool is_prompt = !is_slow(*rail, fastest_ns());
    for (size_t lost = 0; is_prompt && losses_to_tell_.any() && lost < kMaxRails && is_free(); ++lost) {
      if (losses_to_tell_[lost]) {
        losses_to_tell_[lost] = false;
        rail->send({.kind = RailKind::loss, .channel = static_cast<uint8_t>(lost), .credit_channel = incarnations_[lost], .frame = {}});
      }
    }
    while (is_free() && (rail->acknowledgement_due() || (is_prompt && inbox_.credit().is_due()))) {
      const transport::GivenCredit::News credit = credit_for(*rail);
      rail->send({.kind = RailKind::news, .credit_channel = static_cast<uint8_t>(credit.channel), .credit_total = credit.total, .frame = {}});
    }
  }
}

// Draws the consequences of what has been read and written, and says what is due.
void RailedLink::settle() {
  for (size_t index = 0; index < kMaxRails && failure_.ok(); ++index) {
    Rail* const rail = rails_[index].get();
    if (rail == nullptr) {
      continue;
    }
    if (!rail->breach().ok()) {
      fail(rail->breach());
    } else if (!rail->failure().ok()) {
      lose(index, rail->failure(), Close::in_order);
    } else if (const auto loss = rail->take_loss()) {
      const size_t lost = loss->channel;
      if (lost != index && rails_[lost] != nullptr && rails_[lost]->incarnation() == loss->credit_channel) {
        lose(lost, remote_error("given up by peer"), Close::at_once);
        losses_to_tell_[lost] = false;
      }
    }
  }
  if (failure_.ok()) {
    write_all();
    write_news();
  }
  update_backlog();
}

// What has arrived over it counts: the last words of a peer that is leaving, or less to send again.
void RailedLink::retire(size_t index, Close close) {
  const std::unique_ptr<Rail> rail = std::move(rails_[index]);
  while (rail->failure().ok() && rail->breach().ok() && rail->read() > 0) {
  }
  inbox_.forget(index);
  inbox_.credit().tell_again();
  FrameQueue frames = rail->take_unacknowledged();
  homeless_.append(frames);
  if (close == Close::at_once) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    (void)::setsockopt(rail->socket(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  if (!rail->breach().ok()) {
    fail(rail->breach());
  }
}

void RailedLink::lose(size_t index, Status why, Close close) {
  retire(index, close);
  if (!failure_.ok()) {
    return;
  }
  if (std::ranges::all_of(rails_, [](const auto& rail) { return rail == nullptr; })) {
    fail(std::move(why));
    return;
  }
  losses_to_tell_[index] = true;
  log::info("tcp: rail {} of a link is lost: {}", index, why.message());
}

void RailedLink::fail(Status why) {
  failure_ = std::move(why);
  homeless_ = FrameQueue();
  outbox_.abandon();
  for (size_t index = 0; index < kMaxRails; ++index) {
    if (rails_[index] != nullptr) {
      inbox_.forget(index);
      shut_down(rails_[index]->socket());
      rails_[index].reset();
    }
  }
}

void RailedLink::tend() {
  const uint64_t now_ns = clock_.now_ns();
  std::array<uint64_t, kMaxRails> silent_ns{};
  uint64_t shortest_ns = UINT64_MAX;
  for (size_t index = 0; index < kMaxRails; ++index) {
    if (rails_[index] != nullptr) {
      silent_ns[index] = rails_[index]->silent_ns(now_ns);
      shortest_ns = std::min(shortest_ns, silent_ns[index]);
    }
  }
  // If all are silent the peer's host may be, and giving up one rail would not help.
  for (size_t index = 0; index < kMaxRails && shortest_ns < kSilence_ns / 2; ++index) {
    if (rails_[index] != nullptr && silent_ns[index] >= kSilence_ns) {
      lose(index, remote_error("no answer for {} ms", silent_ns[index] / 1'000'000), Close::at_once);
    }
  }
  settle();
}

size_t RailedLink::look() {
  if (std::exchange(read_since_look_, false) || !failure_.ok()) {
    return 0;
  }
  size_t read_bytes = 0;
  for (const auto& rail : rails_) {
    read_bytes += rail != nullptr ? rail->read() : 0;
  }
  settle();
  return read_bytes;
}

bool RailedLink::has_work() const {
  return !homeless_.empty() || losses_to_tell_.any() || inbox_.credit().is_due() ||
         std::ranges::any_of(rails_, [](const auto& rail) { return rail != nullptr && (!rail->idle() || rail->acknowledgement_due()); });
}

void RailedLink::update_backlog() {
  const bool backlogged = failure_.ok() && has_work();
  if (backlogged != backlogged_) {
    backlogged_ = backlogged;
    backlogged_link_count_ += backlogged ? 1 : -1;
  }
}

transport::LinkEstimate RailedLink::estimate() const {
  if (setup_.distance == Distance::same_host) {
    return {.latency_ns = 4'000, .bandwidth_bytes_per_s = 4'000'000'000, .source = "default for several sockets on loopback", .copies_out = true};
  }
  std::vector<SocketFigures> figures;
  for (const int socket : sockets()) {
    figures.push_back(figures_of(socket));
  }
  return estimate_between_hosts(figures);
}

std::vector<int> RailedLink::sockets() const {
  std::vector<int> sockets;
  for (const auto& rail : rails_) {
    if (rail != nullptr) {
      sockets.push_back(rail->socket());
    }
  }
  return sockets;
}

SocketLoad RailedLink::load() const {
  SocketLoad load;
  for (const auto& rail : rails_) {
    if (rail != nullptr) {
      load += load_of(rail->socket());
    }
  }
  return load;
}

std::string RailedLink::describe() const {
  std::string text = "tcp";
  for (const int socket : sockets()) {
    text += fmt::format("{} {}", text.size() > 3 ? "," : "", describe_ends(socket));
  }
  return text;
}

}  // namespace tutti::transports::tcp
