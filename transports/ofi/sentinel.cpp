// SPDX-License-Identifier: Apache-2.0
#include "transports/ofi/sentinel.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/little_endian.hpp"
#include "base/status.hpp"

namespace tutti::transports::ofi {

namespace {

// A host that vanished without a word is noticed within about five seconds.
constexpr int kKeepAliveIdle_s = 2;
constexpr int kKeepAliveInterval_s = 1;
constexpr int kKeepAliveProbeCount = 3;

bool is_passing(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

void set_option(int socket, int level, int option, int value) { (void)::setsockopt(socket, level, option, &value, sizeof value); }

}  // namespace

Sentinel::Sentinel(Descriptor socket) : socket_(std::move(socket)) {
  set_option(socket_.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(socket_.get(), SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(socket_.get(), IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdle_s);
  set_option(socket_.get(), IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveInterval_s);
  set_option(socket_.get(), IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbeCount);
}

void Sentinel::open(uint64_t nonce) {
  std::array<std::byte, sizeof nonce> record;
  store_little_endian(nonce, record.data());
  write(record);
}

void Sentinel::say_goodbye(const Counts& sent) {
  std::array<std::byte, sizeof(Counts)> record;
  for (size_t index = 0; index < record.size(); ++index) {
    record[index] = static_cast<std::byte>(sent[index / 4] >> (8 * (index % 4)));
  }
  write(record);
  (void)::shutdown(socket_.get(), SHUT_WR);
}

// Two records of a few bytes are all that is ever written, so they find room.
void Sentinel::write(std::span<const std::byte> record) {
  if (state_ == State::ended) {
    return;
  }
  const ssize_t written = ::send(socket_.get(), record.data(), record.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (written != static_cast<ssize_t>(record.size())) {
    const std::string why = written < 0 ? system_error(errno, "send").message() : "a record was cut";
    (void)look();  // the peer's last words are worth more
    end(why);
  }
}

Sentinel::State Sentinel::look() {
  while (state_ != State::ended) {
    const std::span<std::byte> room = std::span(record_).first(record_bytes()).subspan(record_filled_);
    std::byte beyond;
    // Nothing follows a goodbye but the end.
    const ssize_t received = room.empty() ? ::recv(socket_.get(), &beyond, 1, MSG_DONTWAIT)
                                          : ::recv(socket_.get(), room.data(), room.size(), MSG_DONTWAIT);
    if (received < 0 && is_passing(errno)) {
      break;
    }
    if (received < 0) {
      end(system_error(errno, "recv").message());
    } else if (received == 0 || room.empty()) {
      end(received == 0 ? "connection closed" : "it went on after its goodbye");
    } else {
      record_filled_ += static_cast<size_t>(received);
      take_record();
    }
  }
  return state_;
}

size_t Sentinel::record_bytes() const {
  switch (state_) {
    case State::opening: return sizeof peer_nonce_;
    case State::open: return sizeof(Counts);
    case State::left:
    case State::ended: break;
  }
  return 0;
}

void Sentinel::take_record() {
  if (record_filled_ != record_bytes()) {
    return;
  }
  record_filled_ = 0;
  if (state_ == State::opening) {
    peer_nonce_ = load_little_endian<uint64_t>(record_.data());
    state_ = State::open;
    return;
  }
  Counts counts{};
  for (size_t index = 0; index < sizeof(Counts); ++index) {
    counts[index / 4] |= std::to_integer<uint32_t>(record_[index]) << (8 * (index % 4));
  }
  peer_sent_ = counts;
  state_ = State::left;
}

void Sentinel::end(std::string_view reason) {
  if (state_ != State::ended) {
    state_ = State::ended;
    reason_ = reason;
  }
}

}  // namespace tutti::transports::ofi
