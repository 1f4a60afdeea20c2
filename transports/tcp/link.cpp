// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/link.hpp"

#include <array>
#include <cassert>
#include <utility>

#include "transports/tcp/estimate.hpp"

namespace tutti::transports::tcp {

namespace {

using transport::Outcome;

}  // namespace

TcpLink::TcpLink(Descriptor socket, const Settings& settings, Distance distance, size_t& backlogged_link_count)
    : socket_(std::move(socket)),
      distance_(distance),
      max_frame_bytes_(choose_frame_bytes(settings.slice_bytes, distance == Distance::same_host ? kMaxFrameBytes : kMaxFrameBytesBetweenHosts)),
      description_("tcp " + describe_ends(socket_.get())),
      backlogged_link_count_(backlogged_link_count),
      sender_(socket_.get()),
      receiver_(socket_.get(), sender_.credit()) {
  tune(socket_.get(), settings, distance);
}

TcpLink::~TcpLink() {
  if (backlogged_) {
    --backlogged_link_count_;
  }
  shut_down(socket_.get());
}

Outcome TcpLink::try_send(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload) {
  assert(channel < transport::kChannelCount && payload.size() <= max_frame_bytes_);
  if (!failure_.ok()) {
    return Outcome::failed;
  }
  flush();
  if (failure_.ok() && sender_.idle() && !sender_.has_credit_for(channel, payload.size())) {
    look_for_credit();
  }
  if (!failure_.ok()) {
    return Outcome::failed;
  }
  if (!sender_.idle() || !sender_.has_credit_for(channel, payload.size())) {
    return Outcome::would_block;
  }
  const transport::GivenCredit::News news = receiver_.credit().tell();
  sender_.send({.kind = Kind::data,
                .channel = static_cast<uint8_t>(channel),
                .credit_channel = static_cast<uint8_t>(news.channel),
                .payload_bytes = static_cast<uint32_t>(payload.size()),
                .credit_units = news.units,
                .frame = header},
               payload);
  note_failure();
  update_backlog();
  return failure_.ok() ? Outcome::done : Outcome::failed;
}

// Credit arrives between frames. Where peek() is reading them it finds the credit too, and knows better where the frames go.
void TcpLink::look_for_credit() {
  if (!std::exchange(read_since_credit_look_, false)) {
    receiver_.advance();
    note_failure();
  }
}

Outcome TcpLink::peek(uint32_t channel, std::span<std::byte> landing, transport::Frame* frame) {
  assert(channel < transport::kChannelCount);
  if (!receiver_.ready(channel)) {
    if (!landing.empty()) {
      receiver_.set_landing(channel, landing);
    }
    const uint32_t channel_bit = 1u << channel;
    if (failure_.ok() && (seen_empty_channels_ & channel_bit) != 0) {
      seen_empty_channels_ &= ~channel_bit;
      return Outcome::would_block;
    }
    read_since_look_ = read_since_credit_look_ = true;
    if (!receiver_.advance_to_frame(channel)) {
      note_failure();
      const bool more_may_come = receiver_.open() && (failure_.ok() || !receiver_.drained());
      // One peek in vain speaks for the next one on each other channel, which spares them a system call.
      seen_empty_channels_ = receiver_.drained() ? ~channel_bit : 0;
      return more_may_come ? Outcome::would_block : Outcome::failed;
    }
  }
  *frame = receiver_.front(channel);
  return Outcome::done;
}

void TcpLink::pop(uint32_t channel) {
  receiver_.pop(channel);
  if (receiver_.credit().is_due()) {
    flush();
  }
}

void TcpLink::let_go() {
  sender_.let_go();
  receiver_.let_go();
}

size_t TcpLink::flush() {
  if (!failure_.ok() || (sender_.idle() && !receiver_.credit().is_due())) {
    return 0;
  }
  const size_t written_bytes = sender_.flush() + send_due_credit();
  note_failure();
  update_backlog();
  return written_bytes;
}

// Credit whose return the peer may be waiting for does not wait for a frame to travel with.
size_t TcpLink::send_due_credit() {
  size_t written_bytes = 0;
  while (receiver_.credit().is_due() && sender_.idle() && sender_.failure().ok()) {
    const transport::GivenCredit::News news = receiver_.credit().tell();
    sender_.send({.kind = Kind::credit,
                  .channel = 0,
                  .credit_channel = static_cast<uint8_t>(news.channel),
                  .payload_bytes = 0,
                  .credit_units = news.units,
                  .frame = {}},
                 {});
    written_bytes += kHeaderBytes;
  }
  return written_bytes;
}

size_t TcpLink::look() {
  if (std::exchange(read_since_look_, false) || !failure_.ok()) {
    return 0;
  }
  const size_t read_bytes = receiver_.advance();
  note_failure();
  return read_bytes;
}

// The receiver's reason goes first: it comes from the peer's last bytes, while a failed write only shows that the socket is gone.
void TcpLink::note_failure() {
  if (failure_.ok() && (!receiver_.open() || !sender_.failure().ok())) {
    failure_ = receiver_.open() ? sender_.failure() : receiver_.failure();
    sender_.abandon();
    update_backlog();
  }
}

void TcpLink::update_backlog() {
  const bool backlogged = failure_.ok() && (!sender_.idle() || receiver_.credit().is_due());
  if (backlogged != backlogged_) {
    backlogged_ = backlogged;
    backlogged_link_count_ += backlogged ? 1 : -1;
  }
}

transport::LinkEstimate TcpLink::estimate() const {
  if (distance_ == Distance::same_host) {
    return {.latency_ns = 3'500,
            .bandwidth_bytes_per_s = 8'000'000'000,
            .source = "default for loopback, measured by tcp_link_perf",
            .copies_out = true};
  }
  return estimate_between_hosts(std::array{figures_of(socket_.get())});
}

}  // namespace tutti::transports::tcp
