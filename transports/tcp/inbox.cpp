// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/inbox.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace tutti::transports::tcp {

// News is due sooner than a frame of the largest size could fail to fit in what the peer knows of.
Inbox::Inbox()
    : credit_({.window_units = transport::units_by_channel(rail_window_units),
               .due_units = transport::units_by_channel([](uint32_t channel) { return rail_window_units(channel) / 4; })}) {
  for (uint32_t channel = 0; channel < transport::kChannelCount; ++channel) {
    inbound_[channel].window_units = rail_window_units(channel);
  }
}

// A frame that begins at the window's last place needs room behind it.
void Inbox::make_memory(Inbound& inbound) {
  const size_t size_bytes = (size_t{inbound.window_units} + credit_units(kMaxRailFrameBytes)) * kCreditUnitBytes;
  inbound.memory.reset(static_cast<std::byte*>(::operator new[](size_bytes, std::align_val_t{kCreditUnitBytes})));
  inbound.whole.resize(inbound.window_units);
}

Inbox::Entry& Inbox::entry_at(const Inbound& inbound, uint32_t place) {
  return *std::launder(reinterpret_cast<Entry*>(inbound.memory.get() + size_t{place} * kCreditUnitBytes));
}

bool Inbox::ready(uint32_t channel) const {
  const Inbound& inbound = inbound_[channel];
  return inbound.landed == Inbound::Landed::nothing ? inbound.memory != nullptr && inbound.whole[inbound.place(front_units(channel))]
                                                    : inbound.landed == Inbound::Landed::whole;
}

transport::Frame Inbox::front(uint32_t channel) const {
  assert(ready(channel));
  const Inbound& inbound = inbound_[channel];
  if (inbound.landed == Inbound::Landed::whole) {
    return {inbound.landed_entry.header, inbound.landing.first(inbound.landed_entry.payload_bytes)};
  }
  const uint32_t place = inbound.place(front_units(channel));
  const Entry& entry = entry_at(inbound, place);
  // A peer that lets frames overlap harms what they say, and nothing else.
  const size_t payload_bytes = std::min<size_t>(entry.payload_bytes, kMaxRailFrameBytes);
  return {entry.header, {inbound.memory.get() + (size_t{place} + 1) * kCreditUnitBytes, payload_bytes}};
}

void Inbox::pop(uint32_t channel) {
  Inbound& inbound = inbound_[channel];
  const uint32_t cost_units = credit_units(front(channel).payload.size());
  if (inbound.landed == Inbound::Landed::whole) {
    inbound.landed = Inbound::Landed::nothing;
  } else {
    inbound.whole[inbound.place(front_units(channel))] = false;
  }
  inbound.landing = {};
  inbound.kept.reset();
  credit_.free(channel, cost_units);
}

void Inbox::set_landing(uint32_t channel, std::span<std::byte> landing) {
  if (inbound_[channel].landed == Inbound::Landed::nothing) {
    inbound_[channel].landing = landing;
  }
}

bool Inbox::is_landing(const Arrival& arrival) const {
  const Inbound& inbound = inbound_[arrival.channel];
  return arrival.left_bytes > 0 && !arrival.is_repeat && inbound.landed == Inbound::Landed::part &&
         arrival.start_units == front_units(arrival.channel);
}

void Inbox::let_go() {
  for (Inbound& inbound : inbound_) {
    if (inbound.landed == Inbound::Landed::nothing) {
      inbound.landing = {};
      continue;
    }
    if (inbound.kept != nullptr) {
      continue;
    }
    const auto coming = std::ranges::find_if(
        arrivals_, [&](const Arrival& arrival) { return &inbound_[arrival.channel] == &inbound && is_landing(arrival); });
    const size_t size_bytes = inbound.landed_entry.payload_bytes;
    const size_t arrived_bytes = size_bytes - (coming != arrivals_.end() ? coming->left_bytes : 0);
    inbound.kept = std::make_unique_for_overwrite<std::byte[]>(size_bytes);
    std::memcpy(inbound.kept.get(), inbound.landing.data(), arrived_bytes);
    inbound.landing = {inbound.kept.get(), size_bytes};
    if (coming != arrivals_.end()) {
      coming->destination = inbound.kept.get() + arrived_bytes;
    }
  }
}

bool Inbox::has_arrived(uint32_t channel, uint32_t start_units) const {
  const Inbound& inbound = inbound_[channel];
  const uint32_t ahead_units = start_units - front_units(channel);
  if (ahead_units >= 1u << 31) {
    return true;  // it has even been popped
  }
  return (ahead_units == 0 && inbound.landed == Inbound::Landed::whole) || (inbound.memory != nullptr && inbound.whole[inbound.place(start_units)]);
}

Status Inbox::begin(size_t rail, const RailHeader& header) {
  Arrival& arrival = arrivals_[rail];
  assert(arrival.left_bytes == 0);
  Inbound& inbound = inbound_[header.channel];
  arrival = {.destination = nullptr,
             .left_bytes = header.payload_bytes,
             .is_repeat = true,
             .channel = header.channel,
             .start_units = header.start_units};
  const uint32_t end_units = header.start_units + credit_units(header.payload_bytes);
  // What lies behind what has been popped is a repeat; only beyond it the window is of interest.
  if (header.start_units - front_units(header.channel) < 1u << 31 && !credit_.covers(header.channel, end_units)) {
    return remote_error("peer sent a frame of {} bytes on channel {} beyond its credit", header.payload_bytes, header.channel);
  }
  if (has_arrived(header.channel, header.start_units)) {
    return {};
  }
  for (Arrival& other : arrivals_) {
    if (other.left_bytes > 0 && !other.is_repeat && other.channel == header.channel && other.start_units == header.start_units) {
      drop_rest(other);
    }
  }
  arrival.is_repeat = false;
  const bool is_next = header.start_units == front_units(header.channel) && inbound.landed == Inbound::Landed::nothing;
  if (is_next && header.payload_bytes > 0 && header.payload_bytes <= inbound.landing.size()) {
    inbound.landed = Inbound::Landed::part;
    inbound.landed_entry = {header.frame, header.payload_bytes};
    arrival.destination = inbound.landing.data();
    return {};
  }
  if (inbound.memory == nullptr) {
    make_memory(inbound);
  }
  const uint32_t place = inbound.place(header.start_units);
  std::byte* const memory = inbound.memory.get() + size_t{place} * kCreditUnitBytes;
  new (memory) Entry{header.frame, header.payload_bytes};
  arrival.destination = memory + kCreditUnitBytes;
  return {};
}

void Inbox::finish(size_t rail) {
  const Arrival& arrival = arrivals_[rail];
  assert(arrival.left_bytes == 0);
  if (arrival.is_repeat) {
    return;
  }
  Inbound& inbound = inbound_[arrival.channel];
  if (inbound.landed == Inbound::Landed::part && arrival.start_units == front_units(arrival.channel)) {
    inbound.landed = Inbound::Landed::whole;
  } else {
    inbound.whole[inbound.place(arrival.start_units)] = true;
  }
}

void Inbox::forget(size_t rail) {
  drop_rest(arrivals_[rail]);
  arrivals_[rail] = {};
}

void Inbox::drop_rest(Arrival& arrival) {
  if (is_landing(arrival)) {
    Inbound& inbound = inbound_[arrival.channel];
    inbound.landed = Inbound::Landed::nothing;
    if (inbound.kept != nullptr) {
      inbound.landing = {};
      inbound.kept.reset();
    }
  }
  arrival.is_repeat = true;
  arrival.destination = nullptr;
}

}  // namespace tutti::transports::tcp
