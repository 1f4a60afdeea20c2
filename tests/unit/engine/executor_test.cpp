// SPDX-License-Identifier: Apache-2.0
// Order, overlap and bounds of work.
#include "engine/executor.hpp"

#include <gtest/gtest.h>

#include "tests/unit/engine/allocation_count.hpp"
#include "tests/unit/engine/executor_world.hpp"

namespace tutti::engine {
namespace {

// Work of rank 1 that cannot start until the test says so.
class Gate {
 public:
  Gate() { (void)stream->take(); }
  void open() { stream->complete(Status()); }
  const std::shared_ptr<Stream> stream = new_stream();
};

TEST(Executor, CompletesACollective) {
  ExecutorWorld world;
  Sum sums[2] = {Sum(1000, 1), Sum(1000, 2)};
  const std::shared_ptr<Stream> streams[2] = {new_stream(), new_stream()};
  for (uint32_t rank = 0; rank < 2; ++rank) {
    ASSERT_TRUE(world[rank].submit(sums[rank].request(rank), streams[rank]).ok());
    EXPECT_EQ(world[rank].submitted(), 1u);
    EXPECT_FALSE(world[rank].has_settled(1));
    EXPECT_TRUE(world[rank].has_work());
  }
  ASSERT_TRUE(world.settle());
  for (uint32_t rank = 0; rank < 2; ++rank) {
    EXPECT_TRUE(sums[rank].has(3));
    EXPECT_TRUE(streams[rank]->has_completed(1));
    EXPECT_TRUE(streams[rank]->take_failure().ok());
    EXPECT_FALSE(world[rank].has_work());
  }
}

TEST(Executor, StreamsOverlap) {
  ExecutorWorld world;
  Gate gate;
  Sum held[2] = {Sum(100, 1), Sum(100, 2)};
  Sum free[2] = {Sum(100, 3), Sum(100, 4)};
  const std::shared_ptr<Stream> other[2] = {new_stream(), new_stream()};
  ASSERT_TRUE(world[0].submit(held[0].request(0), new_stream()).ok());
  ASSERT_TRUE(world[1].submit(held[1].request(1), gate.stream).ok());
  for (uint32_t rank = 0; rank < 2; ++rank) {
    ASSERT_TRUE(world[rank].submit(free[rank].request(rank), other[rank]).ok());
  }
  world.run_for_ms(1);
  EXPECT_TRUE(other[0]->has_completed(1));
  EXPECT_TRUE(other[1]->has_completed(1));
  EXPECT_TRUE(free[0].has(7) && free[1].has(7));
  EXPECT_TRUE(held[0].has(-1) && held[1].has(-1));
  EXPECT_FALSE(world[0].has_settled(1)) << "later work does not count as settled before earlier work";
  gate.open();
  ASSERT_TRUE(world.settle());
  EXPECT_TRUE(held[0].has(3) && held[1].has(3));
}

TEST(Executor, KeepsTheOrderOfAStream) {
  ExecutorWorld world;
  Gate gate;
  Sum first[2] = {Sum(100, 1), Sum(100, 2)};
  Sum second[2] = {Sum(100, 3), Sum(100, 4)};
  const auto stream = new_stream();
  ASSERT_TRUE(world[0].submit(first[0].request(0), stream).ok());
  ASSERT_TRUE(world[0].submit(second[0].request(0), stream).ok());
  ASSERT_TRUE(world[1].submit(first[1].request(1), gate.stream).ok());
  ASSERT_TRUE(world[1].submit(second[1].request(1), new_stream()).ok());
  world.run_for_ms(1);
  EXPECT_TRUE(second[1].has(-1)) << "rank 0 may not have sent its part yet";
  gate.open();
  ASSERT_TRUE(world.settle());
  EXPECT_TRUE(first[0].has(3) && first[1].has(3) && second[0].has(7) && second[1].has(7));
}

TEST(Executor, WorkOfAGroupRunsSideBySide) {
  ExecutorWorld world;
  Gate gate;
  Sum first[2] = {Sum(100, 1), Sum(100, 2)};
  Sum second[2] = {Sum(100, 3), Sum(100, 4)};
  const auto stream = new_stream();
  const Stream::Ticket start{stream->issued()};
  ASSERT_TRUE(world[0].submit(first[0].request(0), stream, &start).ok());
  ASSERT_TRUE(world[0].submit(second[0].request(0), stream, &start).ok());
  ASSERT_TRUE(world[1].submit(first[1].request(1), gate.stream).ok());
  ASSERT_TRUE(world[1].submit(second[1].request(1), new_stream()).ok());
  world.run_for_ms(1);
  EXPECT_TRUE(second[0].has(7) && second[1].has(7));
  EXPECT_TRUE(first[0].has(-1));
  gate.open();
  ASSERT_TRUE(world.settle());
  EXPECT_TRUE(first[0].has(3) && first[1].has(3));
}

TEST(Executor, SharesItsChannelsAmongMoreWorkThanItHas) {
  for (uint32_t seed = 0; seed < 5; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    ExecutorWorld world({.rank_count = 2,
                         .timeout_ms = 0,
                         .fabric = {.max_frame_bytes = 512, .seed = seed, .refusals_per_thousand = 200, .releases_per_thousand = 300, .landings_per_thousand = 500}});
    constexpr int32_t kCount = 40;
    std::vector<Sum> sums[2];
    for (uint32_t rank = 0; rank < 2; ++rank) {
      for (int32_t index = 0; index < kCount; ++index) {
        sums[rank].emplace_back(1 + 50 * static_cast<size_t>(index), index);
      }
      for (int32_t index = 0; index < kCount; ++index) {
        const auto channel_count = 1 + static_cast<uint32_t>(index) % schedule::kMaxChannels;
        ASSERT_TRUE(world[rank].submit(sums[rank][static_cast<size_t>(index)].request(rank, channel_count), new_stream()).ok());
      }
    }
    ASSERT_TRUE(world.settle());
    for (int32_t index = 0; index < kCount; ++index) {
      EXPECT_TRUE(sums[0][static_cast<size_t>(index)].has(2 * index) && sums[1][static_cast<size_t>(index)].has(2 * index)) << index;
    }
    EXPECT_EQ(world.fabric.spoiled_payloads(), 0u);
  }
}

TEST(Executor, KeepsTheOrderOfMessagesToAPeer) {
  ExecutorWorld world;
  Message sent[3] = {Message(10, 1), Message(2000, 2), Message(1, 3)};
  Message received[3] = {Message(10, 0), Message(2000, 0), Message(1, 0)};
  for (uint32_t index = 0; index < 3; ++index) {
    ASSERT_TRUE(world[0].submit(sent[index].send(0, 1), new_stream()).ok());
    ASSERT_TRUE(world[1].submit(received[index].receive(1, 0), new_stream()).ok());
  }
  ASSERT_TRUE(world.settle());
  for (uint32_t index = 0; index < 3; ++index) {
    EXPECT_EQ(received[index].values, sent[index].values) << index;
  }
}

TEST(Executor, ExchangesMessagesInAGroupWithItselfAndOthers) {
  ExecutorWorld world;
  Message to_self(700, 5);
  Message from_self(700, 0);
  Message to_peer(700, 6);
  Message from_peer(700, 0);
  const auto stream = new_stream();
  const Stream::Ticket start{0};
  ASSERT_TRUE(world[0].submit(to_self.send(0, 0), stream, &start).ok());
  ASSERT_TRUE(world[0].submit(from_self.receive(0, 0), stream, &start).ok());
  ASSERT_TRUE(world[0].submit(from_peer.receive(0, 1), stream, &start).ok());
  ASSERT_TRUE(world[1].submit(to_peer.send(1, 0), new_stream()).ok());
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(from_self.values, to_self.values);
  EXPECT_EQ(from_peer.values, to_peer.values);
}

TEST(Executor, AFullQueueMakesSubmittingCarryOnTheWork) {
  ExecutorWorld world({.rank_count = 1, .timeout_ms = 0, .fabric = {.max_frame_bytes = 512}});
  constexpr uint32_t kCount = kQueueCapacity + 500;
  const auto stream = new_stream();
  std::vector<int32_t> target(kCount, 0);
  std::vector<int32_t> source(kCount);
  schedule::Builder builder({.rank = 0});
  builder.copy(builder.add_lane(), {}, {.source = {schedule::Buffer::input, 0}, .target = {schedule::Buffer::output, 0}});
  const auto copying = std::make_shared<const schedule::Schedule>(std::move(builder).build());
  for (uint32_t index = 0; index < kCount; ++index) {
    source[index] = static_cast<int32_t>(index) + 1;
    Request request = request_for({.signature = {.collective = schedule::Collective::all_reduce, .datatype = tuttiInt32, .count = 1},
                                   .schedule = copying,
                                   .layout = {.problem = {}, .element_count = 1, .variable = {}, .element_bytes = 4}},
                                  &source[index], &target[index]);
    ASSERT_TRUE(world[0].submit(std::move(request), stream).ok());
    if (index + 1 == kQueueCapacity) {
      EXPECT_FALSE(stream->has_completed(1)) << "nothing runs before somebody turns the executor";
    }
  }
  EXPECT_TRUE(stream->has_completed(1));
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(target, source);
  EXPECT_TRUE(stream->has_completed(kCount));
}

TEST(Executor, WaitingCarriesOnTheWork) {
  ExecutorWorld world({.rank_count = 1, .timeout_ms = 0, .fabric = {.max_frame_bytes = 512}});
  Message sent(3000, 4);
  Message received(3000, 0);
  const auto stream = new_stream();
  const Stream::Ticket start{0};
  ASSERT_TRUE(world[0].submit(sent.send(0, 0), stream, &start).ok());
  ASSERT_TRUE(world[0].submit(received.receive(0, 0), stream, &start).ok());
  world[0].wait_until([&] { return stream->has_completed(2); });
  EXPECT_EQ(received.values, sent.values);
  EXPECT_FALSE(world[0].is_wanted());
  EXPECT_TRUE(world[0].is_attended()) << "somebody has waited";
  EXPECT_FALSE(world[0].is_attended()) << "nobody has waited since";
  EXPECT_TRUE(world[0].try_claim()) << "a waiter gives the executor back";
  world[0].release_ownership();
}

// The sum of two ranks' vectors, each in its own output, as long as each can read the other's input.
std::shared_ptr<const schedule::Schedule> sum_in_memory(uint32_t rank) {
  using schedule::Buffer;
  const uint32_t peer = 1 - rank;
  schedule::Builder builder({.rank = rank});
  const schedule::LaneId lane = builder.add_lane();
  builder.signal(lane, peer);
  builder.await(lane, peer);
  const std::vector<schedule::Span> sources{{Buffer::input, 0, std::min(rank, peer) == rank ? schedule::kOwnRank : peer},
                                            {Buffer::input, 0, std::max(rank, peer) == rank ? schedule::kOwnRank : peer}};
  builder.reduce(lane, {}, sources, {Buffer::output, 0}, {.final = schedule::Final::yes});
  builder.signal(lane, peer);
  builder.await(lane, peer);
  return std::make_shared<const schedule::Schedule>(std::move(builder).build());
}

// Calls of two ranks that meet to find out whether their memory is shared, one after another.
class Meetings : public testing::Test {
 protected:
  // What a call does is told by its frames: a message each way, and those of the meeting; or those of the meeting and two signals each way.
  enum Kind : uint64_t { kWithoutMeeting = 2, kMetInVain = 4, kInMemory = 6 };

  Kind call(size_t count = 10) {
    Sum sums[2] = {Sum(count, 1), Sum(count, 2)};
    const uint64_t before = world_.fabric.frames_taken();
    for (uint32_t rank = 0; rank < 2; ++rank) {
      EXPECT_TRUE(world_[rank].submit(request(sums[rank], rank), streams_[rank]).ok());
    }
    EXPECT_TRUE(world_.settle());
    EXPECT_TRUE(sums[0].has(3) && sums[1].has(3));
    return Kind{world_.fabric.frames_taken() - before};
  }
  size_t calls_until(Kind kind) {
    size_t calls = 1;
    while (call() != kind && calls < 1000) {
      ++calls;
    }
    return calls;
  }
  static Request request(Sum& sum, uint32_t rank) {
    return request_for({.signature = sum.signature(),
                        .schedule = sum_schedule(rank),
                        .layout = {.problem = {.collective = schedule::Collective::all_reduce, .rank_count = 2},
                                   .rank = rank,
                                   .element_count = sum.input.size(),
                                   .variable = {},
                                   .element_bytes = sizeof(int32_t)},
                        .input_bytes = sum.input.size() * sizeof(int32_t),
                        .output_bytes = sum.input.size() * sizeof(int32_t),
                        .when_shared = sum_in_memory(rank)},
                       sum.input.data(), sum.output.data());
  }

  ExecutorWorld world_;
  const std::shared_ptr<Stream> streams_[2] = {new_stream(), new_stream()};
};

TEST_F(Meetings, BecomeRareWhileTheyFindOrdinaryMemory) {
  std::vector<size_t> met;
  for (size_t index = 0; index < 300; ++index) {
    const Kind kind = call();
    ASSERT_NE(kind, kInMemory);
    if (kind == kMetInVain) {
      met.push_back(index);
    }
  }
  EXPECT_EQ(met, (std::vector<size_t>{0, 2, 6, 14, 30, 62, 126, 190, 254}));
}

TEST_F(Meetings, ComeWithEachCallWhileTheyFindSharedMemory) {
  for (size_t index = 0; index < 100; ++index) {
    (void)call();
  }
  world_.fabric.share_all(true);
  EXPECT_LE(calls_until(kInMemory), MeetingRecord::kLongestPause);
  for (size_t index = 0; index < 100; ++index) {
    EXPECT_EQ(call(), kInMemory);
  }
  world_.fabric.share_all(false);
  EXPECT_EQ(call(), kMetInVain);
  EXPECT_EQ(call(), kWithoutMeeting);
}

TEST_F(Meetings, OfCallsOfOtherSizesAreDecidedApart) {
  (void)call();
  EXPECT_EQ(call(100), kMetInVain);
  EXPECT_EQ(call(10), kWithoutMeeting);
}

// The ranks learn of the meetings' outcomes at different times.
TEST_F(Meetings, OfCallsInManyStreamsAreDecidedAlike) {
  constexpr size_t kCalls = 200;
  std::vector<Sum> sums[2] = {std::vector(kCalls, Sum(10, 1)), std::vector(kCalls, Sum(10, 2))};
  for (size_t index = 0; index < kCalls; ++index) {
    if (index == kCalls / 2) {
      ASSERT_TRUE(world_.settle());
      world_.fabric.share_all(true);
    }
    for (uint32_t rank = 0; rank < 2; ++rank) {
      ASSERT_TRUE(world_[rank].submit(request(sums[rank][index], rank), new_stream()).ok());
      if (index % 3 == rank) {
        world_.round();
      }
    }
  }
  ASSERT_TRUE(world_.settle());
  for (size_t index = 0; index < kCalls; ++index) {
    EXPECT_TRUE(sums[0][index].has(3) && sums[1][index].has(3)) << "call " << index;
  }
}

TEST(Executor, TurnsDoNotAllocateAfterTheFirstUse) {
  ExecutorWorld world({.rank_count = 2,
                       .timeout_ms = 1000,
                       .fabric = {.max_frame_bytes = 512, .seed = 3, .refusals_per_thousand = 200, .releases_per_thousand = 300, .landings_per_thousand = 500}});
  std::vector<Sum> sums[2];
  std::vector<std::shared_ptr<Stream>> streams[2];
  for (uint32_t rank = 0; rank < 2; ++rank) {
    for (size_t index = 0; index < 30; ++index) {
      sums[rank].emplace_back(100 * index, 1);
      streams[rank].push_back(new_stream());
    }
  }
  const auto submit_all = [&] {
    for (uint32_t rank = 0; rank < 2; ++rank) {
      for (size_t index = 0; index < sums[rank].size(); ++index) {
        const auto channel_count = 1 + static_cast<uint32_t>(index) % schedule::kMaxChannels;
        ASSERT_TRUE(world[rank].submit(sums[rank][index].request(rank, channel_count), streams[rank][index]).ok());
      }
    }
  };
  submit_all();
  ASSERT_TRUE(world.settle());
  submit_all();
  const uint64_t before = allocation_count();
  const bool settled = world.settle();
  EXPECT_EQ(allocation_count() - before, 0u);
  EXPECT_TRUE(settled);
  EXPECT_GT(before, 0u) << "allocations are not being counted";
}

}  // namespace
}  // namespace tutti::engine
