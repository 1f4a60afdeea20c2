// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/connection.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>

namespace tutti::bootstrap {

namespace {

constexpr size_t kReadBytes = 64 * 1024;
constexpr int kMaxReadsPerTurn = 16;
constexpr size_t kMaxHandshakeReadBytes = 256;

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

Connection::Connection(Descriptor socket, Handshake handshake, size_t max_payload_bytes)
    : socket_(std::move(socket)), handshake_(std::move(handshake)), max_payload_bytes_(max_payload_bytes) {}

void Connection::turn() {
  if (state_ == State::authenticating) {
    carry_handshake();
  }
  if (state_ == State::open) {
    write_frames();
  }
  if (state_ == State::open) {
    read_frames();
  }
}

void Connection::flush() {
  if (state_ == State::open) {
    write_frames();
  }
}

// Alternates between writing and reading until neither gets on; the handshake's few messages bound the loop.
void Connection::carry_handshake() {
  for (bool advanced = true; advanced && handshake_.state() == Handshake::State::running;) {
    advanced = false;
    if (const auto outgoing = handshake_.outgoing(); !outgoing.empty()) {
      const ssize_t sent = ::send(socket_.get(), outgoing.data(), outgoing.size(), MSG_NOSIGNAL);
      if (sent > 0) {
        handshake_.written(static_cast<size_t>(sent));
        advanced = true;
      } else if (sent < 0 && !would_block(errno)) {
        return close_on_error(errno);
      }
    }
    if (handshake_.wanted() > 0) {
      std::array<std::byte, kMaxHandshakeReadBytes> buffer;
      const ssize_t got = ::recv(socket_.get(), buffer.data(), std::min(handshake_.wanted(), buffer.size()), 0);
      if (got > 0) {
        handshake_.received(std::span(buffer).first(static_cast<size_t>(got)));
        advanced = true;
      } else if (got == 0) {
        return close("connection closed");
      } else if (!would_block(errno)) {
        return close_on_error(errno);
      }
    }
  }
  if (handshake_.state() == Handshake::State::rejected) {
    close(std::string(handshake_.rejection()));
  } else if (handshake_.state() == Handshake::State::done) {
    state_ = State::open;
  }
}

void Connection::write_frames() {
  while (!output_.empty()) {
    Output& front = output_.front();
    const ssize_t sent =
        ::send(socket_.get(), front.bytes->data() + front.written, front.bytes->size() - front.written, MSG_NOSIGNAL);
    if (sent < 0 && would_block(errno)) {
      return;
    }
    if (sent < 0) {
      // The peer is gone, but what it said last may still lie in the socket: reading, which follows, finds the end.
      output_.clear();
      return;
    }
    front.written += static_cast<size_t>(sent);
    if (front.written == front.bytes->size()) {
      output_.pop_front();
    }
  }
}

void Connection::read_frames() {
  std::array<std::byte, kReadBytes> buffer;
  for (int i = 0; i < kMaxReadsPerTurn; ++i) {
    if (input_.size() >= kFrameHeaderBytes + max_payload_bytes_) {
      return;  // a whole frame waits to be taken
    }
    const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (got == 0) {
      return close("connection closed");
    }
    if (got < 0) {
      return would_block(errno) ? void() : close_on_error(errno);
    }
    input_.insert(input_.end(), buffer.begin(), buffer.begin() + got);
    if (input_is_broken()) {
      return close("malformed frame");
    }
    if (static_cast<size_t>(got) < buffer.size()) {
      return;
    }
  }
}

bool Connection::input_is_broken() const {
  if (input_.size() < kFrameHeaderBytes) {
    return false;
  }
  const auto header = decode_frame_header(std::span(input_).first<kFrameHeaderBytes>());
  return !header || header->payload_bytes > max_payload_bytes_;
}

std::optional<Frame> Connection::next_frame() {
  if (input_.size() < kFrameHeaderBytes) {
    return std::nullopt;
  }
  if (input_is_broken()) {
    input_.clear();
    close("malformed frame");
    return std::nullopt;
  }
  const FrameHeader header = *decode_frame_header(std::span(input_).first<kFrameHeaderBytes>());
  const size_t whole = kFrameHeaderBytes + header.payload_bytes;
  if (input_.size() < whole) {
    return std::nullopt;
  }
  const auto begin = input_.begin() + kFrameHeaderBytes;
  Frame frame{.type = header.type, .payload = Bytes(begin, begin + static_cast<std::ptrdiff_t>(header.payload_bytes))};
  input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(whole));
  return frame;
}

void Connection::send(std::shared_ptr<const Bytes> encoded_frame) {
  if (state_ != State::closed) {
    output_.push_back({.bytes = std::move(encoded_frame), .written = 0});
  }
}

void Connection::send(FrameType type, std::span<const std::byte> payload) {
  send(std::make_shared<const Bytes>(encode_frame(type, payload)));
}

void Connection::finish_sending() {
  if (socket_.valid()) {
    ::shutdown(socket_.get(), SHUT_WR);
  }
}

void Connection::close(std::string reason) {
  if (state_ == State::closed) {
    return;
  }
  state_ = State::closed;
  close_reason_ = std::move(reason);
  output_.clear();
  socket_.reset();
}

void Connection::close_on_error(int error) {
  const char* name = ::strerrorname_np(error);
  const char* words = ::strerrordesc_np(error);
  close(fmt::format("{} ({})", words != nullptr ? words : "unknown error", name != nullptr ? name : "no errno"));
}

}  // namespace tutti::bootstrap
