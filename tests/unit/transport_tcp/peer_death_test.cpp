// SPDX-License-Identifier: Apache-2.0
// A peer that leaves, resets, or is killed.
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "tcp_world.hpp"

namespace tutti::transports::tcp::test {
namespace {

// Moves an address between a process and its child, over a pair of sockets.
void write_address(int socket, std::span<const std::byte> address) {
  ASSERT_EQ(::send(socket, address.data(), address.size(), MSG_NOSIGNAL), static_cast<ssize_t>(address.size()));
}
std::vector<std::byte> read_address(int socket) {
  std::vector<std::byte> address(transport::kMaxAddressBytes);
  const ssize_t size = ::recv(socket, address.data(), address.size(), 0);
  address.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return address;
}

// Rank 1: sends one frame and then polls until it is killed.
[[noreturn]] void run_victim(int socket) {
  Rank rank(1, 2, monotonic_clock());
  write_address(socket, rank.transport->address());
  rank.transport->connect(0, read_address(socket));
  bool sent = false;
  for (;;) {
    rank.transport->poll();
    if (Link* const link = rank.transport->link(0); link != nullptr && !sent) {
      sent = link->try_send(kChannel, {.call = 1, .message_bytes = 0}, {}) == Outcome::done;
    }
    if (::getppid() == 1) {
      ::_exit(1);
    }
  }
}

TEST(TcpPeerDeath, AKilledProcessFailsTheLink) {
  std::array<int, 2> sockets;
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets.data()), 0);
  const Descriptor own(sockets[0]);
  Descriptor others(sockets[1]);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    run_victim(others.get());
  }
  others.reset();
  Rank rank(0, 2, monotonic_clock());
  const auto address = read_address(own.get());
  write_address(own.get(), rank.transport->address());
  rank.transport->connect(1, address);
  Frame frame;
  bool arrived = false;
  for (int turn = 0; turn < kTurnLimit && !arrived; ++turn) {
    rank.transport->poll();
    arrived = rank.transport->link(1) != nullptr && rank.transport->link(1)->peek(kChannel, {}, &frame) == Outcome::done;
  }
  EXPECT_TRUE(arrived);
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  ASSERT_TRUE(arrived);
  Link& link = *rank.transport->link(1);
  // Polling alone must tell: nobody needs to be reading.
  for (int turn = 0; turn < kTurnLimit && link.failure().ok(); ++turn) {
    rank.transport->poll();
  }
  EXPECT_EQ(link.failure().code(), tuttiRemoteError);
  EXPECT_TRUE(link.failure().message() == "connection closed by peer" || link.failure().message() == "connection reset by peer")
      << link.failure().message();
  EXPECT_EQ(link.peek(kChannel, {}, &frame), Outcome::done) << "the frame that was there is still there";
  link.pop(kChannel);
  EXPECT_EQ(link.peek(kChannel, {}, &frame), Outcome::failed);
}

TEST(TcpPeerDeath, FramesThatArrivedBeforeItCanStillBePeeked) {
  ManualClock clock;
  World world(2, clock);
  world.connect_all();
  const auto payload = payload_of(1, 10'000);
  for (uint64_t sequence = 0; sequence < 10; ++sequence) {
    for (const uint32_t channel : {kChannel, kChannel + 1}) {
      ASSERT_TRUE(world.poll_until([&] {
        return world.link(0, 1).try_send(channel, {.call = sequence, .message_bytes = 0}, payload) == Outcome::done;
      }));
    }
  }
  ASSERT_TRUE(world.poll_until([&] { return world.link(0, 1).released_bytes(kChannel + 1) == 10 * payload.size(); }));
  world.destroy(0);
  Link& link = world.link(1, 0);
  std::vector<std::byte> landing(payload.size());
  for (const uint32_t channel : {kChannel + 1, kChannel}) {
    for (uint64_t sequence = 0; sequence < 10; ++sequence) {
      Frame frame;
      ASSERT_TRUE(world.poll_until([&] { return link.peek(channel, landing, &frame) == Outcome::done; }));
      EXPECT_EQ(frame.header.call, sequence);
      EXPECT_TRUE(equal(frame.payload, payload));
      link.pop(channel);
    }
    Frame frame;
    ASSERT_TRUE(world.poll_until([&] { return link.peek(channel, landing, &frame) == Outcome::failed; }));
  }
  EXPECT_EQ(link.failure().message(), "connection closed by peer");
}

TEST(TcpPeerDeath, AFrameCutShortIsNeverSeen) {
  ManualClock clock;
  RankOptions options;
  World world(2, clock, options);
  world.connect_all();
  shrink_socket_buffers();
  // Nobody reads rank 1's socket, so that a part of this stays with rank 0 and is lost with it.
  const auto payload = payload_of(1, kMaxFrameBytes);
  Link& sender = world.link(0, 1);
  uint64_t taken_bytes = 0;
  for (int turn = 0; turn < 1000; ++turn) {
    for (uint32_t channel = kChannel; channel < transport::kChannelCount; ++channel) {
      taken_bytes += sender.try_send(channel, {}, payload) == Outcome::done ? payload.size() : 0;
    }
  }
  uint64_t released_bytes = 0;
  for (uint32_t channel = 0; channel < transport::kChannelCount; ++channel) {
    released_bytes += sender.released_bytes(channel);
  }
  ASSERT_LT(released_bytes, taken_bytes) << "the socket took everything";
  world.destroy(0);
  Link& link = world.link(1, 0);
  uint64_t received_bytes = 0;
  for (uint32_t channel = kChannel; channel < transport::kChannelCount; ++channel) {
    Outcome outcome = Outcome::would_block;
    while (outcome != Outcome::failed) {
      Frame frame;
      outcome = link.peek(channel, {}, &frame);
      if (outcome == Outcome::done) {
        ASSERT_TRUE(equal(frame.payload, payload));
        received_bytes += frame.payload.size();
        link.pop(channel);
      }
    }
  }
  EXPECT_EQ(received_bytes, released_bytes / kMaxFrameBytes * kMaxFrameBytes);
}

TEST(TcpPeerDeath, ReleasesWhatTheDeadPeerWillNeverTake) {
  ManualClock clock;
  World world(2, clock);
  world.connect_all();
  const auto payload = payload_of(1, kMaxFrameBytes);
  Link& sender = world.link(0, 1);
  std::array<uint64_t, transport::kChannelCount> taken_bytes{};
  for (int turn = 0; turn < 1000; ++turn) {
    for (uint32_t channel = kChannel; channel < transport::kChannelCount; ++channel) {
      taken_bytes[channel] += sender.try_send(channel, {}, payload) == Outcome::done ? payload.size() : 0;
    }
  }
  world.destroy(1);
  ASSERT_TRUE(world.poll_until([&] { return !sender.failure().ok(); }));
  EXPECT_EQ(sender.failure().code(), tuttiRemoteError);
  for (uint32_t channel = 0; channel < transport::kChannelCount; ++channel) {
    EXPECT_EQ(sender.released_bytes(channel), taken_bytes[channel]);
  }
  EXPECT_EQ(sender.try_send(kChannel, {}, payload), Outcome::failed);
  const std::string words = sender.failure().message();
  for (int turn = 0; turn < 10'000; ++turn) {
    world.poll();
  }
  EXPECT_EQ(sender.failure().message(), words) << "a failure is for good";
}

TEST(TcpPeerDeath, TheLastWordsOfALeavingPeerArrive) {
  ManualClock clock;
  World world(2, clock);
  world.connect_all();
  // Rank 1 leaves with unread bytes in its socket, which must not cost rank 0 the farewell.
  ASSERT_EQ(world.link(0, 1).try_send(kChannel, {}, payload_of(1, 1000)), Outcome::done);
  ASSERT_EQ(world.link(1, 0).try_send(transport::kControlChannel, {.call = 9, .message_bytes = 9}, {}), Outcome::done);
  world.destroy(1);
  Frame frame;
  ASSERT_TRUE(world.poll_until([&] { return world.link(0, 1).peek(transport::kControlChannel, {}, &frame) != Outcome::would_block; }));
  EXPECT_EQ(frame.header.call, 9u);
}

}  // namespace
}  // namespace tutti::transports::tcp::test
