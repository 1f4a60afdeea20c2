// SPDX-License-Identifier: Apache-2.0
// tuttiCommAbort from any thread in any state, what the other ranks are told, and that nothing stays behind.
#include <atomic>
#include <iostream>
#include <thread>

#include "robustness/support.hpp"

namespace tutti::robustness {
namespace {

class Abort : public testing::TestWithParam<const char*> {
 protected:
  Job job(int rank_count = 2) const { return {.rank_count = rank_count, .transports = GetParam()}; }
};

// Aborts and prints how long that took.
void abort_timed(tuttiComm_t& comm, const char* state) {
  const double begin_ms = now_ms();
  EXPECT_EQ(tuttiCommAbort(comm), tuttiSuccess) << tuttiGetLastError(nullptr);
  std::cout << "abort while " << state << ": " << now_ms() - begin_ms << " ms\n";
  comm = nullptr;
}

// What another rank gets once a peer has aborted: of a call that needs the peer, and of the next.
void expect_told(tuttiComm_t comm, int aborter) {
  int64_t sum = 0;
  const std::vector<std::string> words{"aborted by rank " + std::to_string(aborter)};
  expect_error(all_reduce_once(comm, 1, &sum), tuttiAborted, words);
  expect_error(all_reduce_once(comm, 1, &sum), tuttiAborted, words);
}

// The same where the aborter has called something that this rank does not join: a call of its own before it was told would be a mismatch.
void expect_told_of_work_not_joined(tuttiComm_t comm, int aborter) {
  tuttiResult_t state = tuttiSuccess;
  while (state == tuttiSuccess) {
    ASSERT_EQ(tuttiCommGetAsyncError(comm, &state), tuttiSuccess);
    std::this_thread::yield();
  }
  expect_told(comm, aborter);
}

TEST_P(Abort, Idle) {
  run_ranks(job(3), [](int rank, tuttiComm_t& comm) {
    if (rank == 1) {
      abort_timed(comm, "idle");
    } else {
      expect_told(comm, 1);
    }
  });
}

TEST_P(Abort, WithWorkThatAPeerNeverJoins) {
  run_ranks(job(), [](int rank, tuttiComm_t& comm) {
    if (rank == 1) {
      return expect_told_of_work_not_joined(comm, 0);
    }
    tuttiStream_t stream = nullptr;
    ASSERT_EQ(tuttiStreamCreate(&stream), tuttiSuccess);
    std::vector<float> buffer(100'000);
    ASSERT_EQ(tuttiAllReduce(buffer.data(), buffer.data(), buffer.size(), tuttiFloat32, tuttiSum, comm, stream), tuttiSuccess);
    ASSERT_EQ(tuttiSend(buffer.data(), buffer.size(), tuttiFloat32, 1, comm, stream), tuttiSuccess);
    abort_timed(comm, "an allreduce is pending");
    expect_error(outcome_of(tuttiStreamSynchronize(stream)), tuttiAborted, {"aborted by rank 0"});
    EXPECT_EQ(tuttiStreamSynchronize(stream), tuttiSuccess) << "told once; the stream can be used again";
    EXPECT_EQ(tuttiStreamDestroy(stream), tuttiSuccess);
  });
}

// Another thread is inside `wait` when this one aborts.
void abort_beside(const Job& job, const char* state, const std::function<Outcome(tuttiComm_t, tuttiStream_t)>& wait) {
  run_ranks(job, [&](int rank, tuttiComm_t& comm) {
    if (rank == 1) {
      return expect_told_of_work_not_joined(comm, 0);
    }
    tuttiStream_t stream = nullptr;
    ASSERT_EQ(tuttiStreamCreate(&stream), tuttiSuccess);
    std::atomic<bool> waits{false};  // written by the waiter, read here: it is about to wait
    std::thread waiter([&, comm] {
      std::vector<float> buffer(1'000);
      EXPECT_EQ(tuttiAllReduce(buffer.data(), buffer.data(), buffer.size(), tuttiFloat32, tuttiSum, comm, stream), tuttiSuccess);
      waits.store(true);
      expect_error(wait(comm, stream), tuttiAborted, {"aborted by rank 0"});
    });
    while (!waits.load()) {
      std::this_thread::yield();
    }
    abort_timed(comm, state);
    waiter.join();
    EXPECT_EQ(tuttiStreamDestroy(stream), tuttiSuccess);
  });
}

TEST_P(Abort, WhileAnotherThreadSynchronisesAStream) {
  abort_beside(job(), "another thread synchronises a stream",
               [](tuttiComm_t, tuttiStream_t stream) { return outcome_of(tuttiStreamSynchronize(stream)); });
}

TEST_P(Abort, WhileAnotherThreadFillsTheQueue) {
  abort_beside(job(), "another thread waits for room in the queue", [](tuttiComm_t comm, tuttiStream_t stream) {
    static float buffer = 0;
    Outcome outcome;
    while (outcome.code == tuttiSuccess) {
      outcome = outcome_of(tuttiAllReduce(&buffer, &buffer, 1, tuttiFloat32, tuttiSum, comm, stream));
    }
    // The handle may have become invalid between two calls, which is no error of this test.
    return outcome.code == tuttiInvalidArgument ? outcome_of(tuttiStreamSynchronize(stream)) : outcome;
  });
}

TEST_P(Abort, WhileAnotherThreadSynchronisesTheCommunicator) {
  run_ranks(job(), [](int rank, tuttiComm_t& comm) {
    if (rank == 1) {
      return expect_told_of_work_not_joined(comm, 0);
    }
    float buffer = 0;
    ASSERT_EQ(tuttiAllReduce(&buffer, &buffer, 1, tuttiFloat32, tuttiSum, comm, nullptr), tuttiSuccess);
    std::atomic<bool> waits{false};
    std::thread waiter([&, comm] {
      waits.store(true);
      const tuttiResult_t code = tuttiCommSynchronize(comm);
      EXPECT_TRUE(code == tuttiAborted || code == tuttiInvalidArgument) << code;  // the latter if it came too late
    });
    while (!waits.load()) {
      std::this_thread::yield();
    }
    abort_timed(comm, "another thread synchronises the communicator");
    waiter.join();
  });
}

TEST_P(Abort, WhileAnotherThreadsGroupIsOpen) {
  run_ranks(job(), [](int rank, tuttiComm_t& comm) {
    if (rank == 1) {
      return expect_told(comm, 0);
    }
    ASSERT_EQ(tuttiGroupStart(), tuttiSuccess);
    EXPECT_EQ(tuttiBarrier(comm, nullptr), tuttiSuccess);
    std::thread([&] { abort_timed(comm, "another thread's group is open"); }).join();
    expect_error(outcome_of(tuttiGroupEnd()), tuttiAborted, {"aborted by rank 0"});
  });
}

TEST_P(Abort, AfterAFailure) {
  run_ranks(job(), [](int rank, tuttiComm_t& comm) {
    int64_t in = 1;
    int64_t out = 0;
    EXPECT_EQ(tuttiAllReduce(&in, &out, 1, tuttiInt64, rank == 0 ? tuttiSum : tuttiMax, comm, nullptr), tuttiSuccess);
    EXPECT_EQ(tuttiCommSynchronize(comm), tuttiMismatch);
    abort_timed(comm, "failed");
  });
}

TEST_P(Abort, SeveralThreadsAtOnce) {
  run_ranks(job(), [](int rank, tuttiComm_t& comm) {
    if (rank == 1) {
      return expect_told(comm, 0);
    }
    std::atomic<int> succeeded{0};
    run_threads(4, [&](int) { succeeded += tuttiCommAbort(comm) == tuttiSuccess ? 1 : 0; });
    EXPECT_GE(succeeded.load(), 1);
    comm = nullptr;
  });
}

TEST_P(Abort, DuringInitialisation) {
  tuttiUniqueId id;
  ASSERT_EQ(tuttiGetUniqueId(&id), tuttiSuccess);
  tuttiConfig_t config = default_config();
  config.blocking = 0;
  config.transports = GetParam();
  std::vector<tuttiComm_t> comms(2);  // of three: nobody comes up
  for (int rank = 0; rank < 2; ++rank) {
    ASSERT_EQ(tuttiCommInitRankConfig(&comms[static_cast<size_t>(rank)], 3, id, rank, &config), tuttiInProgress);
  }
  tuttiResult_t state = tuttiSuccess;
  EXPECT_EQ(tuttiCommGetAsyncError(comms[1], &state), tuttiSuccess);
  EXPECT_EQ(state, tuttiInProgress);
  int64_t value = 0;
  expect_error(outcome_of(tuttiAllReduce(&value, &value, 1, tuttiInt64, tuttiSum, comms[1], nullptr)), tuttiInvalidUsage,
               {"still initialising"});
  abort_timed(comms[0], "initialising");
  // The other one is told, unless rank 0 had not yet been met when it gave up.
  abort_timed(comms[1], "initialising or told");
}

TEST_P(Abort, OfAnInitialisingRankIsToldToTheOthers) {
  tuttiUniqueId id;
  ASSERT_EQ(tuttiGetUniqueId(&id), tuttiSuccess);
  tuttiConfig_t config = default_config();
  config.blocking = 0;
  config.transports = GetParam();
  config.timeoutMs = 2'000;
  std::vector<tuttiComm_t> comms(2);
  for (int rank = 0; rank < 2; ++rank) {
    ASSERT_EQ(tuttiCommInitRankConfig(&comms[static_cast<size_t>(rank)], 3, id, rank, &config), tuttiInProgress);
  }
  // A rank that gives up before anyone has met it counts as missing; else the others are told of the abort.
  tuttiComm_t third = nullptr;
  ASSERT_EQ(tuttiCommInitRankConfig(&third, 3, id, 2, &config), tuttiInProgress);
  abort_timed(comms[0], "initialising or up");
  for (const tuttiComm_t comm : {comms[1], third}) {
    tuttiResult_t state = tuttiInProgress;
    while (state == tuttiInProgress || state == tuttiSuccess) {
      ASSERT_EQ(tuttiCommGetAsyncError(comm, &state), tuttiSuccess);
    }
    EXPECT_TRUE(state == tuttiAborted || state == tuttiRemoteError || state == tuttiTimeout) << tuttiGetLastError(comm);
    EXPECT_THAT(tuttiGetLastError(comm), testing::ContainsRegex("ranks? ([0-9]+, )*0"));
    EXPECT_EQ(tuttiCommDestroy(comm), tuttiSuccess);
  }
}

// Descriptors, threads and mappings after the first rounds, which make what the process keeps, and after many more.
void expect_nothing_stays(const std::function<void()>& round) {
  constexpr int kWarmUp = 10;
  constexpr int kRounds = 50;
  for (int warm_up = 0; warm_up < kWarmUp; ++warm_up) {
    round();
  }
  const size_t descriptors = count_descriptors();
  const size_t threads = count_threads();
  const size_t mappings = count_mappings();
  for (int repetition = 0; repetition < kRounds; ++repetition) {
    round();
  }
  // The service of an id ends on a thread of its own, at its own time.
  while (count_descriptors() > descriptors || count_threads() > threads) {
    std::this_thread::yield();
  }
  EXPECT_LE(count_descriptors(), descriptors);
  EXPECT_LE(count_threads(), threads);
  EXPECT_LE(count_mappings(), mappings + 8) << "the allocator's own come and go";
}

TEST_P(Abort, LeaksNothing) {
  expect_nothing_stays([&] {
    run_ranks(job(3), [](int, tuttiComm_t& comm) {
      float buffer = 0;
      (void)tuttiAllReduce(&buffer, &buffer, 1, tuttiFloat32, tuttiSum, comm, nullptr);  // or the abort of a peer
      EXPECT_EQ(tuttiCommAbort(comm), tuttiSuccess);
      comm = nullptr;
    });
  });
}

TEST_P(Abort, DestroyLeaksNothing) {
  expect_nothing_stays([&] {
    run_ranks(job(3), [](int rank, tuttiComm_t& comm) {
      int64_t sum = 0;
      EXPECT_EQ(all_reduce_once(comm, rank, &sum).code, tuttiSuccess);
      EXPECT_EQ(sum, 3);
      EXPECT_EQ(tuttiCommDestroy(comm), tuttiSuccess) << tuttiGetLastError(nullptr);
      comm = nullptr;
    });
  });
}

INSTANTIATE_TEST_SUITE_P(, Abort, testing::Values("shm", "tcp"),
                         [](const testing::TestParamInfo<const char*>& transports) { return std::string(transports.param); });

}  // namespace
}  // namespace tutti::robustness
