// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/receiver.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <utility>

#include "transports/tcp/socket_error.hpp"

namespace tutti::transports::tcp {

namespace {

constexpr size_t kBufferBytes = 64 * 1024;
// What is read behind a large payload: room for the next header and a few small frames. More would be copied without need when the next frame is
// large too.
constexpr size_t kBehindLargePayloadBytes = 4 * 1024;
constexpr size_t kLargePayloadBytes = 16 * 1024;
// Bounds one call's work.
constexpr int kMaxReadsPerCall = 8;

// Sooner than a frame of the largest size could fail to fit in what the peer knows of.
constexpr uint32_t due_units(uint32_t channel) { return std::min(kCreditDueUnits, window_units(channel) - credit_units(kMaxFrameBytes)); }

}  // namespace

template <size_t... channels>
std::array<Receiver::Inbound, sizeof...(channels)> Receiver::make_inbound(std::index_sequence<channels...>) {
  return {Inbound(window_units(channels))...};
}

Receiver::Receiver(int socket, transport::HeldCredit& held)
    : socket_(socket),
      held_(held),
      credit_({.window_units = transport::units_by_channel(window_units), .due_units = transport::units_by_channel(due_units)}),
      inbound_(make_inbound(std::make_index_sequence<transport::kChannelCount>{})),
      buffer_(std::make_unique_for_overwrite<std::byte[]>(kBufferBytes)) {}

bool Receiver::ready(uint32_t channel) const {
  const Inbound& inbound = inbound_[channel];
  return inbound.landed == Inbound::Landed::nothing ? inbound.staging.ready() : inbound.landed == Inbound::Landed::whole;
}

transport::Frame Receiver::front(uint32_t channel) const {
  const Inbound& inbound = inbound_[channel];
  if (inbound.landed == Inbound::Landed::whole) {
    return {inbound.landed_header, inbound.landing.first(inbound.landed_bytes)};
  }
  return inbound.staging.front();
}

void Receiver::pop(uint32_t channel) {
  assert(ready(channel));
  Inbound& inbound = inbound_[channel];
  credit_.free(channel, credit_units(front(channel).payload.size()));
  if (inbound.landed == Inbound::Landed::whole) {
    inbound.landed = Inbound::Landed::nothing;
  } else {
    inbound.staging.pop_front();
  }
  inbound.landing = {};
  inbound.kept.reset();
}

void Receiver::set_landing(uint32_t channel, std::span<std::byte> landing) {
  if (inbound_[channel].landed == Inbound::Landed::nothing) {
    inbound_[channel].landing = landing;
  }
}

void Receiver::let_go() {
  for (Inbound& inbound : inbound_) {
    if (inbound.landed == Inbound::Landed::nothing) {
      inbound.landing = {};
      continue;
    }
    if (inbound.kept != nullptr) {
      continue;
    }
    const bool incomplete = inbound.landed == Inbound::Landed::part;  // then it is the frame that is being received
    const size_t arrived_bytes = inbound.landed_bytes - (incomplete ? incoming_.left_bytes : 0);
    inbound.kept = std::make_unique_for_overwrite<std::byte[]>(inbound.landed_bytes);
    std::memcpy(inbound.kept.get(), inbound.landing.data(), arrived_bytes);
    inbound.landing = {inbound.kept.get(), inbound.landed_bytes};
    if (incomplete) {
      incoming_.destination = inbound.kept.get() + arrived_bytes;
    }
  }
}

bool Receiver::advance_to_frame(uint32_t channel) {
  for (int reads = 0;; ++reads) {
    while (!ready(channel)) {
      if (!consume()) {
        break;
      }
    }
    if (ready(channel)) {
      return true;
    }
    // After a short read the socket is empty, most likely: asking again is left to the next call.
    if (reads == kMaxReadsPerCall || (reads > 0 && drained_) || read_more() == 0) {
      return false;
    }
  }
}

size_t Receiver::advance() {
  size_t read_bytes = 0;
  for (int reads = 0; reads < kMaxReadsPerCall; ++reads) {
    while (consume()) {
    }
    const size_t received_bytes = read_more();
    read_bytes += received_bytes;
    if (received_bytes == 0 || drained_) {
      break;
    }
  }
  while (consume()) {
  }
  return read_bytes;
}

// One step over buffered bytes; false when it takes more of them, or there will be none.
bool Receiver::consume() {
  if (!open()) {
    return false;
  }
  if (incoming_.left_bytes > 0) {
    if (buffered() == 0) {
      return false;
    }
    consume_payload();
    return true;
  }
  return buffered() >= kHeaderBytes && consume_header();
}

bool Receiver::consume_header() {
  const std::optional<Header> header = decode(ConstHeaderBytes(buffer_.get() + buffer_begin_, kHeaderBytes));
  if (!header) {
    fail(remote_error("peer sent bytes that are no frame"));
    return false;
  }
  buffer_begin_ += kHeaderBytes;
  if (!held_.add(header->credit_channel, header->credit_units)) {
    fail(remote_error("peer returned {} units of credit it never held on channel {}", header->credit_units, header->credit_channel));
    return false;
  }
  if (header->kind == Kind::data) {
    begin_frame(*header);
  }
  return open();
}

void Receiver::begin_frame(const Header& header) {
  Inbound& inbound = inbound_[header.channel];
  if (!credit_.accept(header.channel, credit_units(header.payload_bytes))) {
    fail(remote_error("peer sent a frame of {} bytes on channel {} beyond its credit of {} units", header.payload_bytes, header.channel,
                      credit_.left_units(header.channel)));
    return;
  }
  incoming_ = {header.channel, nullptr, header.payload_bytes};
  latest_payload_bytes_ = header.payload_bytes;
  const bool is_next = inbound.landed == Inbound::Landed::nothing && inbound.staging.empty();
  if (is_next && header.payload_bytes > 0 && header.payload_bytes <= inbound.landing.size()) {
    inbound.landed = Inbound::Landed::part;
    inbound.landed_header = header.frame;
    inbound.landed_bytes = header.payload_bytes;
    incoming_.destination = inbound.landing.data();
  } else {
    incoming_.destination = inbound.staging.append(header.frame, header.payload_bytes);
  }
  if (header.payload_bytes == 0) {
    finish_frame();
  }
}

void Receiver::finish_frame() {
  Inbound& inbound = inbound_[incoming_.channel];
  if (inbound.landed == Inbound::Landed::part) {
    inbound.landed = Inbound::Landed::whole;
  } else {
    inbound.staging.commit();
  }
}

void Receiver::consume_payload() {
  const size_t step_bytes = std::min(buffered(), incoming_.left_bytes);
  std::memcpy(incoming_.destination, buffer_.get() + buffer_begin_, step_bytes);
  buffer_begin_ += step_bytes;
  incoming_.destination += step_bytes;
  incoming_.left_bytes -= step_bytes;
  if (incoming_.left_bytes == 0) {
    finish_frame();
  }
}

// One read. Only called when consume() has used up all it can: the buffer holds less than a header, and nothing while a payload is incomplete.
size_t Receiver::read_more() {
  if (!open()) {
    return 0;
  }
  if (buffer_begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + buffer_begin_, buffered());
    buffer_end_ -= buffer_begin_;
    buffer_begin_ = 0;
  }
  const size_t direct_bytes = incoming_.left_bytes;
  // After a large payload another one is likely.
  const bool large_is_near = direct_bytes > 0 ? direct_bytes > kLargePayloadBytes : latest_payload_bytes_ > kLargePayloadBytes;
  const size_t behind_bytes = (large_is_near ? kBehindLargePayloadBytes : kBufferBytes) - buffer_end_;
  ssize_t received = 0;
  do {
    received = read(direct_bytes, behind_bytes);
  } while (received < 0 && errno == EINTR);
  if (received > 0) {
    drained_ = static_cast<size_t>(received) < direct_bytes + behind_bytes;
    account_read(static_cast<size_t>(received), direct_bytes);
    return static_cast<size_t>(received);
  }
  drained_ = true;
  if (received == 0) {
    fail(remote_error("connection closed by peer"));
  } else if (errno != EAGAIN && errno != EWOULDBLOCK) {
    fail(connection_error(errno));
  }
  return 0;
}

ssize_t Receiver::read(size_t direct_bytes, size_t behind_bytes) {
  std::byte* const behind = buffer_.get() + buffer_end_;
  if (direct_bytes == 0) {
    return ::recv(socket_, behind, behind_bytes, MSG_DONTWAIT);
  }
  std::array<iovec, 2> parts{{{incoming_.destination, direct_bytes}, {behind, behind_bytes}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  return ::recvmsg(socket_, &message, MSG_DONTWAIT);
}

void Receiver::account_read(size_t received_bytes, size_t direct_bytes) {
  const size_t landed_bytes = std::min(received_bytes, direct_bytes);
  buffer_end_ += received_bytes - landed_bytes;
  if (landed_bytes > 0) {
    incoming_.destination += landed_bytes;
    incoming_.left_bytes -= landed_bytes;
    if (incoming_.left_bytes == 0) {
      finish_frame();
    }
  }
}

void Receiver::fail(Status status) {
  if (failure_.ok()) {
    failure_ = std::move(status);
  }
}

}  // namespace tutti::transports::tcp
