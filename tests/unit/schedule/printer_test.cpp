// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "schedule/builder.hpp"
#include "schedule/schedule.hpp"

namespace tutti::schedule {
namespace {

TEST(Printer, GoldenText) {
  Builder builder({.rank = 2, .chunk_count = 4});
  const uint32_t scratch = builder.add_scratch(2);
  const LaneId first = builder.add_lane();
  const LaneId second = builder.add_lane(1);
  const StepId received = builder.receive(second, 3, {.first = 0, .count = 2}, {Buffer::scratch, scratch});
  const StepId reduced = builder.receive_reduce(second, 3, {.first = 2}, {.source = {Buffer::input, 2}, .target = {Buffer::output, 2}},
                                                {.operands = Operands::received_first});
  builder.receive_reduce(second, 3, {.first = 3}, {.source = {Buffer::input, 3}, .target = {Buffer::output, 3}}, {.final = Final::yes});
  builder.copy(first, {.first = 0}, {.source = {Buffer::scratch, scratch}, .target = {Buffer::output, 0}}, {.waits = {{received}}});
  builder.send(first, 1, {.first = 2}, {Buffer::output, 2}, {.waits = {{received}, {reduced, WaitMode::streaming}}});
  const std::vector<Span> sources = {{Buffer::input, 1}, {Buffer::scratch, scratch + 1}};
  builder.reduce(first, {.first = 1}, sources, {Buffer::output, 1}, {.final = Final::yes});

  EXPECT_EQ(to_string(std::move(builder).build()),
            "rank 2: 4 chunks, 1 part per block, 2 scratch slots, 2 channels\n"
            "lane 0 (channel 0)\n"
            "  0 copy chunks 0..0 from scratch[0] to output[0] after 3\n"
            "  1 send chunks 2..2 from output[2] to rank 1 after 3, 4~\n"
            "  2 reduce chunks 1..1 from input[1] (op) scratch[1] to output[1], final\n"
            "lane 1 (channel 1)\n"
            "  3 receive chunks 0..1 from rank 3 to scratch[0]\n"
            "  4 receive-reduce chunks 2..2 from rank 3 (op) input[2] to output[2]\n"
            "  5 receive-reduce chunks 3..3 from input[3] (op) rank 3 to output[3], final\n");
}

TEST(Printer, NamesTheOwnersOfMemory) {
  Builder builder({.rank = 0, .chunk_count = 3});
  const LaneId signalling = builder.add_lane();
  const LaneId working = builder.add_lane();
  builder.signal(signalling, 2);
  builder.await(working, 2);
  const std::vector<Span> sources = {{Buffer::input, 0}, {.buffer = Buffer::input, .slot = 0, .rank = 2}};
  const StepId reduced = builder.reduce(working, {.first = 0}, sources, {Buffer::output, 0},
                                        {.final = Final::yes,
                                         .further_targets = {{.buffer = Buffer::output, .slot = 0, .rank = 1},
                                                             {.buffer = Buffer::output, .slot = 0, .rank = 2}}});
  builder.signal(signalling, 1, {.waits = {{reduced}}});
  builder.copy(working, {.first = 2}, {.source = {.buffer = Buffer::output, .slot = 2, .rank = 2}, .target = {Buffer::output, 2}},
               {.if_private = true, .waits = {{reduced}}});

  EXPECT_EQ(to_string(std::move(builder).build()),
            "rank 0: 3 chunks, 1 part per block, 0 scratch slots, 1 channel\n"
            "lane 0 (channel 0)\n"
            "  0 signal to rank 2\n"
            "  1 signal to rank 1 after 3\n"
            "lane 1 (channel 0)\n"
            "  2 await from rank 2\n"
            "  3 reduce chunks 0..0 from input[0] (op) rank 2's input[0] to output[0], rank 1's output[0], rank 2's output[0], final\n"
            "  4 copy chunks 2..2 from rank 2's output[2] to output[2], if private after 3\n");
}

TEST(Printer, PrintsWhatRefersToNothing) {
  Schedule schedule;
  schedule.lanes = {{.channel = 9, .first_step = 0, .step_count = 7}, {.channel = 0, .first_step = 100, .step_count = 1}};
  schedule.steps = {{.kind = static_cast<StepKind>(77), .source = {}, .target = {}, .first_wait = 5, .wait_count = 5},
                    {.kind = StepKind::reduce, .source = {}, .target = {static_cast<Buffer>(9), 1}, .first_source = 3, .source_count = 2,
                     .first_target = 4, .target_count = 2}};
  EXPECT_EQ(to_string(schedule),
            "rank 0: 1 chunk, 1 part per block, 0 scratch slots, 1 channel\n"
            "lane 0 (channel 9)\n"
            "  0 invalid chunks 0..0 of an unknown kind\n"
            "  1 reduce chunks 0..0 from  to invalid[1]\n"
            "lane 1 (channel 0)\n");
}

}  // namespace
}  // namespace tutti::schedule
