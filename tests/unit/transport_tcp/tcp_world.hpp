// SPDX-License-Identifier: Apache-2.0
// Ranks of one communicator over TCP in one process, and a rank of which the test itself plays the part, byte by byte.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/authentication.hpp"
#include "base/clock.hpp"
#include "base/hash.hpp"
#include "base/interfaces.hpp"
#include "transport/transport.hpp"
#include "transports/tcp/tcp.hpp"

namespace tutti::transports::tcp::test {

using transport::Frame;
using transport::FrameHeader;
using transport::Link;
using transport::Outcome;
using transport::PeerState;

inline constexpr uint32_t kChannel = transport::kFirstCollectiveChannel;
inline constexpr uint64_t kCommunicatorId = 42;
// Far more turns than anything here takes; a test that uses them up has hung.
inline constexpr int kTurnLimit = 20'000'000;

// Moves only when told to.
class ManualClock final : public Clock {
 public:
  uint64_t now_ns() const override { return now_ns_; }
  void advance_ns(uint64_t duration_ns) { now_ns_ += duration_ns; }

 private:
  uint64_t now_ns_ = 1;
};

inline transport::Secret secret_of(unsigned char fill) {
  transport::Secret secret;
  secret.fill(static_cast<std::byte>(fill));
  return secret;
}

struct RankOptions {
  transport::Secret secret = secret_of(7);
  std::string host_id = "this host";
  Settings settings;
};

// Settings and secret must outlive a transport; a Rank keeps them.
class Rank {
 public:
  Rank(uint32_t rank, uint32_t rank_count, const Clock& clock, RankOptions options = {}) : options_(std::move(options)) {
    auto created = type().create({.rank = rank,
                                  .rank_count = rank_count,
                                  .communicator_id = kCommunicatorId,
                                  .secret = options_.secret,
                                  .host_id = options_.host_id,
                                  .clock = clock,
                                  .settings = options_.settings});
    if (created) {
      transport = std::move(*created);
    } else {
      ADD_FAILURE() << created.error().message();
      std::abort();
    }
  }

 private:
  RankOptions options_;

 public:
  std::unique_ptr<transport::Transport> transport;
};

// Makes all sockets of this process hold little, so that they fill up soon.
inline void shrink_socket_buffers() {
  constexpr int kBufferBytes = 32 * 1024;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int descriptor = std::atoi(entry.path().filename().c_str());
    (void)::setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &kBufferBytes, sizeof kBufferBytes);
    (void)::setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &kBufferBytes, sizeof kBufferBytes);
  }
}

class World {
 public:
  World(uint32_t rank_count, const Clock& clock, const RankOptions& options = {}) {
    for (uint32_t rank = 0; rank < rank_count; ++rank) {
      ranks_.push_back(std::make_unique<Rank>(rank, rank_count, clock, options));
    }
  }

  transport::Transport& operator[](uint32_t rank) { return *ranks_[rank]->transport; }
  Link& link(uint32_t from, uint32_t to) { return *(*this)[from].link(to); }
  void destroy(uint32_t rank) { ranks_[rank]->transport.reset(); }

  void begin_connect() {
    for (uint32_t rank = 0; rank < ranks_.size(); ++rank) {
      for (uint32_t peer = 0; peer < ranks_.size(); ++peer) {
        if (peer != rank) {
          (*this)[rank].connect(peer, (*this)[peer].address());
        }
      }
    }
  }

  void poll() {
    for (auto& rank : ranks_) {
      if (rank->transport != nullptr) {
        rank->transport->poll();
      }
    }
  }

  [[nodiscard]] bool poll_until(const std::function<bool()>& condition) {
    for (int turn = 0; turn < kTurnLimit; ++turn) {
      if (condition()) {
        return true;
      }
      poll();
    }
    return false;
  }

  void connect_all() {
    begin_connect();
    ASSERT_TRUE(poll_until([&] {
      for (uint32_t rank = 0; rank < ranks_.size(); ++rank) {
        for (uint32_t peer = 0; peer < ranks_.size(); ++peer) {
          if (peer != rank && (*this)[rank].state(peer) != PeerState::connected) {
            return false;
          }
        }
      }
      return true;
    }));
  }

 private:
  std::vector<std::unique_ptr<Rank>> ranks_;
};

// The content of a payload follows from its seed, so that a receiver can check what it was never told.
inline std::vector<std::byte> payload_of(uint64_t seed, size_t size_bytes) {
  std::vector<std::byte> bytes(size_bytes);
  uint64_t word = mix64(seed);
  for (size_t begin = 0; begin < size_bytes; begin += sizeof(uint64_t)) {
    word = word * 6'364'136'223'846'793'005u + 1'442'695'040'888'963'407u;  // Knuth's linear congruence; a build without optimisation is quick at it
    std::memcpy(&bytes[begin], &word, std::min(sizeof word, size_bytes - begin));
  }
  return bytes;
}

inline bool equal(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

// Sockets a connection attempt is made of, as a peer, a stranger or an attacker would.
class RawSocket {
 public:
  explicit RawSocket(const SocketAddress& address) {
    auto socket = begin_connect(address);
    if (!socket) {
      ADD_FAILURE() << socket.error().message();
      std::abort();
    }
    socket_ = std::move(*socket);
  }

  // Sends all of `bytes`, with `poll` between attempts; false once the other end has closed.
  bool send_all(std::span<const std::byte> bytes, const std::function<void()>& poll) {
    for (int turn = 0; turn < kTurnLimit && !bytes.empty(); ++turn) {
      const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN) {
        return false;
      }
      bytes = bytes.subspan(sent < 0 ? 0 : static_cast<size_t>(sent));
      poll();
    }
    return bytes.empty();
  }

  // Whether the other end has closed; reads and forgets what it sent.
  bool closed() {
    std::array<std::byte, 512> bytes;
    ssize_t received = 0;
    while ((received = ::recv(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT)) > 0) {
    }
    return received == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
  }

  // Takes the connecting side of a handshake. Returns every byte it sent.
  std::vector<std::byte> shake_hands(const Key& key, const Handshake::Claim& claim, const std::function<void()>& poll) {
    Handshake handshake(Handshake::Side::connecting, key, claim);
    std::vector<std::byte> sent;
    for (int turn = 0; turn < kTurnLimit && handshake.state() == Handshake::State::running; ++turn) {
      const auto outgoing = handshake.outgoing();
      const ssize_t written = outgoing.empty() ? 0 : ::send(socket_.get(), outgoing.data(), outgoing.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (written > 0) {
        sent.insert(sent.end(), outgoing.begin(), outgoing.begin() + written);
        handshake.written(static_cast<size_t>(written));
      }
      std::array<std::byte, 512> bytes;
      const size_t wanted = std::min(handshake.wanted(), bytes.size());
      const ssize_t received = wanted == 0 ? 0 : ::recv(socket_.get(), bytes.data(), wanted, MSG_DONTWAIT);
      if (received > 0) {
        handshake.received(std::span(bytes).first(static_cast<size_t>(received)));
      }
      poll();
    }
    EXPECT_EQ(handshake.state(), Handshake::State::done);
    return sent;
  }

 private:
  Descriptor socket_;
};

inline SocketAddress first_address(transport::Transport& transport) {
  const auto bytes = transport.address();
  const auto address = decode(bytes);
  EXPECT_TRUE(address && !address->sockets.empty());
  return address->sockets.front();
}

inline size_t open_descriptor_count() {
  const std::filesystem::directory_iterator entries("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(entries), end(entries)));
}

}  // namespace tutti::transports::tcp::test
