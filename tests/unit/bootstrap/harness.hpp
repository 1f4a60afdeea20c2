// SPDX-License-Identifier: Apache-2.0
// A service and its ranks in one thread, on a clock that only the test moves.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/interfaces.hpp"
#include "bootstrap/service.hpp"
#include "bootstrap/socket_exchange.hpp"
#include "bootstrap/unique_id.hpp"

namespace tutti::bootstrap {

class TestClock final : public Clock {
 public:
  uint64_t now_ns() const override { return now_ns_; }
  void advance_ms(uint64_t ms) { now_ns_ += ms * 1'000'000; }

 private:
  uint64_t now_ns_ = 1;
};

inline Bytes text_bytes(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

inline Bytes contribution_of(uint32_t rank, uint32_t round) {
  // Different lengths, rank 0's of round 0 being empty.
  return text_bytes(std::string(rank * 37 + round * 101, static_cast<char>('a' + rank)));
}

inline std::vector<Bytes> contributions_of_all(uint32_t rank_count, uint32_t round) {
  std::vector<Bytes> all;
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    all.push_back(contribution_of(rank, round));
  }
  return all;
}

struct Answer {
  std::optional<std::vector<Bytes>> contributions;
  Status failure;
  bool arrived() const { return contributions.has_value() || !failure.ok(); }
};

class Job {
 public:
  static constexpr int kMostTurns = 20'000;  // a bound for what takes some ten turns

  explicit Job(uint64_t timeout_ms = 0) {
    secret_.fill(std::byte{0x42});
    Result<Descriptor> listener = listen_on(*SocketAddress::resolve("127.0.0.1", 0), 512);
    EXPECT_TRUE(listener.has_value());
    address_ = *local_address(*listener);
    Service::Options options{.listeners = {}, .secret = secret_, .timeout_ms = timeout_ms};
    options.listeners.push_back(std::move(*listener));
    service_ = std::make_unique<Service>(std::move(options), clock_);
  }

  Ticket ticket() const { return {.addresses = {address_}, .port_count = 1, .secret = secret_}; }
  const SocketAddress& address() const { return address_; }
  const Key& secret() const { return secret_; }
  TestClock& clock() { return clock_; }
  Service& service() { return *service_; }

  std::unique_ptr<SocketExchange> join(uint32_t rank, uint32_t rank_count) {
    return std::make_unique<SocketExchange>(ticket(), Place{rank, rank_count}, clock_);
  }
  std::vector<std::unique_ptr<SocketExchange>> join_all(uint32_t rank_count) {
    std::vector<std::unique_ptr<SocketExchange>> ranks;
    for (uint32_t rank = 0; rank < rank_count; ++rank) {
      ranks.push_back(join(rank, rank_count));
    }
    return ranks;
  }

  // Turns the service until `done`; false when it never is.
  bool turn_until(const std::function<bool()>& done) {
    for (int i = 0; i < kMostTurns; ++i) {
      if (done()) {
        return true;
      }
      service_->turn(-1, 1);
    }
    return done();
  }

  // Begins a round on `ranks` and carries it on until each has an answer.
  static void begin(std::span<const std::unique_ptr<SocketExchange>> ranks, uint32_t round) {
    for (const auto& rank : ranks) {
      const Status begun = rank->begin_all_gather(contribution_of(rank->rank(), round));
      ASSERT_TRUE(begun.ok()) << begun.message();
    }
  }
  std::vector<Answer> answers(std::span<const std::unique_ptr<SocketExchange>> ranks) {
    std::vector<Answer> answers(ranks.size());
    const bool all = turn_until([&] {
      bool complete = true;
      for (size_t i = 0; i < ranks.size(); ++i) {
        if (!answers[i].arrived()) {
          answers[i] = poll(*ranks[i]);
        }
        complete = complete && answers[i].arrived();
      }
      return complete;
    });
    EXPECT_TRUE(all) << "a rank got no answer";
    return answers;
  }
  static Answer poll(Exchange& rank) {
    Result<std::optional<std::vector<Bytes>>> polled = rank.poll();
    return polled ? Answer{std::move(*polled), {}} : Answer{std::nullopt, polled.error()};
  }
  void expect_whole_round(std::span<const std::unique_ptr<SocketExchange>> ranks, uint32_t round) {
    begin(ranks, round);
    for (const Answer& answer : answers(ranks)) {
      ASSERT_TRUE(answer.contributions.has_value()) << answer.failure.message();
      EXPECT_EQ(*answer.contributions, contributions_of_all(static_cast<uint32_t>(ranks.size()), round));
    }
  }
  // Carries `rank` on until it waits for others as a member of the job.
  void expect_joined(SocketExchange& rank) {
    EXPECT_TRUE(turn_until([&] { return !poll(rank).arrived() && rank.waiting_for() == "the other ranks"; }));
  }

 private:
  TestClock clock_;
  Key secret_{};
  SocketAddress address_;
  std::unique_ptr<Service> service_;
};

// A connection that says what the test wants.
class Stranger {
 public:
  explicit Stranger(const SocketAddress& address) : socket_(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    EXPECT_EQ(::connect(socket_.get(), address.get(), address.length()), 0);
  }
  void say(std::span<const std::byte> bytes) {
    EXPECT_EQ(::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  // What is there to read now, at most `most` bytes; empty optional when nothing is, an empty string when the other end has closed.
  std::optional<Bytes> hear(size_t most = 4096) {
    Bytes bytes(most);
    const ssize_t got = ::recv(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
      return std::nullopt;
    }
    bytes.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
    return bytes;
  }
  bool is_dropped() {
    const auto heard = hear();
    return heard && heard->empty();
  }
  int descriptor() const { return socket_.get(); }

 private:
  Descriptor socket_;
};

// An authenticated connection of rank `rank` of `rank_count` that keeps to no protocol, and ends without a goodbye.
class Insider {
 public:
  Insider(Job& job, uint32_t rank, uint32_t rank_count)
      : connection_(begin_connect(job.address()).value(),
                    Handshake(Handshake::Side::connecting, handshake_key(job.secret()),
                              {.rank = rank, .rank_count = rank_count, .purpose = kRootPurpose}),
                    kMaxLineFrameBytes) {
    EXPECT_TRUE(job.turn_until([&] {
      connection_.turn();
      return connection_.state() != Connection::State::authenticating;
    }));
    EXPECT_EQ(connection_.state(), Connection::State::open) << connection_.close_reason();
  }
  void say(const Bytes& bytes) {
    connection_.send(std::make_shared<const Bytes>(bytes));
    connection_.turn();
  }

 private:
  Connection connection_;
};

}  // namespace tutti::bootstrap
