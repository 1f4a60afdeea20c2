// SPDX-License-Identifier: Apache-2.0
#include "transports/ucx/receiver.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace tutti::transports::ucx {

namespace {

// Looks of the transport that a large payload waits for a landing. One is not enough: it may come right after the announcement.
constexpr uint8_t kPatientLooks = 2;

// Sooner than a frame of the largest size could fail to fit in what the peer knows of.
constexpr uint32_t due_units(uint32_t channel) { return std::min(window_units(channel) / 2, window_units(channel) - credit_units(kMaxFrameBytes)); }

}  // namespace

Receiver::Receiver(Worker& worker, transport::HeldCredit& held, uint64_t session)
    : worker_(worker),
      held_(held),
      credit_({.window_units = transport::units_by_channel(window_units), .due_units = transport::units_by_channel(due_units)}),
      session_(session) {
  for (Posted& posted : posted_) {
    post(posted);
  }
  consume();
}

Receiver::~Receiver() {
  abandon();
  for (Inbound& inbound : inbound_) {
    for (uint64_t number = inbound.arrivals.begin(); number != inbound.arrivals.end(); ++number) {
      if (inbound.arrivals[number].slot != nullptr) {
        worker_.put_slot(inbound.arrivals[number].slot);
      }
    }
  }
}

bool Receiver::ready(uint32_t channel) const {
  const Queue<Arrival>& arrivals = inbound_[channel].arrivals;
  return !arrivals.empty() && arrivals.front().state == Arrival::State::complete;
}

transport::Frame Receiver::front(uint32_t channel) const {
  assert(ready(channel));
  const Arrival& arrival = inbound_[channel].arrivals.front();
  return {arrival.header, {arrival.payload, arrival.payload_bytes}};
}

void Receiver::pop(uint32_t channel) {
  assert(ready(channel));
  Inbound& inbound = inbound_[channel];
  Arrival& arrival = inbound.arrivals.front();
  credit_.free(channel, credit_units(arrival.payload_bytes));
  if (arrival.slot != nullptr) {
    worker_.put_slot(arrival.slot);
  }
  inbound.arrivals.pop();
  inbound.landing = {};
}

void Receiver::post(Posted& posted) {
  posted.slot = posted.slot != nullptr ? posted.slot : worker_.take_slot();
  posted.operation = worker_.begin(this);
  posted.operation->channel = transport::kChannelCount;  // no payload's
  posted.operation->index = static_cast<uint64_t>(&posted - posted_.data());
  posted.status = worker_.receive(message_tag(session_), {posted.slot, kMessageBytes}, *posted.operation, &posted.received_bytes);
  posted.done = posted.status != UCS_INPROGRESS;
  if (posted.done) {
    worker_.end(std::exchange(posted.operation, nullptr));
  }
}

void Receiver::completed(Operation& operation, ucs_status_t status, size_t received_bytes) {
  if (operation.channel == transport::kChannelCount) {
    Posted& posted = posted_[operation.index];
    posted.operation = nullptr;
    posted.done = true;
    posted.status = status;
    posted.received_bytes = received_bytes;
    worker_.end(&operation);
    consume();
    return;
  }
  Arrival& arrival = inbound_[operation.channel].arrivals[operation.index];
  arrival.operation = nullptr;
  worker_.end(&operation);
  arrived(arrival, status, received_bytes);
}

// Messages are complete in any order, but are taken in that of the receives, to which UCX matches them in the order in which they were sent.
void Receiver::consume() {
  if (consuming_) {
    return;
  }
  consuming_ = true;
  while (failure_.ok() && posted_[next_posted_].done) {
    Posted& posted = posted_[next_posted_];
    posted.done = false;
    if (accept(posted)) {
      posted.slot = nullptr;
    }
    if (failure_.ok()) {
      post(posted);
      next_posted_ = (next_posted_ + 1) % kPostedCount;
    }
  }
  consuming_ = false;
}

// True when the slot has become that of a frame.
bool Receiver::accept(const Posted& posted) {
  if (posted.status != UCS_OK) {
    fail(remote_error("{}", words_of(posted.status)));
    return false;
  }
  const std::optional<Header> header = decode({posted.slot, posted.received_bytes});
  if (!header || header->number != next_number_) {
    fail(remote_error("peer sent {} bytes that are no message number {}", posted.received_bytes, next_number_));
    return false;
  }
  ++next_number_;
  if (!held_.add(header->credit_channel, header->credit_units)) {
    fail(remote_error("peer returned {} units of credit it never held on channel {}", header->credit_units, header->credit_channel));
    return false;
  }
  switch (header->kind) {
    case Kind::data:
    case Kind::announcement: return begin_frame(*header, posted.slot);
    case Kind::credit: break;
    case Kind::goodbye: fail(remote_error("peer closed its link")); break;
  }
  return false;
}

bool Receiver::begin_frame(const Header& header, std::byte* slot) {
  if (!credit_.accept(header.channel, credit_units(header.payload_bytes))) {
    fail(remote_error("peer sent a frame of {} bytes on channel {} beyond its credit of {} units", header.payload_bytes, header.channel,
                      credit_.left_units(header.channel)));
    return false;
  }
  Inbound& inbound = inbound_[header.channel];
  Arrival arrival;
  arrival.header = header.frame;
  arrival.payload_bytes = header.payload_bytes;
  if (header.kind == Kind::data) {
    arrival.state = Arrival::State::complete;
    arrival.slot = slot;
    arrival.payload = slot + kHeaderBytes;
    inbound.arrivals.push(std::move(arrival));
    return true;
  }
  const bool is_next = inbound.arrivals.empty();
  inbound.arrivals.push(std::move(arrival));
  ++waiting_count_;
  if (is_next && header.payload_bytes <= inbound.landing.size()) {
    begin_receiving(header.channel);
  }
  return false;
}

void Receiver::receive_next(uint32_t channel) {
  const Queue<Arrival>& arrivals = inbound_[channel].arrivals;
  if (!arrivals.empty() && arrivals.front().state == Arrival::State::waiting) {
    begin_receiving(channel);
  }
}

// The first that waits, null if none does.
Receiver::Arrival* Receiver::first_waiting(Inbound& inbound) {
  uint64_t& number = inbound.next_waiting;
  for (number = std::max(number, inbound.arrivals.begin()); inbound.arrivals.has(number); ++number) {
    if (inbound.arrivals[number].state == Arrival::State::waiting) {
      return &inbound.arrivals[number];
    }
  }
  return nullptr;
}

// The first of the channel that waits: payloads of one tag come in the order in which they were sent, so receives are made in that order too.
void Receiver::begin_receiving(uint32_t channel) {
  Inbound& inbound = inbound_[channel];
  Arrival* const waiting = first_waiting(inbound);
  assert(waiting != nullptr);
  Arrival& arrival = *waiting;
  const uint64_t number = inbound.next_waiting;
  arrival.lands = number == inbound.arrivals.begin() && arrival.payload_bytes <= inbound.landing.size();
  if (!arrival.lands) {
    arrival.kept = std::make_unique_for_overwrite<std::byte[]>(arrival.payload_bytes);
  }
  arrival.payload = arrival.lands ? inbound.landing.data() : arrival.kept.get();
  arrival.state = Arrival::State::arriving;
  --waiting_count_;
  arrival.operation = worker_.begin(this);
  arrival.operation->channel = channel;
  arrival.operation->index = number;
  size_t received_bytes = 0;
  const ucs_status_t status =
      worker_.receive(payload_tag(session_, channel), {arrival.payload, arrival.payload_bytes}, *arrival.operation, &received_bytes);
  if (status != UCS_INPROGRESS) {
    worker_.end(std::exchange(arrival.operation, nullptr));
    arrived(arrival, status, received_bytes);
  }
}

void Receiver::receive_aged() {
  for (uint32_t channel = 0; waiting_count_ > 0 && channel < transport::kChannelCount; ++channel) {
    Inbound& inbound = inbound_[channel];
    for (Arrival* waiting = first_waiting(inbound); waiting != nullptr && waiting->age >= kPatientLooks; waiting = first_waiting(inbound)) {
      begin_receiving(channel);
    }
    for (uint64_t number = inbound.next_waiting; inbound.arrivals.has(number); ++number) {
      ++inbound.arrivals[number].age;
    }
  }
}

void Receiver::receive_waiting() {
  for (uint32_t channel = 0; waiting_count_ > 0 && channel < transport::kChannelCount; ++channel) {
    while (first_waiting(inbound_[channel]) != nullptr) {
      begin_receiving(channel);
    }
  }
}

void Receiver::arrived(Arrival& arrival, ucs_status_t status, size_t received_bytes) {
  const bool whole = status == UCS_OK && received_bytes == arrival.payload_bytes;
  arrival.state = whole ? Arrival::State::complete : Arrival::State::lost;
  if (!whole) {
    fail(status == UCS_OK ? remote_error("peer sent {} bytes of a payload of {}", received_bytes, arrival.payload_bytes)
                          : remote_error("{}", words_of(status)));
  }
}

void Receiver::let_go() {
  for (Inbound& inbound : inbound_) {
    inbound.landing = {};
    if (!inbound.arrivals.empty() && inbound.arrivals.front().state == Arrival::State::complete) {
      keep(inbound.arrivals.front());
    }
  }
}

void Receiver::keep(Arrival& arrival) {
  if (std::exchange(arrival.lands, false)) {
    arrival.kept = std::make_unique_for_overwrite<std::byte[]>(arrival.payload_bytes);
    std::memcpy(arrival.kept.get(), arrival.payload, arrival.payload_bytes);
    arrival.payload = arrival.kept.get();
  }
}

bool Receiver::is_landing() const {
  return std::ranges::any_of(inbound_, [](const Inbound& inbound) {
    return !inbound.arrivals.empty() && inbound.arrivals.front().lands && inbound.arrivals.front().state == Arrival::State::arriving;
  });
}

void Receiver::abandon() {
  fail(remote_error("the link is closed"));
  for (Posted& posted : posted_) {
    if (Operation* const operation = std::exchange(posted.operation, nullptr)) {
      operation->slot = posted.slot;  // UCX may hold it until the receive ends
      posted.slot = nullptr;
      worker_.abandon(*operation);
    } else if (posted.slot != nullptr) {
      worker_.put_slot(std::exchange(posted.slot, nullptr));
    }
    posted.done = false;
  }
  for (Inbound& inbound : inbound_) {
    for (uint64_t number = inbound.arrivals.begin(); number != inbound.arrivals.end(); ++number) {
      Arrival& arrival = inbound.arrivals[number];
      if (Operation* const operation = std::exchange(arrival.operation, nullptr)) {
        operation->kept = std::move(arrival.kept);  // UCX may write to it until the receive ends
        arrival.state = Arrival::State::lost;
        worker_.abandon(*operation);
      }
    }
  }
}

void Receiver::fail(Status status) {
  if (failure_.ok()) {
    failure_ = std::move(status);
  }
}

}  // namespace tutti::transports::ucx
