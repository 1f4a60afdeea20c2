// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/sender.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cassert>
#include <cerrno>

#include "transports/tcp/socket_error.hpp"

namespace tutti::transports::tcp {

Sender::Sender(int socket, uint32_t flight_units) : socket_(socket) {
  for (uint32_t channel = 0; channel < transport::kChannelCount; ++channel) {
    outbound_[channel].credit_units = window_units(channel);
    outbound_[channel].unused_units = window_units(channel) - std::min(window_units(channel), flight_units);
  }
}

void Sender::send(const Header& header, std::span<const std::byte> payload) {
  assert(idle() && failure_.ok());
  encode(header, HeaderBytes(copied_.data(), kHeaderBytes));
  copied_begin_ = 0;
  copied_end_ = kHeaderBytes;
  if (header.kind == Kind::data) {
    assert(has_credit_for(header.channel, payload.size()));
    Outbound& outbound = outbound_[header.channel];
    outbound.credit_units -= credit_units(payload.size());
    if (payload.size() <= kCopiedPayloadBytes) {
      std::copy(payload.begin(), payload.end(), copied_.begin() + kHeaderBytes);
      copied_end_ += payload.size();
      outbound.released_bytes += payload.size();
    } else {
      payload_ = payload;
      payload_channel_ = header.channel;
    }
  }
  flush();
}

size_t Sender::flush() {
  if (idle() || !failure_.ok()) {
    return 0;
  }
  ssize_t written = 0;
  do {
    written = write();
  } while (written < 0 && errno == EINTR);
  if (written >= 0) {
    account_write(static_cast<size_t>(written));
    return static_cast<size_t>(written);
  }
  if (errno != EAGAIN && errno != EWOULDBLOCK) {
    failure_ = connection_error(errno);
    abandon();
  }
  return 0;
}

ssize_t Sender::write() const {
  constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
  const size_t copied_bytes = copied_end_ - copied_begin_;
  if (payload_.empty()) {
    return ::send(socket_, copied_.data() + copied_begin_, copied_bytes, kFlags);
  }
  // sendmsg takes both parts as mutable but only reads them.
  std::array<iovec, 2> parts{{{const_cast<std::byte*>(copied_.data()) + copied_begin_, copied_bytes},
                              {const_cast<std::byte*>(payload_.data()), payload_.size()}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  return ::sendmsg(socket_, &message, kFlags);
}

void Sender::account_write(size_t written_bytes) {
  const size_t copied_bytes = std::min(written_bytes, copied_end_ - copied_begin_);
  copied_begin_ += copied_bytes;
  const size_t payload_bytes = written_bytes - copied_bytes;
  payload_ = payload_.subspan(payload_bytes);
  if (kept_.empty()) {
    outbound_[payload_channel_].released_bytes += payload_bytes;
  } else if (payload_.empty()) {
    kept_ = {};
  }
}

void Sender::let_go() {
  if (payload_.empty() || !kept_.empty()) {
    return;
  }
  kept_.assign(payload_.begin(), payload_.end());
  payload_ = kept_;
  outbound_[payload_channel_].released_bytes += kept_.size();
}

bool Sender::add_credit(uint32_t channel, uint32_t units) {
  Outbound& outbound = outbound_[channel];
  if (units > window_units(channel) - outbound.credit_units) {
    return false;
  }
  outbound.credit_units += units;
  return true;
}

void Sender::abandon() {
  if (kept_.empty()) {
    outbound_[payload_channel_].released_bytes += payload_.size();
  }
  payload_ = {};
  kept_ = {};
  copied_begin_ = copied_end_ = 0;
}

}  // namespace tutti::transports::tcp
