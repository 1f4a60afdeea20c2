// SPDX-License-Identifier: Apache-2.0
#include "schedule/composition.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "schedule/builder.hpp"
#include "schedule/verifier.hpp"

namespace tutti::schedule {
namespace {

Span input(uint32_t slot) { return {Buffer::input, slot}; }
Span output(uint32_t slot) { return {Buffer::output, slot}; }
Span scratch(uint32_t slot) { return {Buffer::scratch, slot}; }

// Of two ranks, which send each other what they need.
Schedule reduce_scatter(uint32_t rank) {
  Builder builder({.rank = rank, .chunk_count = 2, .parts = 1});
  const uint32_t peer = 1 - rank;
  builder.receive_reduce(builder.add_lane(), peer, {rank}, {.source = input(rank), .target = output(0)}, {.final = Final::yes});
  builder.send(builder.add_lane(), peer, {peer}, input(peer));
  return std::move(builder).build();
}

// By way of a scratch slot.
Schedule all_gather(uint32_t rank) {
  Builder builder({.rank = rank, .chunk_count = 2, .parts = 1});
  const uint32_t peer = 1 - rank;
  const LaneId receives = builder.add_lane();
  const uint32_t slot = builder.add_scratch(1);
  const StepId received = builder.receive(receives, peer, {peer}, scratch(slot));
  builder.copy(receives, {peer}, {.source = scratch(slot), .target = output(peer)}, {.waits = {{received, WaitMode::complete}}});
  builder.send(builder.add_lane(), peer, {rank}, input(0));
  return std::move(builder).build();
}

TEST(Composition, OfHalvesIsAnAllReduceInPlaceOrNot) {
  for (const InPlace in_place : {InPlace::no, InPlace::yes}) {
    const Problem problem{.collective = Collective::all_reduce, .rank_count = 2, .in_place = in_place};
    std::vector<Schedule> schedules;
    for (uint32_t rank = 0; rank < 2; ++rank) {
      schedules.push_back(all_reduce_of({reduce_scatter(rank), all_gather(rank)}));
    }
    EXPECT_EQ(schedules[0].channel_count, 2u);
    EXPECT_EQ(schedules[0].scratch_slots, 1u);
    const Status status = verify(problem, schedules, {});
    EXPECT_TRUE(status.ok()) << status.message() << "\n" << to_string(schedules[0]);
  }
}

TEST(Composition, TheSecondHalfWaitsForWhatItReadsAndOverwrites) {
  const Schedule whole = all_reduce_of({reduce_scatter(1), all_gather(1)});
  EXPECT_EQ(to_string(whole),
            "rank 1: 2 chunks, 1 part per block, 1 scratch slot, 2 channels\n"
            "lane 0 (channel 0)\n"
            "  0 receive-reduce chunks 1..1 from input[1] (op) rank 0 to output[1], final\n"
            "lane 1 (channel 0)\n"
            "  1 send chunks 0..0 from input[0] to rank 0\n"
            "lane 2 (channel 1)\n"
            "  2 receive chunks 0..0 from rank 0 to scratch[0]\n"
            "  3 copy chunks 0..0 from scratch[0] to output[0] after 2, 1~\n"
            "lane 3 (channel 1)\n"
            "  4 send chunks 1..1 from output[1] to rank 0 after 0~\n");
}

}  // namespace
}  // namespace tutti::schedule
