// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/outbox.hpp"

#include <cassert>
#include <utility>

namespace tutti::transports::tcp {

void FrameQueue::push(OutgoingFrame& frame) {
  frame.next_in_queue = nullptr;
  (first_ == nullptr ? first_ : last_->next_in_queue) = &frame;
  last_ = &frame;
  ++size_;
}

OutgoingFrame& FrameQueue::pop() {
  OutgoingFrame& frame = *first_;
  first_ = frame.next_in_queue;
  --size_;
  return frame;
}

void FrameQueue::append(FrameQueue& other) {
  if (other.empty()) {
    return;
  }
  (first_ == nullptr ? first_ : last_->next_in_queue) = other.first_;
  last_ = other.last_;
  size_ += other.size_;
  other = FrameQueue();
}

OutgoingFrame& Outbox::take(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload) {
  assert(has_credit_for(channel, payload.size()));
  if (free_.empty()) {
    free_.push_back(&frames_.emplace_back());
  }
  OutgoingFrame& frame = *free_.back();
  free_.pop_back();
  Outbound& outbound = outbound_[channel];
  frame.header = header;
  frame.channel = channel;
  frame.start_units = credit_.spent_units(channel);
  frame.is_acknowledged = false;
  frame.is_borrowed = payload.size() > kRailCopiedPayloadBytes;
  frame.payload = payload;
  if (!frame.is_borrowed) {
    frame.copy.assign(payload.begin(), payload.end());
    frame.payload = frame.copy;
  }
  frame.next_in_channel = nullptr;
  (outbound.first == nullptr ? outbound.first : outbound.last->next_in_channel) = &frame;
  outbound.last = &frame;
  if (outbound.first_unreleased == nullptr) {
    outbound.first_unreleased = &frame;
  }
  credit_.spend(channel, credit_units(payload.size()));
  release(outbound);
  return frame;
}

void Outbox::release(Outbound& outbound) {
  OutgoingFrame*& frame = outbound.first_unreleased;
  while (frame != nullptr && (!frame->is_borrowed || frame->is_acknowledged)) {
    outbound.released_bytes += frame->payload.size();
    frame = frame->next_in_channel;
  }
}

void Outbox::acknowledge(OutgoingFrame& frame) {
  frame.is_acknowledged = true;
  Outbound& outbound = outbound_[frame.channel];
  release(outbound);
  while (outbound.first != nullptr && outbound.first->is_acknowledged) {
    OutgoingFrame& done = *std::exchange(outbound.first, outbound.first->next_in_channel);
    if (done.copy.capacity() > kRailCopiedPayloadBytes) {
      done.copy = {};
    }
    free_.push_back(&done);
  }
}

void Outbox::let_go() {
  for (Outbound& outbound : outbound_) {
    for (OutgoingFrame* frame = outbound.first; frame != nullptr; frame = frame->next_in_channel) {
      if (std::exchange(frame->is_borrowed, false) && !frame->is_acknowledged) {
        frame->copy.assign(frame->payload.begin(), frame->payload.end());
        frame->payload = frame->copy;
      }
    }
    release(outbound);
  }
}

void Outbox::abandon() {
  for (Outbound& outbound : outbound_) {
    for (OutgoingFrame* frame = outbound.first; frame != nullptr; frame = frame->next_in_channel) {
      frame->is_acknowledged = true;
    }
    release(outbound);
  }
}

}  // namespace tutti::transports::tcp
