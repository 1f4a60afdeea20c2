// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/sender.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cassert>
#include <cerrno>

#include "transports/tcp/socket_error.hpp"

namespace tutti::transports::tcp {

Sender::Sender(int socket) : socket_(socket), credit_(transport::units_by_channel(window_units)) {}

void Sender::send(const Header& header, std::span<const std::byte> payload) {
  assert(idle() && failure_.ok());
  encode(header, HeaderBytes(copied_.data(), kHeaderBytes));
  copied_begin_ = 0;
  copied_end_ = kHeaderBytes;
  if (header.kind == Kind::data) {
    assert(has_credit_for(header.channel, payload.size()));
    credit_.spend(header.channel, credit_units(payload.size()));
    if (payload.size() <= kCopiedPayloadBytes) {
      std::copy(payload.begin(), payload.end(), copied_.begin() + kHeaderBytes);
      copied_end_ += payload.size();
      released_bytes_[header.channel] += payload.size();
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
    released_bytes_[payload_channel_] += payload_bytes;
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
  released_bytes_[payload_channel_] += kept_.size();
}

void Sender::abandon() {
  if (kept_.empty()) {
    released_bytes_[payload_channel_] += payload_.size();
  }
  payload_ = {};
  kept_ = {};
  copied_begin_ = copied_end_ = 0;
}

}  // namespace tutti::transports::tcp
