// SPDX-License-Identifier: Apache-2.0
// How work ends when it does not complete, and in which words.
#include <gtest/gtest.h>

#include <thread>

#include "engine/control.hpp"
#include "tests/unit/engine/executor_world.hpp"

namespace tutti::engine {
namespace {

using schedule::Collective;

void expect_failure(const Status& status, tuttiResult_t code, std::string_view text) {
  EXPECT_EQ(status.code(), code);
  EXPECT_EQ(status.message(), text);
}

TEST(ExecutorFailure, AbortCompletesEverythingAndTellsThePeers) {
  ExecutorWorld world;
  Sum sums[2] = {Sum(5000, 1), Sum(5000, 2)};
  Sum second(10, 1);
  const std::shared_ptr<Stream> streams[2] = {new_stream(), new_stream()};
  ASSERT_TRUE(world[0].submit(sums[0].request(0), streams[0]).ok());
  ASSERT_TRUE(world[0].submit(second.request(0), streams[0]).ok());
  ASSERT_TRUE(world[1].submit(sums[1].request(1), streams[1]).ok());
  world[0].abort(aborted_error("enough"));
  EXPECT_TRUE(streams[0]->has_completed(2));
  EXPECT_TRUE(world[0].has_settled(2));
  expect_failure(streams[0]->take_failure(), tuttiAborted, "enough");
  expect_failure(world[0].failure(), tuttiAborted, "enough");
  EXPECT_EQ(world.fabric.borrowed_frames(0), 0u) << "buffers went back to the user while a link had them";
  ASSERT_TRUE(world.settle());
  expect_failure(world[1].failure(), tuttiAborted, "enough");
  expect_failure(streams[1]->take_failure(), tuttiAborted, "enough");
  for (uint32_t rank = 0; rank < 2; ++rank) {
    Sum later(1, 1);
    expect_failure(world[rank].submit(later.request(rank), streams[rank]), tuttiAborted, "enough");
    EXPECT_TRUE(streams[rank]->has_completed(streams[rank]->issued())) << "refused work took a ticket";
  }
}

TEST(ExecutorFailure, TheFirstReasonCounts) {
  ExecutorWorld world;
  world[0].abort(aborted_error("first"));
  world[0].abort(timeout_error("second"));
  expect_failure(world[0].failure(), tuttiAborted, "first");
}

TEST(ExecutorFailure, AbortEndsTheWaitOfAnotherThread) {
  ExecutorWorld world;
  Sum sum(100, 1);
  const auto stream = new_stream();
  ASSERT_TRUE(world[0].submit(sum.request(0), stream).ok());
  std::thread waiter([&] { world[0].wait_until([&] { return stream->has_completed(1); }); });
  while (!world[0].is_wanted()) {
    std::this_thread::yield();
  }
  world[0].abort(aborted_error("enough"));
  waiter.join();
  expect_failure(stream->take_failure(), tuttiAborted, "enough");
}

TEST(ExecutorFailure, ManyThreadsWaitSubmitAndAbort) {
  for (int round = 0; round < 20; ++round) {
    ExecutorWorld world;
    const auto stream = new_stream();
    std::vector<Sum> sums(4, Sum(50, 1));
    std::vector<std::thread> threads;
    for (Sum& sum : sums) {
      threads.emplace_back([&] {
        if (world[0].submit(sum.request(0), stream).ok()) {
          const uint64_t submitted = world[0].submitted();
          world[0].wait_until([&] { return world[0].has_settled(submitted); });
        }
      });
    }
    for (int aborter = 0; aborter < 2; ++aborter) {
      threads.emplace_back([&] { world[0].abort(aborted_error("enough")); });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    EXPECT_TRUE(stream->has_completed(stream->issued()));
    expect_failure(world[0].failure(), tuttiAborted, "enough");
  }
}

TEST(ExecutorFailure, APartedExecutorHasHeardFromEveryone) {
  ExecutorWorld world({.rank_count = 3, .timeout_ms = 0, .fabric = {.max_frame_bytes = 512}});
  world[0].say_goodbye();
  world[1].say_goodbye();
  world.run_for_ms(5);
  EXPECT_FALSE(world[0].has_parted());
  EXPECT_FALSE(world[1].has_parted());
  world[2].say_goodbye();
  world.run_for_ms(5);
  for (uint32_t rank = 0; rank < 3; ++rank) {
    EXPECT_TRUE(world[rank].has_parted());
    EXPECT_TRUE(world[rank].failure().ok());
    EXPECT_EQ(world.fabric.borrowed_frames(rank), 0u);
  }
}

TEST(ExecutorFailure, ALinkMayEndAfterAGoodbye) {
  ExecutorWorld world;
  world[1].say_goodbye();
  world.run_for_ms(5);
  world.fabric.cut(0, 1);
  world.run_for_ms(5);
  EXPECT_TRUE(world[0].failure().ok());
  world[0].say_goodbye();
  world.run_for_ms(5);
  EXPECT_TRUE(world[0].has_parted());
}

TEST(ExecutorFailure, WorkWithAPeerThatLeftFails) {
  ExecutorWorld world;
  world[1].say_goodbye();
  world.run_for_ms(5);
  world.fabric.cut(0, 1);
  world.run_for_ms(5);
  Sum sum(10, 1);
  const auto stream = new_stream();
  ASSERT_TRUE(world[0].submit(sum.request(0), stream).ok());
  ASSERT_TRUE(world.settle());
  expect_failure(stream->take_failure(), tuttiRemoteError,
                 "allreduce #0 on \"world\": rank 1 has left the communicator without taking part");
}

TEST(ExecutorFailure, ALinkThatEndsWithoutGoodbyeIsADeath) {
  ExecutorWorld world;
  world.fabric.cut(0, 1);
  world.run_for_ms(10);
  expect_failure(world[0].failure(), tuttiRemoteError, "rank 1 of \"world\" died: connection reset by peer");
  expect_failure(world[1].failure(), tuttiRemoteError, "rank 0 of \"world\" died: connection reset by peer");
}

TEST(ExecutorFailure, TheLastWordsOfAPeerExplainItsDeath) {
  ExecutorWorld world;
  const auto words = encode(FailureNotice{timeout_error("the real reason")});
  ASSERT_TRUE(world.fabric.inject(1, 0, transport::kControlChannel, words));
  world.fabric.cut(0, 1);
  world.run_for_ms(10);
  expect_failure(world[0].failure(), tuttiTimeout, "the real reason");
}

TEST(ExecutorFailure, LastWordsAreWaitedForWhenALinkHandsThemOutSlowly) {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    ExecutorWorld world({.rank_count = 2, .timeout_ms = 0, .fabric = {.max_frame_bytes = 512, .seed = seed, .refusals_per_thousand = 900}});
    const auto words = encode(FailureNotice{timeout_error("the real reason")});
    while (!world.fabric.inject(1, 0, transport::kControlChannel, words)) {
    }
    world.fabric.cut(0, 1);
    world.run_for_ms(10);
    expect_failure(world[0].failure(), tuttiTimeout, "the real reason");
  }
}

// Rank 1 heard of the death first, failed and ended; its link is the first that rank 2 loses.
TEST(ExecutorFailure, APeerThatEndedBecauseOfADeathIsNotTakenForTheDead) {
  ExecutorWorld world({.rank_count = 4});
  world.fabric.cut(2, 1);
  world.run_for_ms(2);
  EXPECT_TRUE(world[2].failure().ok());
  const auto words = encode(FailureNotice{remote_error("rank 0 of \"world\" died: it was killed")});
  ASSERT_TRUE(world.fabric.inject(3, 2, transport::kControlChannel, words));
  world.run_for_ms(10);
  expect_failure(world[2].failure(), tuttiRemoteError, "rank 0 of \"world\" died: it was killed");
}

TEST(ExecutorFailure, DeathsThatNobodyExplainsAreAllNamed) {
  ExecutorWorld world({.rank_count = 4});
  for (const uint32_t dead : {1u, 3u, 0u}) {
    world.fabric.cut(2, dead);
    world.run_for_ms(1);
  }
  world.run_for_ms(10);
  expect_failure(world[2].failure(), tuttiRemoteError, "rank 1 of \"world\" died: connection reset by peer; so did ranks 3, 0");
}

TEST(ExecutorFailure, ARankThatIsLeavingStillTellsADeath) {
  ExecutorWorld world;
  world[0].say_goodbye();
  world.run_for_ms(1);
  world.fabric.cut(0, 1);
  world.run_for_ms(2);
  EXPECT_FALSE(world[0].has_parted());
  world.run_for_ms(10);
  expect_failure(world[0].failure(), tuttiRemoteError, "rank 1 of \"world\" died: connection reset by peer");
}

struct MismatchCase {
  const char* name;
  Signature first;
  Signature second;
  const char* text;
};

class ExecutorMismatch : public testing::TestWithParam<MismatchCase> {};

TEST_P(ExecutorMismatch, IsToldAlikeOnBothSides) {
  const MismatchCase& mismatch = GetParam();
  ExecutorWorld world;
  Sum sums[2] = {Sum(10, 1), Sum(10, 2)};
  for (uint32_t rank = 0; rank < 2; ++rank) {
    Request request = sums[rank].request_as(rank == 0 ? mismatch.first : mismatch.second, rank);
    ASSERT_TRUE(world[rank].submit(std::move(request), new_stream()).ok());
  }
  ASSERT_TRUE(world.settle());
  for (uint32_t rank = 0; rank < 2; ++rank) {
    expect_failure(world[rank].failure(), tuttiMismatch, mismatch.text);
    EXPECT_TRUE(sums[rank].has(-1)) << "foreign bytes were used on rank " << rank;
  }
}

INSTANTIATE_TEST_SUITE_P(
    ExecutorFailure, ExecutorMismatch,
    testing::Values(
        MismatchCase{"count",
                     {.collective = Collective::all_reduce, .datatype = tuttiInt32, .count = 512},
                     {.collective = Collective::all_reduce, .datatype = tuttiInt32, .count = 1024},
                     "allreduce #0 on \"world\": rank 0 passed count 512, rank 1 passed count 1024"},
        MismatchCase{"datatype",
                     {.collective = Collective::all_reduce, .datatype = tuttiInt32, .count = 1},
                     {.collective = Collective::all_reduce, .datatype = tuttiFloat32, .count = 1},
                     "allreduce #0 on \"world\": rank 0 passed datatype int32, rank 1 passed datatype float32"},
        MismatchCase{"operator",
                     {.collective = Collective::all_reduce, .op = tuttiMax, .count = 1},
                     {.collective = Collective::all_reduce, .op = kCustomOperator, .count = 1},
                     "allreduce #0 on \"world\": rank 0 passed operator max, rank 1 passed operator a custom operator"},
        MismatchCase{"root",
                     {.collective = Collective::broadcast, .root = 0, .count = 1},
                     {.collective = Collective::broadcast, .root = 1, .count = 1},
                     "broadcast #0 on \"world\": rank 0 passed root 0, rank 1 passed root 1"},
        MismatchCase{"collective",
                     {.collective = Collective::barrier, .count = 1},
                     {.collective = Collective::all_gather, .blocks = schedule::Blocks::variable},
                     "barrier #0 on \"world\": rank 0 called barrier, rank 1 called allgatherv"}),
    [](const auto& info) { return info.param.name; });

TEST(ExecutorFailure, MessagesOfDifferentLengthAreAMismatch) {
  ExecutorWorld world;
  Message sent(10, 1);
  Message received(8, 0);
  ASSERT_TRUE(world[0].submit(sent.send(0, 1), new_stream()).ok());
  ASSERT_TRUE(world[1].submit(received.receive(1, 0), new_stream()).ok());
  ASSERT_TRUE(world.settle());
  const std::string text = "receive #0 on \"world\" from rank 0: rank 0 sends 10 elements, rank 1 expects 8";
  expect_failure(world[1].failure(), tuttiMismatch, text);
  world.run_for_ms(5);
  expect_failure(world[0].failure(), tuttiMismatch, text);
  EXPECT_EQ(received.values, std::vector<int32_t>(8, 0));
}

TEST(ExecutorFailure, MessagesOfDifferentTypeAreAMismatch) {
  ExecutorWorld world;
  Message sent(8, 1, tuttiFloat32);
  Message received(8, 0, tuttiInt32);
  ASSERT_TRUE(world[0].submit(sent.send(0, 1), new_stream()).ok());
  ASSERT_TRUE(world[1].submit(received.receive(1, 0), new_stream()).ok());
  ASSERT_TRUE(world.settle());
  expect_failure(world[1].failure(), tuttiMismatch,
                 "receive #0 on \"world\" from rank 0: rank 0 sends datatype float32, rank 1 expects int32");
}

TEST(ExecutorFailure, ASilentPeerIsATimeoutAtTheDeadline) {
  ExecutorWorld world({.rank_count = 2, .timeout_ms = 1000, .fabric = {.max_frame_bytes = 512}});
  Sum sum(10, 1);
  const auto stream = new_stream();
  ASSERT_TRUE(world[0].submit(sum.request(0), stream).ok());
  world.run_for_ms(999);
  EXPECT_FALSE(world[0].has_failed());
  world.run_for_ms(2);
  expect_failure(world[0].failure(), tuttiTimeout, "allreduce #0 on \"world\": no progress for 1000 ms; rank 0 waits for rank 1");
  expect_failure(stream->take_failure(), tuttiTimeout, "allreduce #0 on \"world\": no progress for 1000 ms; rank 0 waits for rank 1");
}

// A rank's part of a broadcast, as far as this rank goes: it receives one message.
Request receive_from(uint32_t rank, uint32_t peer, int32_t* output) {
  schedule::Builder builder({.rank = rank});
  builder.receive(builder.add_lane(), peer, {}, {schedule::Buffer::output, 0});
  return request_for({.signature = {.collective = Collective::broadcast, .datatype = tuttiInt32, .op = tuttiSum, .root = 2, .count = 1},
                      .schedule = std::make_shared<const schedule::Schedule>(std::move(builder).build()),
                      .layout = {.problem = {.collective = Collective::broadcast, .rank_count = 3, .root = 2},
                                 .rank = rank,
                                 .element_count = 1,
                                 .variable = {},
                                 .element_bytes = sizeof(int32_t)}},
                     output, output);
}

TEST(ExecutorFailure, ATimeoutNamesTheRankThatIsMissingAndNotOneThatWaitsForIt) {
  ExecutorWorld world({.rank_count = 3, .timeout_ms = 1000, .fabric = {.max_frame_bytes = 512}});
  int32_t outputs[2] = {};
  ASSERT_TRUE(world[0].submit(receive_from(0, 1, &outputs[0]), new_stream()).ok());
  ASSERT_TRUE(world[1].submit(receive_from(1, 2, &outputs[1]), new_stream()).ok());
  world.run_for_ms(1010);
  for (uint32_t rank = 0; rank < 3; ++rank) {
    expect_failure(world[rank].failure(), tuttiTimeout, "broadcast #0 on \"world\": no progress for 1000 ms; rank 1 waits for rank 2");
  }
}

TEST(ExecutorFailure, RanksThatWaitForEachOtherTimeOutToo) {
  ExecutorWorld world({.rank_count = 2, .timeout_ms = 1000, .fabric = {.max_frame_bytes = 512}});
  int32_t outputs[2] = {};
  ASSERT_TRUE(world[0].submit(receive_from(0, 1, &outputs[0]), new_stream()).ok());
  ASSERT_TRUE(world[1].submit(receive_from(1, 0, &outputs[1]), new_stream()).ok());
  world.run_for_ms(1010);
  EXPECT_EQ(world[0].failure().code(), tuttiTimeout) << world[0].failure().message();
  EXPECT_EQ(world[1].failure().code(), tuttiTimeout) << world[1].failure().message();
}

TEST(ExecutorFailure, WithoutATimeoutAWaitMayLast) {
  ExecutorWorld world;
  Sum sums[2] = {Sum(10, 1), Sum(10, 2)};
  ASSERT_TRUE(world[0].submit(sums[0].request(0), new_stream()).ok());
  world.run_for_ms(60'000);
  EXPECT_FALSE(world[0].has_failed());
  ASSERT_TRUE(world[1].submit(sums[1].request(1), new_stream()).ok());
  ASSERT_TRUE(world.settle());
  EXPECT_TRUE(sums[0].has(3) && sums[1].has(3));
}

// Much work that may not start yet does not hide the one operation that is stuck.
TEST(ExecutorFailure, AStuckMessageTimesOutBehindManyThatWait) {
  ExecutorWorld world({.rank_count = 2, .timeout_ms = 1000, .fabric = {.max_frame_bytes = 512}});
  const auto gated = new_stream();
  (void)gated->take();  // never completed
  std::vector<Message> waiting(200, Message(1, 0));
  for (Message& message : waiting) {
    ASSERT_TRUE(world[0].submit(message.send(0, 1), gated).ok());
  }
  Message stuck(1, 0);
  ASSERT_TRUE(world[0].submit(stuck.receive(0, 1), new_stream()).ok());
  world.run_for_ms(1100);
  expect_failure(world[0].failure(), tuttiTimeout,
                 "receive #0 on \"world\" from rank 1: no progress for 1000 ms; rank 0 waits for rank 1");
}

TEST(ExecutorFailure, AControlMessageThatMakesNoSenseIsAnError) {
  ExecutorWorld world;
  const std::vector<std::byte> garbage(100, std::byte{0xff});
  ASSERT_TRUE(world.fabric.inject(1, 0, transport::kControlChannel, garbage));
  world.run_for_ms(5);
  expect_failure(world[0].failure(), tuttiRemoteError, "rank 1 sent a control message of 100 bytes that makes no sense");
}

TEST(ExecutorFailure, AnInquiryAboutTheFutureIsAnsweredBySilence) {
  ExecutorWorld world;
  for (const uint64_t sequence : {uint64_t{0}, uint64_t{5}, UINT64_MAX}) {
    const auto question = encode(Inquiry{.sequence = sequence, .signature = {}});
    ASSERT_TRUE(world.fabric.inject(1, 0, transport::kControlChannel, question));
  }
  world.run_for_ms(5);
  EXPECT_FALSE(world[0].has_failed());
}

// What an executor still has to say lies in its own memory: links must not look there once it is gone.
TEST(ExecutorFailure, LeavesNothingBorrowedBehind) {
  ExecutorWorld world({.rank_count = 2, .timeout_ms = 0, .fabric = {.max_frame_bytes = 512, .seed = 1, .releases_per_thousand = 0}});
  world[0].say_goodbye();
  world.run_for_ms(5);
  ASSERT_EQ(world.fabric.borrowed_frames(0), 1u);
  world.executors[0].reset();
  EXPECT_EQ(world.fabric.borrowed_frames(0), 0u);
}

}  // namespace
}  // namespace tutti::engine
