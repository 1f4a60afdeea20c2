// SPDX-License-Identifier: Apache-2.0
// When a link tries several sockets, and when it keeps them.
#include "tcp_world.hpp"
#include "transports/tcp/full_rate.hpp"
#include "transports/tcp/socket_trial.hpp"

namespace tutti::transports::tcp::test {
namespace {

using Direction = SocketTrial::Direction;

constexpr uint64_t kSecond_ns = 1'000'000'000;
constexpr uint64_t kUsual = 100'000'000;

void note_four(SocketTrial& trial, Direction direction, uint64_t rate) {
  for (const uint64_t percent : {40, 100, 70, 90}) {  // the best counts
    trial.note(direction, rate * percent / 100);
  }
}

// Until several are tried.
void begin_trial(SocketTrial& trial, Direction direction) {
  EXPECT_EQ(trial.sockets(0), 1u);
  note_four(trial, direction, kUsual);
  ASSERT_EQ(trial.sockets(0), SocketTrial::kTriedSockets);
  trial.changed(0);
}

TEST(TcpSocketTrial, SeveralAreKeptIfTheyAreFaster) {
  for (const Direction direction : {Direction::out, Direction::in}) {
    SocketTrial trial;
    begin_trial(trial, direction);
    note_four(trial, direction, kUsual * 2);
    EXPECT_EQ(trial.sockets(0), SocketTrial::kTriedSockets);
    EXPECT_EQ(trial.sockets(1000 * kSecond_ns), SocketTrial::kTriedSockets) << "for good";
    EXPECT_EQ(trial.rates().usual_bytes_per_s, kUsual);
    EXPECT_EQ(trial.rates().tried_bytes_per_s, kUsual * 2);
  }
}

TEST(TcpSocketTrial, OneIsEnoughIfTheyAreNot) {
  SocketTrial trial;
  begin_trial(trial, Direction::out);
  note_four(trial, Direction::out, kUsual * 110 / 100);
  ASSERT_EQ(trial.sockets(0), 1u);
  trial.note(Direction::out, kUsual * 9);  // of sockets that are going
  trial.changed(0);
  note_four(trial, Direction::out, kUsual);
  EXPECT_EQ(trial.sockets(0), 1u) << "the next trial has to wait longer";
  for (int more = 0; more < 15; ++more) {
    note_four(trial, Direction::out, kUsual);
  }
  EXPECT_EQ(trial.sockets(0), SocketTrial::kTriedSockets);
}

TEST(TcpSocketTrial, WhatOneThreadCanHardlyDoFasterIsNotTried) {
  SocketTrial trial;
  for (int more = 0; more < 100; ++more) {
    note_four(trial, Direction::out, 2'000'000'000);
    ASSERT_EQ(trial.sockets(0), 1u);
  }
}

TEST(TcpSocketTrial, DirectionsAreNotCompared) {
  SocketTrial trial;
  begin_trial(trial, Direction::out);
  note_four(trial, Direction::in, kUsual * 3);
  EXPECT_EQ(trial.rates().usual_bytes_per_s, kUsual);
  EXPECT_EQ(trial.rates().tried_bytes_per_s, 0u);
  EXPECT_EQ(trial.sockets(1 * kSecond_ns), SocketTrial::kTriedSockets) << "not known yet";
  EXPECT_EQ(trial.sockets(60 * kSecond_ns), 1u) << "it will not be known";
}

TEST(TcpSocketTrial, WhatIsMeasuredWhileSocketsChangeDoesNotCount) {
  SocketTrial trial;
  note_four(trial, Direction::out, kUsual);
  ASSERT_EQ(trial.sockets(0), SocketTrial::kTriedSockets);
  note_four(trial, Direction::out, kUsual);
  EXPECT_EQ(trial.sockets(60 * kSecond_ns), SocketTrial::kTriedSockets);
  trial.changed(60 * kSecond_ns);
  EXPECT_EQ(trial.rates().tried_bytes_per_s, 0u);
}

TEST(TcpFullRate, CountsStretchesThatAreFullAtBothEnds) {
  constexpr uint64_t kTick_ns = 5'000'000;
  constexpr uint64_t kTickBytes = 500'000;
  FullRate rate;
  uint64_t now_ns = 0;
  uint64_t bytes = 0;
  std::optional<uint64_t> known;
  const auto note = [&](uint64_t waiting_bytes, uint64_t ticks = 1) {
    now_ns += ticks * kTick_ns;
    bytes += kTickBytes;
    known = rate.note(now_ns, {.socket_count = 1, .acknowledged_bytes = bytes, .waiting_bytes = waiting_bytes});
  };
  for (int turn = 0; turn < 100; ++turn) {
    note(turn % 2 == 0 ? 1'000'000 : 100);
    ASSERT_FALSE(known);
  }
  note(1'000'000);
  note(1'000'000, 100);
  ASSERT_FALSE(known) << "nobody knows what was in between";
  for (int turn = 0; turn < 7; ++turn) {
    note(1'000'000);
    ASSERT_FALSE(known) << "too little";
    rate.pause();
    note(1'000'000);
    ASSERT_FALSE(known) << "it began here";
  }
  note(1'000'000);
  ASSERT_TRUE(known);
  EXPECT_EQ(*known, kTickBytes * 200);
  bytes = 0;  // of other sockets
  note(1'000'000);
  EXPECT_FALSE(known);
}

}  // namespace
}  // namespace tutti::transports::tcp::test
