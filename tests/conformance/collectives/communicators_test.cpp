// SPDX-License-Identifier: Apache-2.0
// How communicators come and go, and groups of calls.
#include <gtest/gtest.h>

#include <numeric>
#include <thread>

#include <fmt/format.h>

#include "support/calls.hpp"
#include "support/exercises.hpp"
#include "support/require.hpp"
#include "support/thread_world.hpp"

namespace tutti::tests {
namespace {

// A few exercises on a communicator of any size.
std::string exercise_communicator(tuttiComm_t comm, uint64_t seed) {
  int rank = -1;
  int count = 0;
  REQUIRE_SUCCESS(tuttiCommUserRank(comm, &rank));
  REQUIRE_SUCCESS(tuttiCommCount(comm, &count));
  for (const Exercise& exercise : random_exercises(count, 20, seed)) {
    if (std::string failure = perform(exercise, rank, comm); !failure.empty()) {
      return failure;
    }
  }
  return {};
}

TEST(Communicators, InitAllAndGroupsOfSeveralRanksInOneThread) {
  for (const int rank_count : {1, 2, 5, 8}) {
    std::vector<tuttiComm_t> comms(static_cast<size_t>(rank_count));
    ASSERT_EQ(tuttiCommInitAll(comms.data(), rank_count, nullptr), tuttiSuccess) << tuttiGetLastError(nullptr);
    for (const Exercise& exercise : random_exercises(rank_count, 60, test_seed() + 20)) {
      std::vector<Part> parts;
      for (int rank = 0; rank < rank_count; ++rank) {
        parts.emplace_back(exercise, rank);
      }
      ASSERT_EQ(tuttiGroupStart(), tuttiSuccess);
      for (const Part& part : parts) {
        ASSERT_EQ(issue(part, comms[static_cast<size_t>(part.rank())], nullptr), tuttiSuccess) << tuttiGetLastError(nullptr);
      }
      ASSERT_EQ(tuttiGroupEnd(), tuttiSuccess) << tuttiGetLastError(nullptr);
      for (const tuttiComm_t comm : comms) {
        ASSERT_EQ(tuttiCommSynchronize(comm), tuttiSuccess) << tuttiGetLastError(comm);
      }
      for (const Part& part : parts) {
        ASSERT_EQ(part.check(), "");
      }
    }
    for (const tuttiComm_t comm : comms) {
      EXPECT_EQ(tuttiCommDestroy(comm), tuttiSuccess);
    }
  }
}

TEST(Communicators, OneThreadBringsUpSeveralRanksInAGroup) {
  constexpr int kRanks = 4;
  tuttiUniqueId id;
  ASSERT_EQ(tuttiGetUniqueId(&id), tuttiSuccess);
  std::vector<tuttiComm_t> comms(kRanks);
  ASSERT_EQ(tuttiGroupStart(), tuttiSuccess);
  for (int rank = 0; rank < kRanks; ++rank) {
    ASSERT_EQ(tuttiCommInitRank(&comms[static_cast<size_t>(rank)], kRanks, id, rank), tuttiSuccess);
  }
  ASSERT_EQ(tuttiGroupEnd(), tuttiSuccess) << tuttiGetLastError(nullptr);
  std::vector<std::thread> threads;
  for (const tuttiComm_t comm : comms) {
    threads.emplace_back([comm] {
      EXPECT_EQ(exercise_communicator(comm, test_seed()), "");
      EXPECT_EQ(tuttiCommFinalize(comm), tuttiSuccess);
      EXPECT_EQ(tuttiCommDestroy(comm), tuttiSuccess);
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST(Communicators, NonBlockingInitialisation) {
  constexpr int kRanks = 3;
  tuttiUniqueId id;
  ASSERT_EQ(tuttiGetUniqueId(&id), tuttiSuccess);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < kRanks; ++rank) {
    threads.emplace_back([&, rank] {
      tuttiConfig_t config = TUTTI_CONFIG_INITIALIZER;
      config.blocking = 0;
      tuttiComm_t comm = nullptr;
      EXPECT_EQ(tuttiCommInitRankConfig(&comm, kRanks, id, rank, &config), tuttiInProgress);
      tuttiResult_t state = tuttiInProgress;
      while (state == tuttiInProgress) {
        ASSERT_EQ(tuttiCommGetAsyncError(comm, &state), tuttiSuccess);
        std::this_thread::yield();
      }
      ASSERT_EQ(state, tuttiSuccess) << tuttiGetLastError(comm);
      EXPECT_EQ(exercise_communicator(comm, test_seed() + 1), "");
      EXPECT_EQ(tuttiCommDestroy(comm), tuttiSuccess);
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST(Communicators, SeveralIds) {
  constexpr int kRanks = 7;
  std::vector<tuttiUniqueId> ids(3);
  for (tuttiUniqueId& id : ids) {
    ASSERT_EQ(tuttiGetUniqueId(&id), tuttiSuccess);
  }
  std::vector<std::thread> threads;
  for (int rank = 0; rank < kRanks; ++rank) {
    threads.emplace_back([&, rank] {
      tuttiComm_t comm = nullptr;
      ASSERT_EQ(tuttiCommInitRankScalable(&comm, kRanks, rank, 3, ids.data(), nullptr), tuttiSuccess) << tuttiGetLastError(nullptr);
      EXPECT_EQ(exercise_communicator(comm, test_seed() + 3), "");
      EXPECT_EQ(tuttiCommDestroy(comm), tuttiSuccess);
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST(Communicators, SplitByColourAndKeyAndAgain) {
  constexpr int kRanks = 7;
  ThreadWorld world({.rank_count = kRanks});
  world.run([&](int rank) -> std::string {
    // Rank 6 stays out; the others split into even and odd, in reversed order.
    const int color = rank == 6 ? TUTTI_SPLIT_NOCOLOR : rank % 2;
    tuttiComm_t half = nullptr;
    REQUIRE_SUCCESS(tuttiCommSplit(world.comm(rank), color, -rank, &half, nullptr));
    if (rank == 6) {
      return half == nullptr ? "" : "a communicator without a colour";
    }
    int place = -1;
    int size = 0;
    REQUIRE_SUCCESS(tuttiCommUserRank(half, &place));
    REQUIRE_SUCCESS(tuttiCommCount(half, &size));
    if (size != 3 || place != 2 - rank / 2) {
      return fmt::format("rank {} became {} of {}", rank, place, size);
    }
    if (std::string failure = exercise_communicator(half, test_seed() + 2); !failure.empty()) {
      return failure;
    }
    tuttiComm_t part = nullptr;
    REQUIRE_SUCCESS(tuttiCommSplit(half, place == 0 ? 5 : 9, 0, &part, nullptr));
    if (std::string failure = exercise_communicator(part, test_seed() + 3); !failure.empty()) {
      return failure;
    }
    REQUIRE_SUCCESS(tuttiCommDestroy(part));
    REQUIRE_SUCCESS(tuttiCommDestroy(half));
    return {};
  });
  EXPECT_EQ(world.failures(), "");
  // The parent works on, for all.
  world.run([&](int rank) { return exercise_communicator(world.comm(rank), test_seed() + 4); });
  EXPECT_EQ(world.failures(), "");
}

TEST(Communicators, ManyInARow) {
  const int rounds = test_size() == Size::small ? 5 : 25;
  for (int round = 0; round < rounds; ++round) {
    ThreadWorld world({.rank_count = 2 + round % 3, .transports = round % 2 == 0 ? "shm" : "tcp"});
    world.run([&](int rank) { return exercise_communicator(world.comm(rank), static_cast<uint64_t>(round)); });
    ASSERT_EQ(world.failures(), "") << round;
  }
}

TEST(Groups, FusedCollectivesAndMessages) {
  constexpr int kRanks = 4;
  ThreadWorld world({.rank_count = kRanks});
  for (uint64_t round = 0; round < 20; ++round) {
    const std::vector<Exercise> exercises = random_exercises(kRanks, 12, test_seed() + 30 + round);
    world.run([&](int rank) -> std::string {
      std::vector<Part> parts;
      for (const Exercise& exercise : exercises) {
        parts.emplace_back(exercise, rank);
      }
      REQUIRE_SUCCESS(tuttiGroupStart());
      for (const Part& part : parts) {
        REQUIRE_SUCCESS(issue(part, world.comm(rank), nullptr));
      }
      REQUIRE_SUCCESS(tuttiGroupEnd());
      REQUIRE_SUCCESS(tuttiCommSynchronize(world.comm(rank)));
      for (const Part& part : parts) {
        if (std::string failure = part.check(); !failure.empty()) {
          return failure;
        }
      }
      return {};
    });
    ASSERT_EQ(world.failures(), "") << round;
  }
}

TEST(Groups, AllToAllOfMessagesSelfIncluded) {
  constexpr int kRanks = 5;
  for (const char* transports : {"shm", "tcp"}) {
    ThreadWorld world({.rank_count = kRanks, .transports = transports});
    for (const size_t count : {size_t{0}, size_t{1}, size_t{1009}, size_t{300'001}}) {
      world.run([&](int rank) -> std::string {
        std::vector<int32_t> sent(count * kRanks);
        std::vector<int32_t> received(count * kRanks, -1);
        std::iota(sent.begin(), sent.end(), rank * 10'000'000);
        REQUIRE_SUCCESS(tuttiGroupStart());
        for (int peer = 0; peer < kRanks; ++peer) {
          const size_t offset = static_cast<size_t>(peer) * count;
          REQUIRE_SUCCESS(tuttiSend(sent.data() + offset, count, tuttiInt32, peer, world.comm(rank), nullptr));
          REQUIRE_SUCCESS(tuttiRecv(received.data() + offset, count, tuttiInt32, peer, world.comm(rank), nullptr));
        }
        REQUIRE_SUCCESS(tuttiGroupEnd());
        REQUIRE_SUCCESS(tuttiCommSynchronize(world.comm(rank)));
        for (size_t index = 0; index < received.size(); ++index) {
          const auto peer = static_cast<int32_t>(index / count);
          const auto expected = peer * 10'000'000 + static_cast<int32_t>(static_cast<size_t>(rank) * count + index % count);
          if (received[index] != expected) {
            return fmt::format("rank {} element {} is {}, expected {}", rank, index, received[index], expected);
          }
        }
        return {};
      });
      ASSERT_EQ(world.failures(), "") << transports << " count " << count;
    }
  }
}

// Sends outside groups meet receives in their order.
TEST(Groups, MessagesKeepTheirOrder) {
  constexpr int kMessages = 200;
  ThreadWorld world({.rank_count = 2});
  world.run([&](int rank) -> std::string {
    std::vector<int64_t> values(kMessages, -1);
    for (int message = 0; message < kMessages; ++message) {
      int64_t& value = values[static_cast<size_t>(message)];
      if (rank == 0) {
        value = message * 3;
        REQUIRE_SUCCESS(tuttiSend(&value, 1, tuttiInt64, 1, world.comm(rank), nullptr));
      } else {
        REQUIRE_SUCCESS(tuttiRecv(&value, 1, tuttiInt64, 0, world.comm(rank), nullptr));
      }
    }
    REQUIRE_SUCCESS(tuttiCommSynchronize(world.comm(rank)));
    for (int message = 0; message < kMessages; ++message) {
      if (values[static_cast<size_t>(message)] != message * 3) {
        return fmt::format("message {} is {}", message, values[static_cast<size_t>(message)]);
      }
    }
    return {};
  });
  EXPECT_EQ(world.failures(), "");
}

}  // namespace
}  // namespace tutti::tests
