// SPDX-License-Identifier: Apache-2.0
#include "transports/ofi/inbox.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace tutti::transports::ofi {

namespace {

using transport::kChannelCount;

// Frames behind the next one that are read before anybody asks, where nobody names a place for them.
constexpr uint64_t kReadAhead = 2;

}  // namespace

Inbox::Inbox(Hub& hub, Failure& failure, const Ends& ends)
    : hub_(hub),
      failure_(failure),
      peer_(ends.peer),
      credit_({.window_units = frames_by_channel(kWindowFrames), .due_units = frames_by_channel(kWindowFrames / 2)}),
      inbound_(kChannelCount) {
  for (uint32_t channel = 0; channel < kChannelCount; ++channel) {
    for (uint32_t place = 0; place < kWindowFrames; ++place) {
      inbound_[channel].window.push_back(std::make_unique<Slot>(ends.owner));
      inbound_[channel].window.back()->channel = static_cast<uint8_t>(channel);
    }
  }
}

Inbox::~Inbox() {
  for (Inbound& inbound : inbound_) {
    for (const auto& slot : inbound.window) {
      clear(*slot);
    }
  }
}

// ---- What the peer says ----

void Inbox::accept(const Header& header, MessageBuffer& message) {
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

void Inbox::accept_offer(const Header& header, const OfferedMemory& offered, Slot& slot) {
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

void Inbox::advance_landed(Inbound& inbound) {
  while (inbound.landed - inbound.head < kWindowFrames && inbound.at(inbound.landed).is_here()) {
    const Slot& slot = inbound.at(inbound.landed++);
    if (slot.was_offered) {  // the peer keeps it for this rank
      credit_.make_due(slot.channel);
    }
  }
}

void Inbox::note_generation(uint16_t generation) {
  if (is_later(generation, generation_)) {
    generation_ = generation;
    obey_generation();
  }
}

void Inbox::obey_generation() {
  for (Inbound& inbound : inbound_) {
    for (const auto& slot : inbound.window) {
      if (slot->state == Slot::State::reading && slot->generation != generation_ && !slot->is_stale) {
        slot->is_stale = true;
        ++stale_reads_;
      }
    }
  }
  if (stale_reads_ == 0) {
    obeyed_ = generation_;
  }
}

bool Inbox::has_arrived(const FrameCounts& sent_by_peer) const {
  for (uint32_t channel = 0; channel < kChannelCount; ++channel) {
    const Inbound& inbound = inbound_[channel];
    const uint64_t sent = widen(sent_by_peer[channel], inbound.head);
    for (uint64_t number = inbound.head; static_cast<int64_t>(sent - number) > 0 && number - inbound.head < kWindowFrames; ++number) {
      if (inbound.at(number).state == Slot::State::empty) {
        return false;
      }
    }
  }
  return true;
}

// ---- Reading ----

void Inbox::want(uint32_t channel, std::span<std::byte> landing) {
  Inbound& inbound = inbound_[channel];
  inbound.is_wanted = true;
  inbound.reads_ahead = landing.empty();
  if (!landing.empty()) {
    inbound.landing = landing;
  }
}

size_t Inbox::begin_reads(uint32_t channel) {
  Inbound& inbound = inbound_[channel];
  size_t begun = 0;
  const uint64_t ahead = inbound.reads_ahead ? kReadAhead : 0;
  for (uint64_t number = inbound.head; number <= inbound.head + ahead && failure_.ok(); ++number) {
    const Slot& slot = inbound.at(number);
    const bool is_asked_for = inbound.is_wanted || inbound.reads_ahead;
    if (slot.state == Slot::State::offered && slot.generation == generation_ && is_asked_for) {
      if (!begin_read(inbound, number)) {
        break;
      }
      ++begun;
    }
  }
  return begun;
}

size_t Inbox::retry_reads() {
  size_t begun = 0;
  for (uint32_t channel = 0; reads_to_retry_ >> channel != 0; ++channel) {
    if ((reads_to_retry_ >> channel & 1) != 0) {
      reads_to_retry_ &= ~(1u << channel);
      begun += begin_reads(channel);
    }
  }
  return begun;
}

bool Inbox::begin_read(Inbound& inbound, uint64_t number) {
  if (!choose_target(inbound, number)) {
    return false;
  }
  Slot& slot = inbound.at(number);
  const Registration* const registration = slot.in_landing ? slot.registration.get() : slot.staging.registration.get();
  void* const descriptor = registration == nullptr ? nullptr : registration->descriptor();
  switch (hub_.endpoint().read(peer_, slot.source, slot.target, descriptor, slot)) {
    case Posted::done:
      slot.state = Slot::State::reading;
      ++reads_under_way_;
      return true;
    case Posted::try_again:
      reads_to_retry_ |= 1u << slot.channel;
      return false;
    case Posted::failed: failure_.note(remote_error("{}", hub_.endpoint().error())); break;
  }
  return false;
}

bool Inbox::choose_target(Inbound& inbound, uint64_t number) {
  Slot& slot = inbound.at(number);
  slot.in_landing = number == inbound.head && inbound.landing.size() >= slot.bytes;
  if (slot.in_landing) {
    slot.target = inbound.landing.first(slot.bytes);
    if (hub_.endpoint().traits().registers_local_memory) {
      auto registration = hub_.registrations().get(slot.target, Access::landing);
      if (!registration) {
        failure_.note(registration.error());
        return false;
      }
      slot.registration = std::move(*registration);
    }
    return true;
  }
  if (slot.staging.memory == nullptr) {
    auto staging = hub_.take_staging();
    if (!staging) {
      failure_.note(staging.error());
      return false;
    }
    slot.staging = std::move(*staging);
  }
  slot.target = std::span(slot.staging.memory.get(), slot.bytes);
  return true;
}

void Inbox::complete(const Completion& completion) {
  auto& slot = static_cast<Slot&>(*completion.operation);
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
    failure_.note(remote_error("a read of its memory failed: {}", completion.error));
  } else {
    slot.state = Slot::State::landed;
    advance_landed(inbound_[slot.channel]);
  }
}

void Inbox::note_closed() {
  reads_under_way_ = 0;
  stale_reads_ = 0;
}

// ---- Frames ----

transport::Frame Inbox::front(uint32_t channel) const {
  const Slot& slot = next(channel);
  if (slot.state == Slot::State::eager) {
    return {.header = slot.header, .payload = slot.message->message().subspan(kHeaderBytes)};
  }
  return {.header = slot.header, .payload = slot.target};
}

void Inbox::pop(uint32_t channel) {
  assert(ready(channel));
  Inbound& inbound = inbound_[channel];
  clear(next(channel));
  ++inbound.head;
  credit_.free(channel, 1);
  inbound.landing = {};
  inbound.is_wanted = false;
  (void)begin_reads(channel);
}

void Inbox::clear(Slot& slot) {
  if (slot.message != nullptr) {
    hub_.give_back(*std::exchange(slot.message, nullptr));
  }
  hub_.give_back(std::exchange(slot.staging, {}));
  slot.registration.reset();
  slot.target = {};
  slot.in_landing = false;
  slot.state = Slot::State::empty;
}

void Inbox::forget_landings() {
  for (Inbound& inbound : inbound_) {
    inbound.landing = {};
  }
}

void Inbox::keep_landed() {
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

}  // namespace tutti::transports::ofi
