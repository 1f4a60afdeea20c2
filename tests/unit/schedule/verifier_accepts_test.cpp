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

TEST(VerifierAccepts, ManyRanks) {
  const Problem problem{.collective = Collective::all_reduce, .rank_count = 97};
  const Status status = verify(problem, samples::ring_all_reduce(problem));
  EXPECT_TRUE(status.ok()) << status.message();
}

}  // namespace
}  // namespace tutti::schedule
