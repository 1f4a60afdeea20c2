// SPDX-License-Identifier: Apache-2.0
// Files as MSCCL's tools write them, as schedules.
#include "msccl/import.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sample_files.hpp"
#include "schedule/verifier.hpp"

namespace tutti::msccl {
namespace {

using schedule::Collective;
using schedule::InPlace;
using schedule::Schedule;
using schedule::StepKind;

Imported imported_from(const std::string& text) {
  const Result<Program> program = parse(text, "sample.xml");
  if (!program) {
    ADD_FAILURE() << program.error().message();
    return {};
  }
  Result<Imported> imported = import_program(*program);
  if (!imported) {
    ADD_FAILURE() << imported.error().message();
    return {};
  }
  return std::move(*imported);
}

// Of `ranks` ranks, and again by the verifier itself, whatever import_program() says.
void expect_solves(const std::string& text, Collective collective, uint32_t ranks) {
  const Imported imported = imported_from(text);
  ASSERT_EQ(imported.apart.size(), ranks);
  EXPECT_EQ(imported.problem.collective, collective);
  EXPECT_EQ(imported.problem.in_place, InPlace::no);
  schedule::Problem problem = imported.problem;
  EXPECT_EQ(schedule::verify(problem, imported.apart).message(), "");
  problem.in_place = InPlace::yes;
  EXPECT_EQ(schedule::verify(problem, imported.in_place).message(), "");
  for (uint32_t rank = 0; rank < ranks; ++rank) {
    EXPECT_EQ(imported.apart[rank].channel_count, imported.apart[0].channel_count);
    EXPECT_EQ(imported.in_place[rank].channel_count, imported.apart[0].channel_count);
  }
}

TEST(MscclImport, TakesWhatToolsWrite) {
  for (const uint32_t ranks : {2u, 3u, 5u, 8u}) {
    SCOPED_TRACE(ranks);
    expect_solves(samples::ring_all_reduce(ranks), Collective::all_reduce, ranks);
    expect_solves(samples::all_pairs_all_reduce(ranks), Collective::all_reduce, ranks);
    expect_solves(samples::one_step_all_reduce(ranks), Collective::all_reduce, ranks);
    expect_solves(samples::ring_all_gather(ranks, 1, true), Collective::all_gather, ranks);
    expect_solves(samples::ring_all_gather(ranks, 1, false), Collective::all_gather, ranks);
    expect_solves(samples::ring_all_gather(ranks, 3, true), Collective::all_gather, ranks);
    expect_solves(samples::ring_all_gather(ranks, 3, false), Collective::all_gather, ranks);
    expect_solves(samples::direct_reduce_scatter(ranks, true), Collective::reduce_scatter, ranks);
    expect_solves(samples::direct_reduce_scatter(ranks, false), Collective::reduce_scatter, ranks);
    expect_solves(samples::chain_broadcast(ranks), Collective::broadcast, ranks);
  }
  expect_solves(samples::two_step_all_to_all(), Collective::all_to_all, 4);
}

TEST(MscclImport, FoldsMoreChannelsThanSchedulesHave) { expect_solves(samples::ring_all_reduce(3, 8), Collective::all_reduce, 3); }

TEST(MscclImport, KeepsApartInAndOutputWhereTheInputIsOverwrittenTooSoon) {
  const Imported imported = imported_from(samples::two_step_all_to_all());
  ASSERT_EQ(imported.apart.size(), 4u);
  EXPECT_EQ(imported.apart[0].scratch_slots, 4u);
  EXPECT_EQ(imported.in_place[0].scratch_slots, 8u) << "in place, the input is copied first";
}

TEST(MscclImport, FindsTheRootThatMsccLsFilesDoNotName) {
  samples::File file({.collective = "reduce", .ranks = 3, .chunks = 1});
  for (uint32_t rank = 0; rank < 3; ++rank) {
    file.gpu(rank);
    if (rank == 1) {
      file.block(-1, 0);
      file.step("rrc", "i0", "o0");
      file.block(-1, 2);
      file.step("rrc", "o0", "o0", 1, {0, 0});
    } else {
      file.block(1, -1);
      file.step("s", "i0", "i0");
    }
  }
  const Imported imported = imported_from(file.text());
  EXPECT_EQ(imported.problem.root, 1u);
}

TEST(MscclImport, HasALaneForEachPeerAndStreamsWhatItPassesOn) {
  const Imported imported = imported_from(samples::ring_all_reduce(3));
  ASSERT_EQ(imported.apart.size(), 3u);
  EXPECT_EQ(to_string(imported.apart[0]),
            "rank 0: 3 chunks, 1 part per block, 2 scratch slots, 1 channel\n"
            "lane 0 (channel 0)\n"
            "  0 send chunks 0..0 from input[0] to rank 1\n"
            "  1 send chunks 2..2 from scratch[0] to rank 1 after 4~\n"
            "  2 send chunks 1..1 from output[1] to rank 1 after 5~\n"
            "  3 send chunks 0..0 from output[0] to rank 1 after 6~\n"
            "lane 1 (channel 0)\n"
            "  4 receive-reduce chunks 2..2 from input[2] (op) rank 2 to scratch[0]\n"
            "  5 receive-reduce chunks 1..1 from input[1] (op) rank 2 to output[1], final\n"
            "  6 receive chunks 0..0 from rank 2 to output[0]\n"
            "  7 receive chunks 2..2 from rank 2 to output[2]\n");
}

TEST(MscclImport, AddsUpInTheOrderOfRanksWhatComesInAnother) {
  const Imported imported = imported_from(samples::one_step_all_reduce(3));
  ASSERT_EQ(imported.apart.size(), 3u);
  EXPECT_THAT(to_string(imported.apart[1]), testing::HasSubstr("reduce chunks 0..1 from scratch[2] (op) input[0] (op) scratch[0] to output[0], final"));
}

TEST(MscclImport, ItsDigestTellsProgramsApart) {
  const uint64_t ring = imported_from(samples::ring_all_reduce(4)).digest;
  EXPECT_EQ(imported_from(samples::ring_all_reduce(4)).digest, ring);
  EXPECT_NE(imported_from(samples::ring_all_reduce(4, 2)).digest, ring);
  EXPECT_NE(imported_from(samples::all_pairs_all_reduce(4)).digest, ring);
}

}  // namespace
}  // namespace tutti::msccl
