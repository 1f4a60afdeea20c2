// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "sample_schedules.hpp"
#include "schedule/verifier.hpp"

namespace tutti::schedule {
namespace {

TEST(VerifierAccepts, EveryCollectiveInAndOutOfPlace) {
  size_t verified = 0;
  for (const samples::Sample& sample : samples::all_samples()) {
    const Status status = verify(sample.problem, sample.schedules);
    EXPECT_TRUE(status.ok()) << sample.name << "\n" << status.message() << "\n" << to_string(sample.schedules[0]);
    ++verified;
  }
  EXPECT_GT(verified, 300u);
}

TEST(VerifierAccepts, ALoneRank) {
  const Problem problem{.collective = Collective::all_reduce};
  Builder copying({});
  copying.copy(copying.add_lane(), {}, {.source = {Buffer::input, 0}, .target = {Buffer::output, 0}});
  EXPECT_TRUE(verify(problem, std::vector{std::move(copying).build()}).ok());
  Builder reducing({});
  const std::vector<Span> sources = {{Buffer::input, 0}};
  reducing.reduce(reducing.add_lane(), {}, sources, {Buffer::output, 0}, {.final = Final::yes});
  EXPECT_TRUE(verify(problem, std::vector{std::move(reducing).build()}).ok());
  const Problem in_place{.collective = Collective::all_reduce, .in_place = InPlace::yes};
  EXPECT_TRUE(verify(in_place, std::vector{Builder({}).build()}).ok());
  EXPECT_FALSE(verify(problem, std::vector{Builder({}).build()}).ok()) << "out of place, something must be copied";
}

TEST(VerifierAccepts, VariableBlocks) {
  const Problem gather{.collective = Collective::all_gather, .rank_count = 5, .blocks = Blocks::variable};
  EXPECT_TRUE(verify(gather, samples::direct_all_gather(gather, 2)).ok());
  const Problem exchange{.collective = Collective::all_to_all, .rank_count = 5, .blocks = Blocks::variable};
  EXPECT_TRUE(verify(exchange, samples::direct_all_to_all(exchange)).ok());
  const Problem rooted{.collective = Collective::gather, .rank_count = 5, .root = 2, .blocks = Blocks::variable};
  EXPECT_TRUE(verify(rooted, samples::star_gather(rooted)).ok());
}

TEST(VerifierAccepts, LinksThatExist) {
  const Problem problem{.collective = Collective::all_reduce, .rank_count = 6};
  const auto ring = [](uint32_t source, uint32_t target) { return target == (source + 1) % 6; };
  EXPECT_TRUE(verify(problem, samples::ring_all_reduce(problem), {.has_link = ring}).ok());
}

// Ranks that work in each other's memory may pass buffers of different kinds.
TEST(VerifierAccepts, RanksThatDifferInPlace) {
  for (uint32_t mask = 0; mask < 8; ++mask) {
    const auto in_place = [&](uint32_t rank) { return (mask >> rank & 1) != 0 ? InPlace::yes : InPlace::no; };
    const Problem problem{.collective = Collective::all_gather, .rank_count = 3};
    Problem problem_in_place = problem;
    problem_in_place.in_place = InPlace::yes;
    const samples::Schedules apart = samples::shared_all_gather(problem);
    samples::Schedules mixed = samples::shared_all_gather(problem_in_place);
    for (uint32_t rank = 0; rank < 3; ++rank) {
      mixed[rank] = in_place(rank) == InPlace::yes ? mixed[rank] : apart[rank];
    }
    const Status status = verify(problem, mixed, {.in_place = in_place});
    EXPECT_TRUE(status.ok()) << "mask " << mask << ": " << status.message();
    EXPECT_EQ(verify(problem, mixed).ok(), mask == 0) << "a copy is missing where a rank is not in place after all";
    const Problem reduction{.collective = Collective::all_reduce, .rank_count = 3};
    EXPECT_TRUE(verify(reduction, samples::shared_all_reduce(reduction), {.in_place = in_place}).ok());
  }
}

TEST(VerifierAccepts, SignalsOnlyWhereThereAreLinks) {
  const Problem problem{.collective = Collective::gather, .rank_count = 4, .root = 1};
  const auto star = [](uint32_t source, uint32_t target) { return source == 1 || target == 1; };
  EXPECT_TRUE(verify(problem, samples::shared_gather(problem), {.has_link = star}).ok());
}

// A barrier of signals alone.
TEST(VerifierAccepts, ABarrierOfSignals) {
  const Problem problem{.collective = Collective::barrier, .rank_count = 4};
  const samples::Schedules schedules = samples::for_each_rank(problem, [&](uint32_t rank) {
    Builder builder({.rank = rank});
    samples::Signals signals(builder, rank, problem.rank_count);
    signals.signal_all();
    signals.await_all();
    return std::move(builder).build();
  });
  EXPECT_TRUE(verify(problem, schedules).ok());
}

TEST(VerifierAccepts, ManyRanks) {
  const Problem problem{.collective = Collective::all_reduce, .rank_count = 97};
  const Status status = verify(problem, samples::ring_all_reduce(problem));
  EXPECT_TRUE(status.ok()) << status.message();
}

}  // namespace
}  // namespace tutti::schedule
