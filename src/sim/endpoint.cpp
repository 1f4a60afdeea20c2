// SPDX-License-Identifier: Apache-2.0
#include "sim/endpoint.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace tutti::sim {

void FlyingFrame::capture() {
  if (captured.empty() && !payload.empty() && payloads == Payloads::carried) {
    captured.assign(payload.begin(), payload.end());
    payload = captured;
  }
}

void Incoming::place(const FlyingFrame& frame) {
  ArrivedFrame arrived{.header = frame.header, .payload = {}, .owned = {}, .presented = false};
  if (frame.payloads == Payloads::sized) {
    arrived.payload = frame.payload;
    arrived_.push_back(std::move(arrived));
    return;
  }
  const bool lands = arrived_.empty() && !landing_.empty() && landing_.size() >= frame.payload.size();
  if (lands) {
    std::ranges::copy(frame.payload, landing_.begin());
    arrived.payload = landing_.first(frame.payload.size());
    arrived.presented = true;
  } else {
    arrived.owned.assign(frame.payload.begin(), frame.payload.end());
    arrived.payload = arrived.owned;
  }
  arrived_.push_back(std::move(arrived));
}

const ArrivedFrame* Incoming::peek(std::span<std::byte> landing) {
  // A landing handed over earlier may hold the payload already; another one breaks the caller's promise.
  assert(landing_.empty() || landing.data() == landing_.data());
  landing_ = landing;
  if (arrived_.empty()) {
    return nullptr;
  }
  ArrivedFrame& front = arrived_.front();
  if (!front.presented) {
    front.presented = true;
    if (!landing.empty() && landing.size() >= front.payload.size()) {
      std::ranges::copy(front.owned, landing.begin());
      front.payload = landing.first(front.payload.size());
    }
  }
  return &front;
}

size_t Incoming::pop() {
  assert(!arrived_.empty() && arrived_.front().presented);
  const size_t bytes = arrived_.front().payload.size();
  arrived_.pop_front();
  landing_ = {};
  return bytes;
}

void Incoming::let_go() {
  landing_ = {};
  if (!arrived_.empty() && arrived_.front().owned.empty()) {
    ArrivedFrame& front = arrived_.front();
    front.owned.assign(front.payload.begin(), front.payload.end());
    front.payload = front.owned;
  }
  for (ArrivedFrame& frame : arrived_) {
    frame.payload = frame.owned;
  }
}

void Endpoint::capture_in_flight() {
  for (Outgoing& channel : outgoing) {
    for (FlyingFrame& frame : channel.in_flight) {
      frame.capture();
      frame.is_released = true;
    }
  }
  release_all();
}

void Endpoint::drop_in_flight() {
  for (Outgoing& channel : outgoing) {
    channel.in_flight.clear();
    channel.departed_count = 0;
  }
}

uint64_t Endpoint::drop_after(uint64_t at_ns) {
  uint64_t last_arrival_ns = 0;
  for (Outgoing& channel : outgoing) {
    while (!channel.in_flight.empty() && channel.in_flight.back().depart_ns > at_ns) {
      channel.in_flight.pop_back();
    }
    if (!channel.in_flight.empty()) {
      last_arrival_ns = std::max(last_arrival_ns, channel.in_flight.back().arrive_ns);
    }
  }
  return last_arrival_ns;
}

void Endpoint::release_all() {
  for (Outgoing& channel : outgoing) {
    channel.released_bytes = channel.taken_bytes;
  }
}

}  // namespace tutti::sim
