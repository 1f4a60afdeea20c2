// SPDX-License-Identifier: Apache-2.0
// Streams, events, host functions; many operations, communicators and threads at once.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include <fmt/format.h>

#include "support/calls.hpp"
#include "support/exercises.hpp"
#include "support/require.hpp"
#include "support/reference.hpp"
#include "support/thread_world.hpp"

namespace tutti::tests {
namespace {

constexpr int kRanks = 3;

std::string check_all(const std::vector<Part>& parts) {
  for (const Part& part : parts) {
    if (std::string failure = part.check(); !failure.empty()) {
      return failure;
    }
  }
  return {};
}

std::vector<Part> make_parts(const std::vector<Exercise>& exercises, int rank) {
  std::vector<Part> parts;
  parts.reserve(exercises.size());
  for (const Exercise& exercise : exercises) {
    parts.emplace_back(exercise, rank);
  }
  return parts;
}

TEST(Streams, AThousandOperationsBeforeTheFirstWait) {
  ThreadWorld world({.rank_count = kRanks});
  const std::vector<Exercise> exercises = random_exercises(kRanks, test_size() == Size::small ? 200 : 1000, test_seed() + 10);
  world.run([&](int rank) -> std::string {
    const std::vector<Part> parts = make_parts(exercises, rank);
    for (const Part& part : parts) {
      REQUIRE_SUCCESS(issue(part, world.comm(rank), nullptr));
    }
    REQUIRE_SUCCESS(tuttiCommSynchronize(world.comm(rank)));
    return check_all(parts);
  });
  EXPECT_EQ(world.failures(), "");
}

// More operations than the queue holds: enqueueing waits for room.
TEST(Streams, MoreOperationsThanTheQueueHolds) {
  constexpr int kOperations = 5000;
  ThreadWorld world({.rank_count = 2});
  world.run([&](int rank) -> std::string {
    std::vector<int64_t> values(kOperations, rank + 1);
    for (int64_t& value : values) {
      REQUIRE_SUCCESS(tuttiAllReduce(&value, &value, 1, tuttiInt64, tuttiSum, world.comm(rank), nullptr));
    }
    REQUIRE_SUCCESS(tuttiCommSynchronize(world.comm(rank)));
    return std::ranges::all_of(values, [](int64_t value) { return value == 3; }) ? "" : "wrong sum";
  });
  EXPECT_EQ(world.failures(), "");
}

TEST(Streams, SeveralStreamsAtOnce) {
  constexpr size_t kStreams = 4;
  ThreadWorld world({.rank_count = kRanks});
  const std::vector<Exercise> exercises = random_exercises(kRanks, 120, test_seed() + 11);
  world.run([&](int rank) -> std::string {
    tuttiStream_t streams[kStreams] = {};
    for (tuttiStream_t& stream : streams) {
      REQUIRE_SUCCESS(tuttiStreamCreate(&stream));
    }
    const std::vector<Part> parts = make_parts(exercises, rank);
    for (size_t index = 0; index < parts.size(); ++index) {
      REQUIRE_SUCCESS(issue(parts[index], world.comm(rank), streams[index % kStreams]));
    }
    for (const tuttiStream_t stream : streams) {
      REQUIRE_SUCCESS(tuttiStreamSynchronize(stream));
      REQUIRE_SUCCESS(tuttiStreamQuery(stream));
      REQUIRE_SUCCESS(tuttiStreamDestroy(stream));
    }
    return check_all(parts);
  });
  EXPECT_EQ(world.failures(), "");
}

// A stream runs its work in order: each step reads what the one before wrote.
TEST(Streams, WorkOfAStreamRunsInOrder) {
  ThreadWorld world({.rank_count = kRanks});
  world.run([&](int rank) -> std::string {
    tuttiStream_t stream = nullptr;
    REQUIRE_SUCCESS(tuttiStreamCreate(&stream));
    std::vector<int32_t> value(1000, rank + 1);
    for (int step = 0; step < 10; ++step) {
      REQUIRE_SUCCESS(tuttiAllReduce(value.data(), value.data(), value.size(), tuttiInt32, tuttiSum, world.comm(rank), stream));
    }
    REQUIRE_SUCCESS(tuttiStreamSynchronize(stream));
    REQUIRE_SUCCESS(tuttiStreamDestroy(stream));
    const int32_t expected = 6 * 19683;  // 1 + 2 + 3, then times three nine times
    return std::ranges::all_of(value, [&](int32_t element) { return element == expected; }) ? "" : fmt::format("{}", value[0]);
  });
  EXPECT_EQ(world.failures(), "");
}

TEST(Streams, EventsOrderStreamsAndHostFunctionsRunBetween) {
  ThreadWorld world({.rank_count = kRanks});
  world.run([&](int rank) -> std::string {
    tuttiStream_t first = nullptr;
    tuttiStream_t second = nullptr;
    tuttiEvent_t event = nullptr;
    REQUIRE_SUCCESS(tuttiStreamCreate(&first));
    REQUIRE_SUCCESS(tuttiStreamCreate(&second));
    REQUIRE_SUCCESS(tuttiEventCreate(&event));
    REQUIRE_SUCCESS(tuttiEventQuery(event));  // never recorded
    for (int round = 0; round < 20; ++round) {
      std::vector<int32_t> sum(50'000, 1);
      std::vector<int32_t> all(sum.size() * kRanks, 0);
      REQUIRE_SUCCESS(tuttiAllReduce(sum.data(), sum.data(), sum.size(), tuttiInt32, tuttiSum, world.comm(rank), first));
      REQUIRE_SUCCESS(tuttiStreamLaunchHostFunc(
          first, [](void* data) { for (int32_t& element : *static_cast<std::vector<int32_t>*>(data)) element *= 7; }, &sum));
      REQUIRE_SUCCESS(tuttiEventRecord(event, first));
      REQUIRE_SUCCESS(tuttiStreamWaitEvent(second, event));
      REQUIRE_SUCCESS(tuttiAllGather(sum.data(), all.data(), sum.size(), tuttiInt32, world.comm(rank), second));
      REQUIRE_SUCCESS(tuttiEventRecord(event, second));
      REQUIRE_SUCCESS(tuttiEventSynchronize(event));
      REQUIRE_SUCCESS(tuttiEventQuery(event));
      if (!std::ranges::all_of(all, [](int32_t element) { return element == 7 * kRanks; })) {
        return fmt::format("rank {} round {}: wrong sum", rank, round);
      }
    }
    REQUIRE_SUCCESS(tuttiStreamSynchronize(first));
    REQUIRE_SUCCESS(tuttiEventDestroy(event));
    REQUIRE_SUCCESS(tuttiStreamDestroy(first));
    REQUIRE_SUCCESS(tuttiStreamDestroy(second));
    return {};
  });
  EXPECT_EQ(world.failures(), "");
}

// The work completes although nobody waits for it: the engine carries it on.
TEST(Streams, QueryAloneSeesTheEnd) {
  ThreadWorld world({.rank_count = kRanks});
  world.run([&](int rank) -> std::string {
    tuttiStream_t stream = nullptr;
    REQUIRE_SUCCESS(tuttiStreamCreate(&stream));
    const Part part({.count = 100'000, .rank_count = kRanks}, rank);
    REQUIRE_SUCCESS(issue(part, world.comm(rank), stream));
    tuttiResult_t result = tuttiInProgress;
    while (result == tuttiInProgress) {
      std::this_thread::yield();
      result = tuttiStreamQuery(stream);
    }
    REQUIRE_SUCCESS(result);
    REQUIRE_SUCCESS(tuttiStreamDestroy(stream));
    return part.check();
  });
  EXPECT_EQ(world.failures(), "");
}

// Two communicators of the same ranks; each rank drives them by two threads.
TEST(Streams, TwoCommunicatorsByDifferentThreads) {
  ThreadWorld first({.rank_count = kRanks});
  ThreadWorld second({.rank_count = kRanks, .transports = "tcp"});
  const std::vector<Exercise> exercises = random_exercises(kRanks, 150, test_seed() + 12);
  const auto perform_all = [&](ThreadWorld& world) {
    world.run([&](int rank) -> std::string {
      for (const Exercise& exercise : exercises) {
        if (std::string failure = perform(exercise, rank, world.comm(rank)); !failure.empty()) {
          return failure;
        }
      }
      return {};
    });
  };
  std::thread other([&] { perform_all(second); });
  perform_all(first);
  other.join();
  EXPECT_EQ(first.failures(), "");
  EXPECT_EQ(second.failures(), "");
}

// One thread, two communicators, one stream: the second call reads what the first wrote.
TEST(Streams, OneStreamOrdersTwoCommunicators) {
  ThreadWorld first({.rank_count = kRanks});
  ThreadWorld second({.rank_count = kRanks});
  first.run([&](int rank) -> std::string {
    tuttiStream_t stream = nullptr;
    REQUIRE_SUCCESS(tuttiStreamCreate(&stream));
    std::vector<int64_t> value(20'000, 1);
    for (int step = 0; step < 10; ++step) {
      const tuttiComm_t comm = step % 2 == 0 ? first.comm(rank) : second.comm(rank);
      REQUIRE_SUCCESS(tuttiAllReduce(value.data(), value.data(), value.size(), tuttiInt64, tuttiSum, comm, stream));
    }
    REQUIRE_SUCCESS(tuttiStreamSynchronize(stream));
    REQUIRE_SUCCESS(tuttiStreamDestroy(stream));
    return std::ranges::all_of(value, [](int64_t element) { return element == 59'049; }) ? "" : "wrong sum";
  });
  EXPECT_EQ(first.failures(), "");
}

}  // namespace
}  // namespace tutti::tests
