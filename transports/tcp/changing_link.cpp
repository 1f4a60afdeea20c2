// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/changing_link.hpp"

#include <cassert>
#include <utility>

namespace tutti::transports::tcp {

namespace {

using transport::Frame;
using transport::FrameHeader;
using transport::Outcome;

constexpr uint32_t kAllChannels = (1u << transport::kChannelCount) - 1;

// Frames without payload that claim to belong to a message longer than any are notes of links to each other.
constexpr uint64_t kLeavingNote = 0xfe75'7474'696c'6566;
constexpr uint64_t kRateNote = 0xfe75'7474'6972'6174;

bool is_note(const Frame& frame) {
  return (frame.header.message_bytes == kLeavingNote || frame.header.message_bytes == kRateNote) && frame.payload.empty();
}

}  // namespace

ChangingLink::ChangingLink(Part part, size_t max_frame_bytes, std::unique_ptr<SocketLink> sockets)
    : part_(part), max_frame_bytes_(max_frame_bytes), sockets_(std::move(sockets)) {
  assert(max_frame_bytes_ <= sockets_->max_frame_bytes());
}

void ChangingLink::change_to(std::unique_ptr<SocketLink> next) {
  assert(may_change() && max_frame_bytes_ <= next->max_frame_bytes());
  if (is_through()) {
    drop_old_sockets();
  }
  next_ = std::move(next);
  carry_on();
}

// Whether what is sent on `channel` goes over the next sockets. Says so behind all that has been sent, when it is time.
bool ChangingLink::leave(uint32_t channel) {
  const uint32_t channel_bit = 1u << channel;
  if ((left_ & channel_bit) != 0) {
    return true;
  }
  const bool is_time = part_ == Part::leads || (come_ & channel_bit) != 0;
  if (!is_time || sockets_->try_send(channel, {.call = 0, .message_bytes = kLeavingNote}, {}) != Outcome::done) {
    return false;
  }
  left_ |= channel_bit;
  before_next_bytes_[channel] = sent_bytes_[channel];
  return true;
}

Outcome ChangingLink::try_send(uint32_t channel, const FrameHeader& header, std::span<const std::byte> payload) {
  if (!failure_.ok()) {
    return Outcome::failed;
  }
  SocketLink& sockets = next_ != nullptr && leave(channel) ? *next_ : *sockets_;
  const Outcome outcome = sockets.try_send(channel, header, payload);
  sent_bytes_[channel] += outcome == Outcome::done ? payload.size() : 0;
  return outcome;
}

// What the next sockets release counts behind all that the old ones have to.
uint64_t ChangingLink::released_bytes(uint32_t channel) const {
  const uint64_t released_bytes = before_bytes_[channel] + sockets_->released_bytes(channel);
  if ((left_ & 1u << channel) == 0 || released_bytes < before_next_bytes_[channel]) {
    return released_bytes;
  }
  return before_next_bytes_[channel] + next_->released_bytes(channel);
}

Outcome ChangingLink::peek(uint32_t channel, std::span<std::byte> landing, Frame* frame) {
  for (;;) {
    SocketLink* const sockets = (come_ & 1u << channel) == 0 ? sockets_.get() : next_.get();
    if (sockets == nullptr) {  // the peer is faster
      return failure().ok() ? Outcome::would_block : Outcome::failed;
    }
    const Outcome outcome = sockets->peek(channel, landing, frame);
    if (outcome != Outcome::done) {
      return failure_.ok() ? outcome : Outcome::failed;
    }
    if (!is_note(*frame)) {
      return outcome;
    }
    const FrameHeader note = frame->header;
    sockets->pop(channel);
    take_note(channel, note);
  }
}

void ChangingLink::take_note(uint32_t channel, const FrameHeader& note) {
  const uint32_t channel_bit = 1u << channel;
  if (note.message_bytes == kRateNote) {
    told_rate_bytes_per_s_ = note.call;
    return;
  }
  if (failure_.ok() && !failure().ok()) {
    failure_ = failure();  // for good, whatever sockets are needed behind this note
  }
  if (part_ == Part::follows && is_through()) {
    drop_old_sockets();  // the peer has, and changes again
  }
  const bool is_expected = (come_ & channel_bit) == 0 && (part_ == Part::follows || (left_ & channel_bit) != 0);
  if (is_expected) {
    come_ |= channel_bit;
  } else {
    fail(remote_error("peer left sockets that it does not use"));
  }
}

void ChangingLink::pop(uint32_t channel) { ((come_ & 1u << channel) == 0 ? sockets_ : next_)->pop(channel); }

void ChangingLink::let_go() {
  sockets_->let_go();
  if (next_ != nullptr) {
    next_->let_go();
  }
}

bool ChangingLink::is_through() const { return next_ != nullptr && come_ == kAllChannels && left_ == kAllChannels; }

const Status& ChangingLink::failure() const {
  if (!failure_.ok()) {
    return failure_;
  }
  const bool old_count = next_ == nullptr || (!is_through() && !sockets_->failure().ok());
  return old_count ? sockets_->failure() : next_->failure();
}

void ChangingLink::fail(Status why) {
  if (failure_.ok()) {
    failure_ = std::move(why);
    let_go();
  }
}

size_t ChangingLink::flush() { return sockets_->flush() + (next_ != nullptr ? next_->flush() : 0); }

size_t ChangingLink::look() { return sockets_->look() + (next_ != nullptr ? next_->look() : 0); }

void ChangingLink::tend() {
  sockets_->tend();
  if (next_ != nullptr) {
    next_->tend();
    carry_on();
  }
}

// Channels that nobody uses are left too.
void ChangingLink::carry_on() {
  for (uint32_t channel = 0; failure().ok() && channel < transport::kChannelCount; ++channel) {
    Frame frame;
    if ((come_ & 1u << channel) == 0) {
      (void)peek(channel, {}, &frame);
    }
    (void)leave(channel);
  }
  // Closed by the side that leads, so that the other gets all that was sent.
  if (is_through() && (part_ == Part::leads || !sockets_->failure().ok())) {
    drop_old_sockets();
  }
}

void ChangingLink::drop_old_sockets() {
  sockets_ = std::move(next_);
  before_bytes_ = before_next_bytes_;
  left_ = come_ = 0;
}

void ChangingLink::tell_rate(uint64_t bytes_per_s) {
  if (is_settled()) {
    (void)sockets_->try_send(transport::kControlChannel, {.call = bytes_per_s, .message_bytes = kRateNote}, {});
  }
}

uint64_t ChangingLink::sent_bytes() const {
  uint64_t all_bytes = 0;
  for (const uint64_t bytes : sent_bytes_) {
    all_bytes += bytes;
  }
  return all_bytes;
}

}  // namespace tutti::transports::tcp
