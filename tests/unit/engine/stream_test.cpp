// SPDX-License-Identifier: Apache-2.0
#include "engine/stream.hpp"
#include "tests/unit/engine/executor_world.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace tutti::engine {
namespace {

TEST(Stream, StartsWorkOneByOne) {
  Stream stream;
  const auto first = stream.take();
  const auto second = stream.take();
  EXPECT_EQ(stream.issued(), 2u);
  EXPECT_TRUE(stream.may_start(first));
  EXPECT_FALSE(stream.may_start(second));
  EXPECT_TRUE(stream.has_completed(0));
  EXPECT_FALSE(stream.has_completed(1));
  stream.complete(Status());
  EXPECT_TRUE(stream.may_start(second));
  EXPECT_TRUE(stream.has_completed(1));
  EXPECT_FALSE(stream.has_completed(2));
  stream.complete(Status());
  EXPECT_TRUE(stream.has_completed(stream.issued()));
}

TEST(Stream, OfOneExecutorCountsAlike) {
  Stream stream(Stream::Users::one_executor);
  const auto first = stream.take();
  const auto second = stream.take();
  EXPECT_EQ(stream.issued(), 2u);
  EXPECT_TRUE(stream.may_start(first));
  EXPECT_FALSE(stream.may_start(second));
  stream.complete(Status());
  EXPECT_TRUE(stream.may_start(second));
  EXPECT_FALSE(stream.has_completed(stream.issued()));
}

TEST(Stream, WorkOfAGroupStartsTogetherAndWhatFollowsWaitsForAllOfIt) {
  Stream stream;
  const auto before = stream.take();
  const Stream::Ticket group{stream.issued()};
  for (int member = 0; member < 3; ++member) {
    (void)stream.take();
  }
  const auto after = stream.take();
  EXPECT_TRUE(stream.may_start(before));
  EXPECT_FALSE(stream.may_start(group));
  stream.complete(Status());
  for (int member = 0; member < 3; ++member) {
    EXPECT_TRUE(stream.may_start(group));
    EXPECT_FALSE(stream.may_start(after)) << member << " of 3 have completed";
    stream.complete(Status());
  }
  EXPECT_TRUE(stream.may_start(after));
}

TEST(Stream, KeepsTheFirstFailureOnce) {
  Stream stream;
  EXPECT_FALSE(stream.has_failure());
  EXPECT_TRUE(stream.take_failure().ok());
  stream.complete(remote_error("first"));
  stream.complete(timeout_error("second"));
  stream.complete(Status());
  EXPECT_TRUE(stream.has_failure());
  EXPECT_TRUE(stream.has_completed(3));
  const Status failure = stream.take_failure();
  EXPECT_EQ(failure.code(), tuttiRemoteError);
  EXPECT_EQ(failure.message(), "first");
  EXPECT_FALSE(stream.has_failure());
  EXPECT_TRUE(stream.take_failure().ok());
  stream.complete(timeout_error("third"));
  EXPECT_EQ(stream.take_failure().message(), "third");
}

TEST(Stream, HasNoExecutorUntilOneIsRemembered) {
  Stream stream;
  EXPECT_EQ(stream.executor(), nullptr);
  {
    ExecutorWorld world;
    stream.remember_executor(world[1]);
    EXPECT_EQ(stream.executor().get(), &world[1]);
  }
  EXPECT_EQ(stream.executor(), nullptr) << "it does not keep the executor";
}

TEST(Stream, CompletingPublishesWhatTheWorkWrote) {
  constexpr uint64_t kCount = 1'000;
  Stream stream;
  std::vector<uint64_t> results(kCount, 0);
  std::vector<Stream::Ticket> tickets;
  for (uint64_t index = 0; index < kCount; ++index) {
    tickets.push_back(stream.take());
  }
  const auto run_every_other = [&](uint64_t first) {
    for (uint64_t index = first; index < kCount; index += 2) {
      while (!stream.may_start(tickets[index])) {
        std::this_thread::yield();
      }
      results[index] = (index == 0 ? 0 : results[index - 1]) + 1;
      stream.complete(Status());
    }
  };
  std::thread odd([&] { run_every_other(1); });
  run_every_other(0);
  odd.join();
  EXPECT_EQ(results.back(), kCount);
}

}  // namespace
}  // namespace tutti::engine
