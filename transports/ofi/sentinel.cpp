// SPDX-License-Identifier: Apache-2.0
#include "transports/ofi/sentinel.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "base/little_endian.hpp"
#include "base/log.hpp"
#include "transports/ofi/address.hpp"

namespace tutti::transports::ofi {

namespace {

constexpr uint64_t kStrangerPatience_ns = 5'000'000'000;
constexpr size_t kMaxStrangers = 128;
constexpr int kMaxAcceptsPerCall = 64;
constexpr int kBacklog = 1024;
constexpr uint64_t kAttempt_ns = 5'000'000'000;
constexpr uint64_t kRetryPause_ns = 20'000'000;

// A host that vanished without a word is noticed within about five seconds.
constexpr int kKeepAliveIdle_s = 2;
constexpr int kKeepAliveInterval_s = 1;
constexpr int kKeepAliveProbeCount = 3;

bool is_passing(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

void set_option(int socket, int level, int option, int value) { (void)::setsockopt(socket, level, option, &value, sizeof value); }

}  // namespace

// ---- Proof ----

Proof::Proof(Descriptor socket, Handshake::Side side, const Identity& identity, Deadline deadline)
    : socket_(std::move(socket)), handshake_(side, identity.key, identity.claim), own_claim_(identity.claim), deadline_(deadline) {}

Proof::State Proof::advance(const Clock& clock) {
  bool moved = true;
  while (state_ == State::running && moved) {
    moved = write();
    moved = (state_ == State::running && read()) || moved;
    if (handshake_.state() == Handshake::State::rejected) {
      return end(State::rejected, handshake_.rejection());
    }
    if (handshake_.state() == Handshake::State::done) {
      const Handshake::Claim& peer = handshake_.peer_claim();
      const bool agrees = peer.rank_count == own_claim_.rank_count && peer.purpose == own_claim_.purpose;
      state_ = agrees ? State::proven : end(State::rejected, "the other end is of another communicator or purpose");
    }
  }
  if (state_ == State::running && deadline_.passed(clock)) {
    return end(State::lost, "no answer in time");
  }
  return state_;
}

bool Proof::write() {
  const std::span<const std::byte> outgoing = handshake_.outgoing();
  if (outgoing.empty()) {
    return false;
  }
  const ssize_t written = ::send(socket_.get(), outgoing.data(), outgoing.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (written < 0) {
    lose(errno);
    return false;
  }
  handshake_.written(static_cast<size_t>(written));
  return true;
}

bool Proof::read() {
  std::array<std::byte, 256> bytes;
  const size_t wanted = std::min(handshake_.wanted(), bytes.size());
  if (wanted == 0) {
    return false;
  }
  const ssize_t received = ::recv(socket_.get(), bytes.data(), wanted, MSG_DONTWAIT);
  if (received < 0) {
    lose(errno);
    return false;
  }
  if (received == 0) {
    end(State::lost, "connection closed during the handshake");
    return false;
  }
  handshake_.received(std::span(bytes).first(static_cast<size_t>(received)));
  return true;
}

void Proof::lose(int error) {
  if (!is_passing(error)) {
    end(error == ECONNREFUSED ? State::rejected : State::lost, system_error(error, "handshake").message());
  }
}

Proof::State Proof::end(State state, std::string_view reason) {
  state_ = state;
  reason_ = reason;
  socket_.reset();
  return state_;
}

// ---- Doorway ----

Result<Doorway> Doorway::open(std::string_view interfaces, const Identity& identity, const Clock& clock) {
  const auto found = find_interfaces(interfaces);
  if (!found) {
    return tl::make_unexpected(found.error());
  }
  Doorway doorway(identity, clock);
  Status last_failure = failure(tuttiSystemError, "ofi: no network interface is up");
  for (const Interface& interface : *found) {
    if (doorway.listeners_.size() == kMaxSocketAddresses) {
      break;
    }
    Result<Descriptor> socket = listen_on(interface.address, kBacklog);
    Result<SocketAddress> address = socket ? local_address(*socket) : tl::make_unexpected(socket.error());
    if (!address) {
      last_failure = address.error();
      continue;
    }
    doorway.listeners_.push_back(std::move(*socket));
    doorway.addresses_.push_back(*address);
  }
  if (doorway.listeners_.empty()) {
    return tl::make_unexpected(last_failure);
  }
  return doorway;
}

std::vector<int> Doorway::sockets() const {
  std::vector<int> sockets;
  std::ranges::transform(listeners_, std::back_inserter(sockets), &Descriptor::get);
  return sockets;
}

size_t Doorway::accept_waiting() {
  size_t accepted = 0;
  for (const Descriptor& listener : listeners_) {
    for (int count = 0; count < kMaxAcceptsPerCall; ++count) {
      Descriptor socket(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!socket.valid()) {
        break;
      }
      if (strangers_.size() == kMaxStrangers) {
        strangers_.erase(strangers_.begin());
      }
      strangers_.emplace_back(std::move(socket), Handshake::Side::accepting, *identity_, Deadline::after_ns(*clock_, kStrangerPatience_ns));
      ++accepted;
    }
  }
  return accepted;
}

size_t Doorway::advance(std::vector<Arrival>& arrivals) {
  return std::erase_if(strangers_, [&](Proof& stranger) {
    const Proof::State state = stranger.advance(*clock_);
    if (state == Proof::State::proven && stranger.peer_rank() < identity_->claim.rank) {
      arrivals.push_back({stranger.peer_rank(), stranger.take_socket()});
    } else if (state != Proof::State::running) {
      log::info("ofi: a connection was dropped: {}", stranger.reason());
    }
    return state != Proof::State::running;
  });
}

// ---- Caller ----

Caller::Caller(Target target, const Identity& identity, const Clock& clock, Deadline deadline)
    : identity_(&identity), clock_(&clock), target_(std::move(target)), deadline_(deadline), begin_at_(Deadline::after_ns(clock, 0)) {}

Caller::State Caller::advance() {
  if (!proof_ && !target_.ways.empty() && begin_at_.passed(*clock_)) {
    begin();
  }
  if (proof_) {
    switch (proof_->advance(*clock_)) {
      case Proof::State::running: break;
      case Proof::State::proven:
        if (proof_->peer_rank() == target_.rank) {
          return State::proven;
        }
        give_up_way(fmt::format("rank {} answers there", proof_->peer_rank()));
        break;
      case Proof::State::rejected: give_up_way(proof_->reason()); break;
      case Proof::State::lost:
        reason_ = fmt::format("{}: {}", target_.ways[current_].to_string(), proof_->reason());
        proof_.reset();
        ++current_;
        break;
    }
  }
  return target_.ways.empty() || deadline_.passed(*clock_) ? State::failed : State::calling;
}

void Caller::begin() {
  if (current_ >= target_.ways.size()) {  // another round
    current_ = 0;
    begin_at_ = Deadline::after_ns(*clock_, kRetryPause_ns);
    return;
  }
  if (auto socket = begin_connect(target_.ways[current_])) {
    proof_.emplace(std::move(*socket), Handshake::Side::connecting, *identity_, Deadline::after_ns(*clock_, kAttempt_ns));
  } else {
    give_up_way(socket.error().message());
  }
}

void Caller::give_up_way(const std::string& why) {
  reason_ = fmt::format("{}: {}", target_.ways[current_].to_string(), why);
  target_.ways.erase(target_.ways.begin() + static_cast<ptrdiff_t>(current_));
  proof_.reset();
}

// ---- Sentinel ----

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
