// SPDX-License-Identifier: Apache-2.0
#include "transports/ofi/link.hpp"

#include <poll.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace tutti::transports::ofi {

namespace {

using transport::kChannelCount;
using transport::Outcome;

// Copying more than that into a provider's buffer costs more than a completion.
constexpr size_t kMaxInjectBytes = 4096;
// Frames behind the next one that are read before anybody asks, where nobody names a place for them.
constexpr uint64_t kReadAhead = 2;
// Bounds of waiting: rounds in which nothing happened, each a pause of a millisecond.
constexpr int kMaxIdleRounds = 50;
constexpr int kMaxRounds = 100'000;

constexpr transport::UnitsByChannel frames_by_channel(uint32_t frames) {
  return transport::units_by_channel([&](uint32_t) { return frames; });
}

constexpr bool is_later(uint16_t generation, uint16_t than) { return static_cast<int16_t>(generation - than) > 0; }

}  // namespace

OfiLink::Inbound::Inbound(Operation::Owner& owner) {
  for (uint32_t place = 0; place < kWindowFrames; ++place) {
    window.push_back(std::make_unique<Slot>(owner));
  }
}

OfiLink::OfiLink(Hub& hub, const Ends& ends, Manner manner)
    : hub_(hub),
      ends_(ends),
      manner_(std::move(manner)),
      held_(frames_by_channel(kWindowFrames)),
      given_({.window_units = frames_by_channel(kWindowFrames), .due_units = frames_by_channel(kWindowFrames / 2)}) {
  for (uint32_t channel = 0; channel < kChannelCount; ++channel) {
    inbound_.emplace_back(static_cast<Operation::Owner&>(*this));
    for (const auto& slot : inbound_.back().window) {
      slot->channel = static_cast<uint8_t>(channel);
    }
  }
  hub_.attach(ends_.peer_rank, ends_.own_token, *this);
}

OfiLink::~OfiLink() {
  settle_reads();
  hub_.detach(ends_.peer_rank);
  for (Inbound& inbound : inbound_) {
    for (const auto& slot : inbound.window) {
      clear(*slot);
    }
  }
  if (!is_removed_) {
    hub_.endpoint().remove_peer(ends_.peer);
  }
}

// ---- Sending ----

Outcome OfiLink::try_send(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload) {
  assert(channel < kChannelCount && payload.size() <= manner_.max_frame_bytes);
  if (failure_.ok() && !held_.covers(channel, 1)) {
    hub_.look(seen_sending_);
  }
  if (!failure_.ok()) {
    return Outcome::failed;
  }
  if (!held_.covers(channel, 1)) {
    return Outcome::would_block;
  }
  return payload.size() <= kEagerBytes ? send_eager(channel, header, payload) : send_offer(channel, header, payload);
}

Outcome OfiLink::send_eager(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload) {
  Outbound& outbound = outbound_[channel];
  const Posted posted = post({.kind = Kind::data,
                              .channel = static_cast<uint8_t>(channel),
                              .number = static_cast<uint32_t>(outbound.next),
                              .frame = header},
                             payload);
  if (posted == Posted::done) {
    held_.spend(channel, 1);
    Sent& sent = outbound.at(outbound.next++);
    sent.bytes = static_cast<uint32_t>(payload.size());
    sent.is_offered = false;
    advance_released(outbound);
  }
  return outcome_of(posted);
}

Outcome OfiLink::send_offer(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload) {
  auto registration = hub_.registrations().get(payload, Access::offered);
  if (!registration) {
    fail(registration.error());
    return Outcome::failed;
  }
  Outbound& outbound = outbound_[channel];
  Sent& sent = outbound.at(outbound.next);
  sent = {.bytes = static_cast<uint32_t>(payload.size()),
          .is_offered = true,
          .header = header,
          .payload = payload,
          .kept = nullptr,
          .registration = std::move(*registration)};
  const Posted posted = post_offer(channel, outbound.next, sent);
  if (posted == Posted::done) {
    held_.spend(channel, 1);
    ++outbound.next;
  } else {
    sent = {};
  }
  return outcome_of(posted);
}

Outcome OfiLink::outcome_of(Posted posted) {
  if (posted == Posted::try_again) {
    hub_.look(seen_sending_);  // makes room
  }
  if (!failure_.ok()) {
    return Outcome::failed;
  }
  return posted == Posted::done ? Outcome::done : Outcome::would_block;
}

Posted OfiLink::post_offer(uint32_t channel, uint64_t number, const Sent& frame) {
  std::array<std::byte, kOfferBytes> offered;
  encode({.memory = frame.registration->remote(frame.payload.data()), .bytes = frame.bytes}, std::span(offered));
  return post({.kind = Kind::offer, .channel = static_cast<uint8_t>(channel), .number = static_cast<uint32_t>(number), .frame = frame.header},
              offered);
}

// Posts a message, with what else the peer should know.
Posted OfiLink::post(Header header, std::span<const std::byte> payload) {
  header.token = ends_.peer_token;
  header.source = ends_.own_rank;
  const transport::GivenCredit::News news = given_.next();
  header.credit_channel = static_cast<uint8_t>(news.channel);
  header.popped = news.total;
  header.landed = static_cast<uint32_t>(inbound_[header.credit_channel].landed);
  header.generation = generation_;
  header.obeyed_generation = obeyed_;
  Endpoint& endpoint = hub_.endpoint();
  const uint64_t tag = ends_.peer_tag & endpoint.traits().usable_tag_bits;
  const size_t bytes = kHeaderBytes + payload.size();
  const auto write = [&](std::byte* memory) {
    encode(header, std::span<std::byte, kHeaderBytes>(memory, kHeaderBytes));
    if (!payload.empty()) {
      std::memcpy(memory + kHeaderBytes, payload.data(), payload.size());
    }
  };
  Posted posted = Posted::try_again;
  if (bytes <= std::min(endpoint.traits().inject_bytes, kMaxInjectBytes)) {
    std::array<std::byte, kMaxInjectBytes> memory;
    write(memory.data());
    posted = endpoint.inject(ends_.peer, tag, std::span(memory).first(bytes));
  } else if (MessageBuffer* const buffer = hub_.take_send_buffer()) {
    write(buffer->memory.data());
    buffer->bytes = bytes;
    buffer->rank = ends_.peer_rank;
    posted = endpoint.send(ends_.peer, tag, buffer->message(), buffer->descriptor(), *buffer);
    if (posted == Posted::done) {
      ++messages_leaving_;
    } else {
      hub_.give_back(*buffer);
    }
  }
  if (posted == Posted::done) {
    given_.note_told(news);
    owes_word_ = false;
  } else if (posted == Posted::failed) {
    fail(remote_error("{}", endpoint.error()));
  }
  return posted;
}

void OfiLink::note_sent(const std::string& error) {
  messages_leaving_ -= messages_leaving_ > 0 ? 1 : 0;  // a former link's message, otherwise
  if (!error.empty()) {
    fail(remote_error("a message could not be delivered: {}", error));
  }
}

// Whoever waits for memory to be read waits for the peer, whose reads and words may need this end's progress.
uint64_t OfiLink::released_bytes(uint32_t channel) const {
  const Outbound& outbound = outbound_[channel];
  if (outbound.released != outbound.next && failure_.ok()) {
    hub_.look(seen_waiting_);
  }
  return outbound.released_bytes;
}

void OfiLink::advance_released(Outbound& outbound) {
  while (outbound.released < outbound.next) {
    const Sent& sent = outbound.at(outbound.released);
    if (sent.is_offered) {
      break;
    }
    outbound.released_bytes += sent.bytes;
    ++outbound.released;
  }
}

// ---- What the peer should know ----

size_t OfiLink::flush() {
  if (!failure_.ok() || !owes()) {
    return 0;
  }
  size_t done = send_words() + send_reoffers();
  for (uint32_t channel = 0; reads_to_retry_ >> channel != 0; ++channel) {
    if ((reads_to_retry_ >> channel & 1) != 0) {
      reads_to_retry_ &= ~(1u << channel);
      done += begin_reads(channel);
    }
  }
  return done;
}

size_t OfiLink::send_words() {
  size_t sent = 0;
  while (failure_.ok() && (owes_word_ || given_.is_due())) {
    if (post({.kind = Kind::credit, .frame = {}}, {}) != Posted::done) {
      break;
    }
    ++sent;
  }
  return sent;
}

size_t OfiLink::send_reoffers() {
  size_t sent = 0;
  for (uint32_t channel = 0; channel < kChannelCount && reoffers_are_due_; ++channel) {
    Outbound& outbound = outbound_[channel];
    for (uint64_t number = outbound.landed; outbound.reoffers_due != 0 && number < outbound.next; ++number) {
      const uint32_t bit = 1u << number % kWindowFrames;
      if ((outbound.reoffers_due & bit) == 0) {
        continue;
      }
      if (!failure_.ok() || post_offer(channel, number, outbound.at(number)) != Posted::done) {
        return sent;
      }
      outbound.reoffers_due &= ~bit;
      ++sent;
    }
  }
  reoffers_are_due_ = false;
  return sent;
}

// ---- Receiving ----

void OfiLink::receive(MessageBuffer& message) {
  const std::optional<Header> header = decode_header(message.message());
  if (!header && failure_.ok()) {
    violation("a message that makes no sense");
  }
  if (!failure_.ok() || !take_words(*header) || header->kind == Kind::credit) {
    hub_.give_back(message);
    return;
  }
  accept(*header, message);
}

// What a message says beside what it is for. False, and the link has failed, when it cannot be true.
bool OfiLink::take_words(const Header& header) {
  greeted_ = true;
  Outbound& outbound = outbound_[header.credit_channel];
  const uint64_t landed = widen(header.landed, outbound.landed);
  if (!held_.set_total(header.credit_channel, header.popped) || static_cast<int64_t>(landed - outbound.next) > 0) {
    violation("credit for frames that were never sent");
    return false;
  }
  const uint64_t popped = widen(held_.freed_units(header.credit_channel), outbound.landed);
  for (; static_cast<int64_t>(landed - outbound.landed) > 0 || outbound.landed < popped; ++outbound.landed) {
    Sent& sent = outbound.at(outbound.landed);
    sent.is_offered = false;
    sent.registration.reset();
    sent.kept.reset();
    outbound.reoffers_due &= ~(1u << outbound.landed % kWindowFrames);
  }
  advance_released(outbound);
  if (is_later(header.obeyed_generation, obeyed_by_peer_) && !is_later(header.obeyed_generation, generation_)) {
    obeyed_by_peer_ = header.obeyed_generation;
  }
  if (is_later(header.generation, peer_generation_)) {
    peer_generation_ = header.generation;
    obey_generation();
  }
  return true;
}

// The peer has taken memory back: what is being read of it is not used, and once nothing is, the peer is told.
void OfiLink::obey_generation() {
  for (Inbound& inbound : inbound_) {
    for (const auto& slot : inbound.window) {
      if (slot->state == Slot::State::reading && slot->generation != peer_generation_ && !slot->is_stale) {
        slot->is_stale = true;
        ++stale_reads_;
      }
    }
  }
  if (stale_reads_ == 0 && obeyed_ != peer_generation_) {
    obeyed_ = peer_generation_;
    owes_word_ = true;
  }
}

void OfiLink::accept(const Header& header, MessageBuffer& message) {
  Inbound& inbound = inbound_[header.channel];
  const uint64_t number = widen(header.number, inbound.head);
  if (static_cast<int64_t>(number - inbound.head) < 0) {  // an offer repeated in vain
    hub_.give_back(message);
    return;
  }
  if (number - inbound.head >= kWindowFrames) {
    violation("more frames than it had credit for");
    hub_.give_back(message);
    return;
  }
  Slot& slot = inbound.at(number);
  if (header.kind == Kind::offer) {
    const std::optional<OfferedMemory> offered = decode_offer(message.message());
    hub_.give_back(message);
    if (!offered || offered->bytes > kMaxFrameBytes) {
      return violation("an offer of no memory");
    }
    accept_offer(header, *offered, slot);
    (void)begin_reads(header.channel);
    return;
  }
  if (slot.state != Slot::State::empty) {
    violation("a frame twice");
    hub_.give_back(message);
    return;
  }
  slot.state = Slot::State::eager;
  slot.was_offered = false;
  slot.header = header.frame;
  slot.message = &message;
  slot.bytes = static_cast<uint32_t>(message.bytes - kHeaderBytes);
  advance_landed(inbound);
}

void OfiLink::accept_offer(const Header& header, const OfferedMemory& offered, Slot& slot) {
  const bool is_first = slot.state == Slot::State::empty;
  if (slot.is_here() || (!is_first && !is_later(header.generation, slot.generation))) {
    return;  // it has landed before it was taken back, or the newer offer came first
  }
  if (!is_first && (offered.bytes != slot.bytes || header.frame != slot.header)) {
    return violation("another frame under the same number");
  }
  slot.state = slot.state == Slot::State::reading ? Slot::State::reading : Slot::State::offered;
  slot.was_offered = true;
  slot.generation = header.generation;
  slot.header = header.frame;
  slot.source = offered.memory;
  slot.bytes = offered.bytes;
}

void OfiLink::advance_landed(Inbound& inbound) {
  while (inbound.landed - inbound.head < kWindowFrames && inbound.at(inbound.landed).is_here()) {
    const Slot& slot = inbound.at(inbound.landed++);
    if (slot.was_offered) {  // the peer keeps it for this rank
      given_.make_due(slot.channel);
    }
  }
}

// Reads the next frame once its place is known, and those behind it when nobody will name one.
size_t OfiLink::begin_reads(uint32_t channel) {
  Inbound& inbound = inbound_[channel];
  size_t begun = 0;
  const uint64_t ahead = inbound.reads_ahead ? kReadAhead : 0;
  for (uint64_t number = inbound.head; number <= inbound.head + ahead && failure_.ok(); ++number) {
    const Slot& slot = inbound.at(number);
    const bool is_asked_for = inbound.is_wanted || inbound.reads_ahead;
    if (slot.state == Slot::State::offered && slot.generation == peer_generation_ && is_asked_for) {
      if (!begin_read(inbound, number)) {
        break;
      }
      ++begun;
    }
  }
  return begun;
}

bool OfiLink::begin_read(Inbound& inbound, uint64_t number) {
  if (!choose_target(inbound, number)) {
    return false;
  }
  Slot& slot = inbound.at(number);
  const Registration* const registration = slot.in_landing ? slot.registration.get() : slot.staging.registration.get();
  void* const descriptor = registration == nullptr ? nullptr : registration->descriptor();
  switch (hub_.endpoint().read(ends_.peer, slot.source, slot.target, descriptor, slot)) {
    case Posted::done:
      slot.state = Slot::State::reading;
      ++reads_under_way_;
      return true;
    case Posted::try_again:
      reads_to_retry_ |= 1u << slot.channel;
      return false;
    case Posted::failed: fail(remote_error("{}", hub_.endpoint().error())); break;
  }
  return false;
}

bool OfiLink::choose_target(Inbound& inbound, uint64_t number) {
  Slot& slot = inbound.at(number);
  slot.in_landing = number == inbound.head && inbound.landing.size() >= slot.bytes;
  if (slot.in_landing) {
    slot.target = inbound.landing.first(slot.bytes);
    if (hub_.endpoint().traits().registers_local_memory) {
      auto registration = hub_.registrations().get(slot.target, Access::landing);
      if (!registration) {
        fail(registration.error());
        return false;
      }
      slot.registration = std::move(*registration);
    }
    return true;
  }
  if (slot.staging.memory == nullptr) {
    auto staging = hub_.take_staging();
    if (!staging) {
      fail(staging.error());
      return false;
    }
    slot.staging = std::move(*staging);
  }
  slot.target = std::span(slot.staging.memory.get(), slot.bytes);
  return true;
}

void OfiLink::complete(const Completion& completion) {
  auto& slot = static_cast<Slot&>(*completion.operation);
  Inbound& inbound = inbound_[slot.channel];
  --reads_under_way_;
  slot.registration.reset();
  if (slot.is_stale) {
    slot.is_stale = false;
    slot.state = Slot::State::offered;
    --stale_reads_;
    obey_generation();
    (void)begin_reads(slot.channel);
  } else if (!completion.error.empty()) {
    slot.state = Slot::State::offered;
    fail(remote_error("a read of its memory failed: {}", completion.error));
  } else {
    slot.state = Slot::State::landed;
    advance_landed(inbound);
  }
  (void)flush();
}

transport::Frame OfiLink::frame_of(const Slot& slot) const {
  if (slot.state == Slot::State::eager) {
    return {.header = slot.header, .payload = slot.message->message().subspan(kHeaderBytes)};
  }
  return {.header = slot.header, .payload = slot.target};
}

Outcome OfiLink::peek(uint32_t channel, std::span<std::byte> landing, transport::Frame* frame) {
  assert(channel < kChannelCount);
  Inbound& inbound = inbound_[channel];
  const Slot& slot = inbound.at(inbound.head);
  if (!slot.is_here() && failure_.ok()) {
    inbound.is_wanted = true;
    inbound.reads_ahead = landing.empty();
    if (!landing.empty()) {
      inbound.landing = landing;
    }
    // An offer that has waited may have been taken back: what has arrived since is heard first.
    if (slot.state == Slot::State::offered) {
      hub_.drain();
    }
    (void)begin_reads(channel);
    hub_.look(inbound.seen);
    if (owes()) {
      (void)flush();
    }
  }
  if (!slot.is_here()) {
    return failure_.ok() ? Outcome::would_block : Outcome::failed;
  }
  *frame = frame_of(slot);
  return Outcome::done;
}

void OfiLink::pop(uint32_t channel) {
  Inbound& inbound = inbound_[channel];
  Slot& slot = inbound.at(inbound.head);
  assert(slot.is_here());
  clear(slot);
  ++inbound.head;
  given_.free(channel, 1);
  inbound.landing = {};
  inbound.is_wanted = false;
  (void)begin_reads(channel);
  if (owes()) {
    (void)flush();
  }
}

void OfiLink::clear(Slot& slot) {
  if (slot.message != nullptr) {
    hub_.give_back(*std::exchange(slot.message, nullptr));
  }
  hub_.give_back(std::exchange(slot.staging, {}));
  slot.registration.reset();
  slot.target = {};
  slot.in_landing = false;
  slot.state = Slot::State::empty;
}

// ---- Letting go ----

// False when it was waited for as long as is allowed. The pause lets a peer on this very core go on.
template <typename Condition>
bool OfiLink::wait_for(Condition condition) {
  int idle_rounds = 0;
  for (int round = 0; round < kMaxRounds && idle_rounds < kMaxIdleRounds && !hub_.is_closed(); ++round) {
    if (condition()) {
      return true;
    }
    if (hub_.progress() == 0 && flush() == 0) {
      ++idle_rounds;
      (void)::poll(nullptr, 0, 1);
    }
  }
  return condition();
}

// A read cannot be called back. One that does not end is cut off from its peer, where the provider does that, or else takes the endpoint with it.
void OfiLink::settle_reads() {
  const auto are_settled = [this] { return reads_under_way_ == 0; };
  if (wait_for(are_settled)) {
    return;
  }
  fail(remote_error("it does not answer reads of its memory"));
  hub_.endpoint().remove_peer(ends_.peer);
  is_removed_ = true;
  if (!wait_for(are_settled)) {
    hub_.close(fmt::format("rank {} does not answer reads of its memory", ends_.peer_rank));
  }
}

void OfiLink::let_go() {
  for (Inbound& inbound : inbound_) {
    inbound.landing = {};
  }
  settle_reads();
  keep_landed();
  std::vector<std::shared_ptr<Registration>> taken_back;
  if (take_back_offers(taken_back) && failure_.ok()) {
    // The peer says when it reads no more. One that does not is cut off, as the registrations go.
    (void)wait_for([this] { return obeyed_by_peer_ == generation_ || !failure_.ok() || !has_open_offers(); });
  }
}

// What has landed in the callers' memory moves to the link's own.
void OfiLink::keep_landed() {
  for (Inbound& inbound : inbound_) {
    for (const auto& slot : inbound.window) {
      if (slot->state == Slot::State::landed && slot->in_landing) {
        slot->staging.memory = std::make_unique_for_overwrite<std::byte[]>(kMaxFrameBytes);
        std::ranges::copy(slot->target, slot->staging.memory.get());
        slot->target = std::span(slot->staging.memory.get(), slot->bytes);
        slot->in_landing = false;
      }
    }
  }
}

bool OfiLink::has_open_offers() const {
  return std::ranges::any_of(outbound_, [](const Outbound& outbound) {
    return std::ranges::any_of(outbound.window, [](const Sent& sent) { return sent.is_offered; });
  });
}

// Offers copies instead. True when there was anything to take back.
bool OfiLink::take_back_offers(std::vector<std::shared_ptr<Registration>>& taken_back) {
  for (Outbound& outbound : outbound_) {
    for (uint64_t number = outbound.landed; number < outbound.next; ++number) {
      Sent& sent = outbound.at(number);
      if (sent.is_offered && sent.kept == nullptr) {
        taken_back.push_back(std::exchange(sent.registration, nullptr));
        keep(sent);
      }
      sent.is_offered = sent.is_offered && failure_.ok();
    }
    for (; outbound.released < outbound.next; ++outbound.released) {
      outbound.released_bytes += outbound.at(outbound.released).bytes;
    }
  }
  if (taken_back.empty()) {
    return false;
  }
  ++generation_;
  reoffers_are_due_ = true;
  for (Outbound& outbound : outbound_) {  // the peer reads nothing of an older generation
    for (uint64_t number = outbound.landed; number < outbound.next; ++number) {
      outbound.reoffers_due |= outbound.at(number).is_offered ? 1u << number % kWindowFrames : 0;
    }
  }
  (void)flush();
  return true;
}

void OfiLink::keep(Sent& sent) {
  if (!failure_.ok()) {
    return;
  }
  sent.kept = std::make_unique_for_overwrite<std::byte[]>(sent.bytes);
  std::ranges::copy(sent.payload, sent.kept.get());
  sent.payload = std::span(sent.kept.get(), sent.bytes);
  auto registration = hub_.registrations().get(sent.payload, Access::offered);
  if (registration) {
    sent.registration = std::move(*registration);
  } else {
    fail(registration.error());
  }
}

// ---- The end ----

FrameCounts OfiLink::sent() const {
  FrameCounts counts;
  std::ranges::transform(outbound_, counts.begin(), [](const Outbound& outbound) { return static_cast<uint32_t>(outbound.next); });
  return counts;
}

// Frames that were only offered arrive no more.
bool OfiLink::has_arrived(const FrameCounts& sent_by_peer) const {
  for (uint32_t channel = 0; channel < kChannelCount; ++channel) {
    const Inbound& inbound = inbound_[channel];
    const uint64_t sent = widen(sent_by_peer[channel], inbound.head);
    for (uint64_t number = inbound.head; static_cast<int64_t>(sent - number) > 0 && number - inbound.head < kWindowFrames; ++number) {
      if (inbound.window[number % kWindowFrames]->state == Slot::State::empty) {
        return false;
      }
    }
  }
  return true;
}

void OfiLink::note_closed(const std::string& why) {
  reads_under_way_ = 0;
  stale_reads_ = 0;
  fail(remote_error("{}", why));
}

void OfiLink::violation(std::string_view what) { fail(remote_error("it sent {}", what)); }

void OfiLink::fail(Status why) {
  if (failure_.ok()) {
    failure_ = std::move(why);
  }
}

}  // namespace tutti::transports::ofi
