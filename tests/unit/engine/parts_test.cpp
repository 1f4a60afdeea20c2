// SPDX-License-Identifier: Apache-2.0
// The small parts: loopback, scratch memory, host functions, the idle strategy.
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <stdexcept>

#include "engine/host_functions.hpp"
#include "engine/idle.hpp"
#include "engine/loopback.hpp"
#include "engine/scratch.hpp"

namespace tutti::engine {
namespace {

using transport::Outcome;

TEST(Loopback, HandsFramesOverByReference) {
  LoopbackLink link;
  const std::array<std::byte, 3> payload{std::byte{1}, std::byte{2}, std::byte{3}};
  ASSERT_EQ(link.try_send(1, {5, 6}, payload), Outcome::done);
  EXPECT_EQ(link.released_bytes(1), 0u);
  transport::Frame frame;
  EXPECT_EQ(link.peek(2, {}, &frame), Outcome::would_block);
  for (int look = 0; look < 2; ++look) {
    ASSERT_EQ(link.peek(1, {}, &frame), Outcome::done);
    EXPECT_EQ(frame.header, (transport::FrameHeader{5, 6}));
    EXPECT_EQ(frame.payload.data(), payload.data());
    EXPECT_EQ(frame.payload.size(), payload.size());
  }
  link.pop(1);
  EXPECT_EQ(link.released_bytes(1), payload.size());
  EXPECT_EQ(link.released_bytes(2), 0u);
  EXPECT_EQ(link.peek(1, {}, &frame), Outcome::would_block);
  EXPECT_TRUE(link.failure().ok());
}

TEST(Loopback, IsBoundedPerChannelAndKeepsOrder) {
  LoopbackLink link;
  const std::array<std::byte, 1> payload{};
  uint64_t taken = 0;
  while (link.try_send(3, {taken, 0}, payload) == Outcome::done) {
    ASSERT_LT(++taken, 1'000u);
  }
  EXPECT_GE(taken, 2u);
  EXPECT_EQ(link.try_send(4, {0, 0}, payload), Outcome::done);
  for (uint64_t next = 0; next < 50; ++next) {
    transport::Frame frame;
    ASSERT_EQ(link.peek(3, {}, &frame), Outcome::done);
    ASSERT_EQ(frame.header.call, next);
    link.pop(3);
    ASSERT_EQ(link.try_send(3, {taken + next, 0}, payload), Outcome::done);
  }
}

TEST(Scratch, GrowsAndIsKept) {
  Scratch scratch;
  std::byte* const small = scratch.at_least(100);
  ASSERT_NE(small, nullptr);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(small) % 64, 0u);
  EXPECT_EQ(scratch.at_least(1), small);
  EXPECT_EQ(scratch.at_least(128), small);
  std::byte* const large = scratch.at_least(100'000);
  ASSERT_NE(large, nullptr);
  large[99'999] = std::byte{1};
  EXPECT_EQ(scratch.at_least(100), large);
}

TEST(Scratch, SaysWhenThereIsNoMemoryAndRecovers) {
  Scratch scratch;
  for (const size_t too_many : {size_t{PTRDIFF_MAX}, SIZE_MAX - 10, SIZE_MAX}) {
    EXPECT_EQ(scratch.at_least(too_many), nullptr) << too_many;
  }
  EXPECT_NE(scratch.at_least(64), nullptr);
}

TEST(Scratch, IsAlignedToHugePagesWhereItFillsThem) {
  Scratch scratch;
  std::byte* const large = scratch.at_least((size_t{4} << 20) + 1);
  ASSERT_NE(large, nullptr);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(large) % (size_t{2} << 20), 0u);
  large[size_t{4} << 20] = std::byte{1};
}

TEST(ScratchPool, WhoFollowsUsesTheSameMemory) {
  ScratchPool<2> pool;
  Scratch* const first = pool.take();
  ASSERT_NE(first, nullptr);
  std::byte* const memory = first->at_least(1'000);
  Scratch* const second = pool.take();
  ASSERT_NE(second, nullptr);
  EXPECT_NE(second->at_least(1'000), memory);
  EXPECT_EQ(pool.take(), nullptr);
  pool.give_back(first);
  EXPECT_EQ(pool.take(), first);
  EXPECT_EQ(first->at_least(1'000), memory);
  pool.give_back(second);
  pool.give_back(first);
  EXPECT_EQ(pool.take(), first);
}

// Lets a test wait for host functions without polling.
class Latch {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

TEST(HostFunctions, RunInTheOrderAdded) {
  auto stream = std::make_shared<Stream>();
  std::vector<int> order;
  struct Argument {
    std::vector<int>* order;
    int value;
  };
  std::vector<Argument> arguments;
  for (int value = 0; value < 20; ++value) {
    arguments.push_back({&order, value});
    (void)stream->take();
  }
  {
    HostFunctions functions;
    for (Argument& argument : arguments) {
      functions.add({.function = [](void* data) {
                       const auto* own = static_cast<Argument*>(data);
                       own->order->push_back(own->value);
                     },
                     .user_data = &argument},
                    stream);
    }
  }  // waits for all of them
  ASSERT_EQ(order.size(), arguments.size());
  EXPECT_TRUE(std::ranges::is_sorted(order));
  EXPECT_TRUE(stream->has_completed(20));
  EXPECT_TRUE(stream->take_failure().ok());
}

TEST(HostFunctions, CompleteOnlyWhenTheFunctionHasReturned) {
  auto stream = std::make_shared<Stream>();
  Latch entered;
  Latch leave;
  struct Argument {
    Latch* entered;
    Latch* leave;
  } argument{&entered, &leave};
  {
    HostFunctions functions;
    functions.add({.function = [](void* data) {
                     const auto* latches = static_cast<Argument*>(data);
                     latches->entered->open();
                     latches->leave->wait();
                   },
                   .user_data = &argument},
                  stream);
    entered.wait();
    EXPECT_FALSE(stream->has_completed(1));
    leave.open();
  }
  EXPECT_TRUE(stream->has_completed(1));
}

TEST(HostFunctions, AnExceptionBecomesTheStreamsFailure) {
  auto stream = std::make_shared<Stream>();
  {
    HostFunctions functions;
    functions.add({.function = [](void*) { throw std::runtime_error("no"); }, .user_data = nullptr}, stream);
    functions.add({.function = [](void*) {}, .user_data = nullptr}, stream);
  }
  EXPECT_TRUE(stream->has_completed(2));
  const Status failure = stream->take_failure();
  EXPECT_EQ(failure.code(), tuttiInvalidUsage);
  EXPECT_EQ(failure.message(), "tuttiStreamLaunchHostFunc: the function threw an exception");
}

TEST(IdleStrategy, CountsTurnsWithoutWorkFromTheLastThatWorked) {
  IdleStrategy idle(Crowding::crowded);
  EXPECT_FALSE(idle.has_idled_long());
  for (int turn = 0; turn < 10; ++turn) {
    idle.after_turn(0);
  }
  EXPECT_TRUE(idle.has_idled_long());
  idle.after_turn(1);
  EXPECT_FALSE(idle.has_idled_long());
}

TEST(IdleStrategy, ACrowdedHostGivesUpSpinningSooner) {
  IdleStrategy crowded(Crowding::crowded);
  IdleStrategy spacious(Crowding::spacious);
  for (int turn = 0; turn < 10; ++turn) {
    crowded.after_turn(0);
    spacious.after_turn(0);
  }
  EXPECT_TRUE(crowded.has_idled_long());
  EXPECT_FALSE(spacious.has_idled_long());
}

}  // namespace
}  // namespace tutti::engine
