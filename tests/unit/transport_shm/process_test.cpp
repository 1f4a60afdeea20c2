// SPDX-License-Identifier: Apache-2.0
// Two real processes, one of which dies.
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process_end.hpp"
#include "support.hpp"

namespace tutti::transports::shm {
namespace {

using transport::Frame;
using transport::FrameHeader;
using transport::Link;
using transport::Outcome;

class ShmProcess : public ::testing::TestWithParam<uint32_t> {
 protected:
  ShmProcess() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, exchange_), 0); }
  ~ShmProcess() override {
    ::close(exchange_[0]);
    ::close(exchange_[1]);
  }

  int exchange_[2] = {-1, -1};
};

TEST_P(ShmProcess, EchoesFramesOfEverySize) {
  const uint32_t rank = GetParam();
  constexpr uint64_t kFrames = 1000;
  const pid_t child = in_child([&] {
    ProcessEnd end(1 - rank, exchange_[1]);
    for (uint64_t number = 0; end.link() != nullptr && number < kFrames; ++number) {
      Frame frame;
      if (!end.until([&] { return end.link()->peek(2, {}, &frame) == Outcome::done; })) ::_exit(1);
      if (!end.until([&] { return end.link()->try_send(3, frame.header, frame.payload) == Outcome::done; })) ::_exit(1);
      end.link()->pop(2);
    }
    end.until([&] { return !end.link()->failure().ok(); });
  });
  ASSERT_GT(child, 0);
  {
    ProcessEnd end(rank, exchange_[0]);
    ASSERT_NE(end.link(), nullptr);
    const auto size_of_frame = [&](uint64_t number) { return number * 331 % (end.link()->max_frame_bytes() + 1); };
    uint64_t sent = 0;
    for (uint64_t received = 0; received < kFrames; ++received) {
      Frame frame;
      ASSERT_TRUE(end.until([&] {
        if (sent < kFrames && end.link()->try_send(2, {sent, 1}, pattern(size_of_frame(sent), sent)) == Outcome::done) ++sent;
        return end.link()->peek(3, {}, &frame) == Outcome::done;
      }));
      const std::vector<std::byte> expected = pattern(size_of_frame(received), received);
      ASSERT_EQ(frame.header, (FrameHeader{received, 1}));
      ASSERT_TRUE(std::equal(expected.begin(), expected.end(), frame.payload.begin(), frame.payload.end())) << received;
      end.link()->pop(3);
    }
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST_P(ShmProcess, AKilledPeerIsNoticedAfterItsLastFrame) {
  const uint32_t rank = GetParam();
  constexpr uint64_t kFrames = 20;
  const pid_t child = in_child([&] {
    ProcessEnd end(1 - rank, exchange_[1]);
    for (uint64_t number = 0; end.link() != nullptr && number < kFrames; ++number) {
      if (end.link()->try_send(2, {number, 1}, pattern(number * 50, number)) != Outcome::done) ::_exit(1);
    }
    const char ready = 'r';
    if (::write(exchange_[1], &ready, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  });
  ASSERT_GT(child, 0);
  ProcessEnd end(rank, exchange_[0]);
  ASSERT_NE(end.link(), nullptr);
  char ready = 0;
  ASSERT_EQ(::read(exchange_[0], &ready, 1), 1);
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_TRUE(end.until([&] { return !end.link()->failure().ok(); }));
  EXPECT_EQ(end.link()->failure().code(), tuttiRemoteError);
  EXPECT_EQ(end.link()->failure().message(), "process " + std::to_string(child) + " ended or closed its link");
  for (uint64_t number = 0; number < kFrames; ++number) {
    Frame frame;
    ASSERT_EQ(end.link()->peek(2, {}, &frame), Outcome::done) << number;
    const std::vector<std::byte> expected = pattern(number * 50, number);
    ASSERT_TRUE(std::equal(expected.begin(), expected.end(), frame.payload.begin(), frame.payload.end())) << number;
    end.link()->pop(2);
  }
  Frame frame;
  EXPECT_EQ(end.link()->peek(2, {}, &frame), Outcome::failed);
  EXPECT_EQ(end.link()->try_send(2, {}, {}), Outcome::failed);
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
}

// A child of the peer that outlives it holds the peer's socket open, so the socket alone would never tell.
TEST_P(ShmProcess, AKilledPeerIsNoticedThoughItsChildLivesOn) {
  const uint32_t rank = GetParam();
  const pid_t child = in_child([&] {
    ProcessEnd end(1 - rank, exchange_[1]);
    const pid_t grandchild = in_child([] {
      for (;;) ::pause();
    });
    if (::write(exchange_[1], &grandchild, sizeof(grandchild)) != sizeof(grandchild)) ::_exit(1);
    for (;;) ::pause();
  });
  ASSERT_GT(child, 0);
  ProcessEnd end(rank, exchange_[0]);
  ASSERT_NE(end.link(), nullptr);
  pid_t grandchild = 0;
  ASSERT_EQ(::read(exchange_[0], &grandchild, sizeof(grandchild)), static_cast<ssize_t>(sizeof(grandchild)));
  ASSERT_GT(grandchild, 0);
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  EXPECT_TRUE(end.until([&] { return !end.link()->failure().ok(); }));
  EXPECT_EQ(::kill(grandchild, SIGKILL), 0);
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
}

INSTANTIATE_TEST_SUITE_P(AsEitherRank, ShmProcess, ::testing::Values(0u, 1u));

}  // namespace
}  // namespace tutti::transports::shm
