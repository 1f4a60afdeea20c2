// SPDX-License-Identifier: Apache-2.0
// A peer's memory over the link: within one process, and between two real ones.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>

#include "process_end.hpp"
#include "support.hpp"
#include "transport/windows.hpp"
#include "transports/shm/peer_process.hpp"
#include "transports/shm/window_exchange.hpp"

namespace tutti::transports::shm {
namespace {

using transport::Link;
using transport::MemoryAddress;
using transport::Outcome;
using transport::Windows;

std::span<std::byte> allocate(size_t byte_count) {
  const Result<std::byte*> memory = Windows::instance().allocate(byte_count);
  EXPECT_TRUE(memory.has_value());
  return {*memory, byte_count};
}

void release(std::span<std::byte> memory) { EXPECT_TRUE(Windows::instance().free(memory.data())); }

void fill(std::span<std::byte> memory, uint64_t seed) {
  const std::vector<std::byte> bytes = pattern(memory.size(), seed);
  std::copy(bytes.begin(), bytes.end(), memory.begin());
}

bool holds(std::span<const std::byte> memory, uint64_t seed) {
  const std::vector<std::byte> bytes = pattern(memory.size(), seed);
  return std::equal(bytes.begin(), bytes.end(), memory.begin(), memory.end());
}

size_t mapped_window_count() {
  return count_lines("/proc/self/maps", [](const std::string& line) { return line.find("memfd:tutti-window") != std::string::npos; });
}

TEST(ShmMemory, RanksOfOneProcessAddressEachOthersDirectly) {
  ConnectedPair pair;
  EXPECT_TRUE(pair.link_of(0).estimate().reaches_memory);
  EXPECT_TRUE(pair.link_of(1).estimate().reaches_memory);
  const std::span<std::byte> window = allocate(10'000);
  std::vector<std::byte> ordinary(10'000);
  for (const std::span<std::byte> memory : {window, std::span<std::byte>(ordinary)}) {
    fill(memory, 1);
    const MemoryAddress address = pair.link_of(0).publish(memory);
    EXPECT_TRUE(pair.link_of(0).is_shared(address));
    std::byte* shared = nullptr;
    ASSERT_EQ(pair.link_of(1).share(address, memory.size(), &shared), Outcome::done);
    EXPECT_EQ(shared, memory.data());
    std::vector<std::byte> target(memory.size());
    ASSERT_EQ(pair.link_of(1).fetch(address, target), Outcome::done);
    EXPECT_TRUE(holds(target, 1));
  }
  release(window);
}

TEST(ShmMemory, WhoHasLetGoIsNotVisited) {
  ConnectedPair pair;
  Link& owner = pair.link_of(0);
  Link& visitor = pair.link_of(1);
  ASSERT_TRUE(visitor.enter());
  ASSERT_TRUE(visitor.enter());
  visitor.leave();
  visitor.leave();
  owner.let_go();
  EXPECT_FALSE(visitor.enter());
  EXPECT_TRUE(owner.enter()) << "the other one lends on";
  owner.leave();
}

TEST(ShmMemory, LettingGoWaitsUntilTheVisitorHasLeft) {
  ConnectedPair pair;
  for (int visit = 0; visit < 2; ++visit) {  // also within a visit
    ASSERT_TRUE(pair.link_of(1).enter());
  }
  std::atomic<bool> has_left{false};
  std::thread owner([&] {
    pair.link_of(0).let_go();
    EXPECT_TRUE(has_left.load());
  });
  for (bool is_refused = false; !is_refused;) {  // the owner has begun to let go
    pair.link_of(1).leave();
    has_left = true;
    pair.link_of(1).leave();
    is_refused = !pair.link_of(1).enter();
    has_left = is_refused;
    if (!is_refused) {
      EXPECT_TRUE(pair.link_of(1).enter());
    }
  }
  owner.join();
}

TEST(ShmMemory, WhatIsNoAddressWithinOneProcessFailsTheLink) {
  ConnectedPair pair;
  std::byte* shared = nullptr;
  EXPECT_EQ(pair.link_of(1).share({7, 0}, 1, &shared), Outcome::failed);
  EXPECT_EQ(shared, nullptr);
  EXPECT_EQ(pair.link_of(1).failure().code(), tuttiRemoteError);
}

TEST(ShmMemory, TheSettingSwitchesItOff) {
  ConnectedPair pair({.peer_memory = false});
  EXPECT_FALSE(pair.link_of(0).estimate().reaches_memory);
  EXPECT_FALSE(pair.link_of(1).estimate().reaches_memory);
}

// The test is rank 0, a child is rank 1 and does what the test tells it over a pipe: commands are numbers, answers too.
class ShmPeerMemory : public ::testing::Test {
 protected:
  struct Request {
    enum Kind : uint64_t { share, fetch, poke } kind = share;
    MemoryAddress address;
    uint64_t byte_count = 0;
    uint64_t seed = 0;
    bool patient = true;  // keeps asking until it is no longer told to wait
  };
  struct Answer {
    bool done = false;
    bool shared = false;
    bool right = false;
    bool reaches = false;  // as the child's estimate says
    uint64_t mapped = 0;
    uint64_t open = 0;
    char failure[200] = {};
  };

  void start(void (*prepare)() = [] {}) {
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, exchange_), 0);
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, commands_), 0);
    child_ = ::fork();
    ASSERT_GE(child_, 0);
    if (child_ == 0) {
      ::close(commands_[0]);
      prepare();
      serve();
      ::_exit(0);
    }
    ::close(commands_[1]);
    end_ = std::make_unique<ProcessEnd>(0, exchange_[0]);
    ASSERT_NE(end_->link(), nullptr);
  }
  void TearDown() override {
    end_.reset();
    ::close(commands_[0]);
    if (child_ > 0) {
      int status = -1;
      EXPECT_EQ(::waitpid(child_, &status, 0), child_);
      EXPECT_TRUE(killed_ || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) << status;
    }
    ::close(exchange_[0]);
    ::close(exchange_[1]);
  }

  // Runs in the child.
  void serve() {
    ProcessEnd end(1, exchange_[1]);
    std::vector<std::byte> target;
    for (;;) {
      Request request;
      ssize_t received = -1;
      if (!end.until([&] { return (received = ::recv(commands_[1], &request, sizeof(request), MSG_DONTWAIT)) >= 0; })) ::_exit(2);
      if (received == 0) return;
      Answer answer;
      Link& link = *end.link();
      std::byte* memory = nullptr;
      Outcome outcome = Outcome::would_block;
      target.assign(request.byte_count, std::byte{0});
      const auto attempt = [&] {
        outcome = request.kind == Request::fetch ? link.fetch(request.address, target) : link.share(request.address, request.byte_count, &memory);
        return outcome != Outcome::would_block;
      };
      if (request.patient) {
        end.until(attempt);
      } else {
        attempt();
      }
      answer.done = outcome == Outcome::done;
      answer.shared = memory != nullptr;
      if (answer.done && request.kind == Request::fetch) answer.right = holds(target, request.seed);
      if (answer.shared && request.kind == Request::share) answer.right = holds({memory, request.byte_count}, request.seed);
      if (answer.shared && request.kind == Request::poke) fill({memory, request.byte_count}, request.seed);
      answer.reaches = link.estimate().reaches_memory;
      answer.mapped = mapped_window_count();
      answer.open = open_descriptor_count();
      std::strncpy(answer.failure, link.failure().message().c_str(), sizeof(answer.failure) - 1);
      if (::send(commands_[1], &answer, sizeof(answer), 0) != sizeof(answer)) ::_exit(3);
    }
  }

  Answer ask(const Request& request) {
    EXPECT_EQ(::send(commands_[0], &request, sizeof(request), MSG_NOSIGNAL), static_cast<ssize_t>(sizeof(request)));
    Answer answer;
    EXPECT_TRUE(end_->until([&] { return ::recv(commands_[0], &answer, sizeof(answer), MSG_DONTWAIT) == static_cast<ssize_t>(sizeof(answer)); }));
    return answer;
  }
  Link& link() { return *end_->link(); }
  pid_t child() const { return child_; }
  // The child has ended when this returns; it waits to be reaped.
  void kill_child() {
    killed_ = true;
    siginfo_t ended{};
    EXPECT_EQ(::kill(child_, SIGKILL), 0);
    EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(child_), &ended, WEXITED | WNOWAIT), 0);
  }
  ProcessEnd& end() { return *end_; }

 private:
  int exchange_[2] = {-1, -1};
  int commands_[2] = {-1, -1};
  pid_t child_ = -1;
  bool killed_ = false;
  std::unique_ptr<ProcessEnd> end_;
};

TEST_F(ShmPeerMemory, OrdinaryMemoryIsFetched) {
  start();
  if (!link().estimate().reaches_memory) GTEST_SKIP() << "this system lets no process read another";
  for (const size_t size : {0, 1, 4096, 1'000'003}) {
    std::vector<std::byte> memory(size);
    fill(memory, size);
    const MemoryAddress address = link().publish(memory);
    EXPECT_FALSE(link().is_shared(address));
    const Answer shared = ask({Request::share, address, size, size});
    EXPECT_TRUE(shared.done);
    EXPECT_FALSE(shared.shared);
    const Answer fetched = ask({Request::fetch, address, size, size});
    EXPECT_TRUE(fetched.done) << fetched.failure;
    EXPECT_TRUE(fetched.right);
  }
}

TEST_F(ShmPeerMemory, WindowsAreMappedOnceAndSeenByBoth) {
  start();
  const std::span<std::byte> memory = allocate(5'000'000);
  fill(memory, 1);
  for (const size_t offset : {0, 1, 4097, 4'999'999}) {
    const MemoryAddress address = link().publish(memory.subspan(offset));
    EXPECT_TRUE(link().is_shared(address));
    EXPECT_EQ(address.offset, offset);
  }
  const MemoryAddress address = link().publish(memory);
  const Answer first = ask({Request::share, address, memory.size(), 1});
  EXPECT_TRUE(first.shared && first.right) << first.failure;
  EXPECT_EQ(first.mapped, 1u);
  fill(memory, 2);
  const Answer second = ask({Request::share, address, memory.size(), 2});
  EXPECT_TRUE(second.right);
  EXPECT_EQ(second.mapped, 1u);
  EXPECT_TRUE(ask({Request::fetch, address, memory.size(), 2}).right);
  EXPECT_TRUE(ask({Request::poke, address, memory.size(), 3}).shared);
  EXPECT_TRUE(holds(memory, 3));
  release(memory);
}

TEST_F(ShmPeerMemory, FreedWindowsAreUnmappedByThePeer) {
  start();
  const std::span<std::byte> other = allocate(4096);
  const MemoryAddress kept = link().publish(other);
  fill(other, 9);
  const Answer before = ask({Request::share, kept, other.size(), 9});
  EXPECT_EQ(before.mapped, 1u);
  for (uint64_t round = 0; round < 100; ++round) {
    const std::span<std::byte> memory = allocate(100'000);
    fill(memory, round);
    const MemoryAddress address = link().publish(memory);
    const Answer shared = ask({Request::share, address, memory.size(), round});
    ASSERT_TRUE(shared.right) << shared.failure;
    ASSERT_LE(shared.mapped, 3u) << round;
    release(memory);
    Answer after;
    ASSERT_TRUE(end().until([&] {
      after = ask({Request::share, kept, other.size(), 9});
      return after.mapped == 1;
    }));
    ASSERT_EQ(after.open, before.open);
  }
  EXPECT_TRUE(ask({Request::share, kept, other.size(), 9}).right);
  release(other);
}

TEST_F(ShmPeerMemory, AWindowThatComesLateIsWaitedFor) {
  start();
  const Answer answer = ask({Request::share, {12'345'678, 0}, 10, 0, false});
  EXPECT_FALSE(answer.done);
  EXPECT_STREQ(answer.failure, "");
  const std::span<std::byte> memory = allocate(4096);
  fill(memory, 4);
  EXPECT_TRUE(ask({Request::share, link().publish(memory), memory.size(), 4}).right);
  release(memory);
}

struct Outside {
  uint64_t offset;
  uint64_t byte_count;
};
class ShmOutsideWindow : public ShmPeerMemory, public ::testing::WithParamInterface<Outside> {};

TEST_P(ShmOutsideWindow, FailsTheLink) {
  start();
  const std::span<std::byte> memory = allocate(4096);
  const MemoryAddress address{link().publish(memory).window, GetParam().offset};
  const Answer answer = ask({Request::share, address, GetParam().byte_count, 0});
  EXPECT_FALSE(answer.done || answer.shared);
  EXPECT_NE(std::string(answer.failure).find("of window " + std::to_string(address.window)), std::string::npos) << answer.failure;
  release(memory);
}

INSTANTIATE_TEST_SUITE_P(, ShmOutsideWindow,
                         ::testing::Values(Outside{4096, 1}, Outside{4095, 2}, Outside{UINT64_MAX, 2}, Outside{0, 4097}, Outside{1, 1u << 20}));

TEST_F(ShmPeerMemory, AnAddressWithoutMemoryFailsTheLinkAndNamesIt) {
  start();
  if (!link().estimate().reaches_memory) GTEST_SKIP() << "this system lets no process read another";
  void* const nothing = ::mmap(nullptr, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const Answer answer = ask({Request::fetch, {0, reinterpret_cast<uintptr_t>(nothing)}, 8192, 0});
  EXPECT_FALSE(answer.done);
  EXPECT_NE(std::string(answer.failure).find("of process " + std::to_string(::getpid()) + ": Bad address (EFAULT)"), std::string::npos)
      << answer.failure;
  ::munmap(nothing, 8192);
}

TEST_F(ShmPeerMemory, FetchingNeverWritesBeyondItsTarget) {
  start();
  if (!link().estimate().reaches_memory) GTEST_SKIP() << "this system lets no process read another";
  std::vector<std::byte> source(100'000, std::byte{1});
  std::vector<std::byte> target(100'064, std::byte{7});
  const MemoryAddress address = link().publish(source);
  EXPECT_EQ(address.window, 0u);
  EXPECT_TRUE(ask({Request::fetch, address, 1, 0}).done);
  const Status status = read_process(::getpid(), address.offset, std::span(target).subspan(32, 100'000));
  EXPECT_TRUE(status.ok()) << status.message();
  for (size_t index = 0; index < 32; ++index) {
    EXPECT_EQ(target[index], std::byte{7});
    EXPECT_EQ(target[target.size() - 1 - index], std::byte{7});
  }
}

TEST_F(ShmPeerMemory, ThousandsOfWindowsComeAndGo) {
  start();
  constexpr size_t kCount = 3000;
  const size_t before = open_descriptor_count();
  const Answer at_first = ask({Request::share, {0, 0}, 0, 0});
  std::vector<std::span<std::byte>> windows;
  for (size_t index = 0; index < kCount; ++index) windows.push_back(allocate(4096));
  for (size_t index = 0; index < kCount; ++index) {
    fill(windows[index], index);
    ASSERT_TRUE(link().is_shared(link().publish(windows[index])));
  }
  for (size_t index = 0; index < kCount; index += 111) {
    const Answer answer = ask({Request::share, link().publish(windows[index]), 4096, index});
    ASSERT_TRUE(answer.right) << index << ": " << answer.failure;
  }
  const Answer full = ask({Request::share, link().publish(windows.back()), 4096, kCount - 1});
  EXPECT_TRUE(full.right) << full.failure;
  EXPECT_EQ(full.open, at_first.open);  // no descriptor is kept
  for (const std::span<std::byte> window : windows) release(window);
  Answer after;
  EXPECT_TRUE(end().until([&] {
    after = ask({Request::share, {0, 0}, 0, 0});
    return after.mapped == 0;
  }));
  EXPECT_STREQ(after.failure, "");
  EXPECT_EQ(open_descriptor_count(), before);
}

TEST_F(ShmPeerMemory, MoreWindowsThanAPeerTakesAreOrdinaryMemory) {
  start();
  std::vector<std::span<std::byte>> windows;
  for (size_t index = 0; index < kMaxWindows + 5; ++index) {
    windows.push_back(allocate(4096));
    const bool shared = link().is_shared(link().publish(windows.back()));
    ASSERT_EQ(shared, index < kMaxWindows) << index;
  }
  fill(windows.back(), 5);
  if (link().estimate().reaches_memory) {
    EXPECT_TRUE(ask({Request::fetch, link().publish(windows.back()), 4096, 5}).right);
  }
  for (const std::span<std::byte> window : windows) release(window);
  windows.clear();
  const std::span<std::byte> next = allocate(4096);
  EXPECT_TRUE(link().is_shared(link().publish(next)));
  release(next);
}

TEST_F(ShmPeerMemory, ADeadPeersMemoryIsNotRead) {
  start();
  const MemoryAddress address{0, own_mark().address};  // forked: it lies at the same place
  kill_child();
  std::vector<std::byte> target(8);
  EXPECT_EQ(link().fetch(address, target), Outcome::failed);
  EXPECT_EQ(link().failure().code(), tuttiRemoteError);
  EXPECT_NE(link().failure().message().find("process " + std::to_string(child())), std::string::npos) << link().failure().message();
}

// What a sandbox does: the call that reads another process is refused.
void forbid_reading() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) ::_exit(4);
}

TEST_F(ShmPeerMemory, AProcessThatMayNotReadKnowsIt) {
  start(forbid_reading);
  const std::span<std::byte> memory = allocate(4096);
  fill(memory, 6);
  EXPECT_TRUE(ask({Request::share, link().publish(memory), 4096, 6}).right);  // windows need no such right
  std::vector<std::byte> ordinary(4096);
  const Answer refused = ask({Request::fetch, link().publish(ordinary), 4096, 0});
  EXPECT_FALSE(refused.done);
  EXPECT_NE(std::string(refused.failure).find("Operation not permitted (EPERM)"), std::string::npos) << refused.failure;
  EXPECT_FALSE(refused.reaches);
  release(memory);
}

}  // namespace
}  // namespace tutti::transports::shm
