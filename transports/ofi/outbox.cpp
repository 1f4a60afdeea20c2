// SPDX-License-Identifier: Apache-2.0
#include "transports/ofi/outbox.hpp"

#include <algorithm>
#include <utility>

namespace tutti::transports::ofi {

Outbox::Outbox(Registrations& registrations, Failure& failure)
    : registrations_(registrations), failure_(failure), credit_(frames_by_channel(kWindowFrames)) {}

void Outbox::add(uint32_t channel, Sent sent) {
  credit_.spend(channel, 1);
  Outbound& outbound = outbound_[channel];
  outbound.at(outbound.next++) = std::move(sent);
  advance_released(outbound);
}

FrameCounts Outbox::counts() const {
  FrameCounts counts;
  std::ranges::transform(outbound_, counts.begin(), [](const Outbound& outbound) { return static_cast<uint32_t>(outbound.next); });
  return counts;
}

bool Outbox::take_words(const Header& header) {
  Outbound& outbound = outbound_[header.credit_channel];
  const uint64_t landed = widen(header.landed, outbound.landed);
  if (!credit_.set_total(header.credit_channel, header.popped) || static_cast<int64_t>(landed - outbound.next) > 0) {
    return false;
  }
  const uint64_t popped = widen(credit_.freed_units(header.credit_channel), outbound.landed);
  for (; static_cast<int64_t>(landed - outbound.landed) > 0 || outbound.landed < popped; ++outbound.landed) {
    Sent& sent = outbound.at(outbound.landed);
    sent.is_offered = false;
    sent.registration.reset();
    sent.kept.reset();
    outbound.reoffers_due &= ~Outbound::bit_of(outbound.landed);
  }
  advance_released(outbound);
  if (is_later(header.obeyed_generation, obeyed_) && !is_later(header.obeyed_generation, generation_)) {
    obeyed_ = header.obeyed_generation;
  }
  return true;
}

void Outbox::advance_released(Outbound& outbound) {
  while (outbound.released < outbound.next) {
    const Sent& sent = outbound.at(outbound.released);
    if (sent.is_offered) {
      break;
    }
    outbound.released_bytes += sent.bytes;
    ++outbound.released;
  }
}

void Outbox::take_back(std::vector<std::shared_ptr<Registration>>& taken_back) {
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
    return;
  }
  ++generation_;
  reoffers_are_due_ = true;
  for (Outbound& outbound : outbound_) {  // the peer reads nothing of an older generation
    for (uint64_t number = outbound.landed; number < outbound.next; ++number) {
      outbound.reoffers_due |= outbound.at(number).is_offered ? Outbound::bit_of(number) : 0;
    }
  }
}

void Outbox::keep(Sent& sent) {
  if (!failure_.ok()) {
    return;
  }
  sent.kept = std::make_unique_for_overwrite<std::byte[]>(sent.bytes);
  std::ranges::copy(sent.payload, sent.kept.get());
  sent.payload = std::span(sent.kept.get(), sent.bytes);
  auto registration = registrations_.get(sent.payload, Access::offered);
  if (registration) {
    sent.registration = std::move(*registration);
  } else {
    failure_.note(registration.error());
  }
}

// One that has nothing to read has nothing to stop.
bool Outbox::has_peer_obeyed() const {
  return obeyed_ == generation_ || std::ranges::none_of(outbound_, [](const Outbound& outbound) {
           return std::ranges::any_of(outbound.window, [](const Sent& sent) { return sent.is_offered; });
         });
}

}  // namespace tutti::transports::ofi
