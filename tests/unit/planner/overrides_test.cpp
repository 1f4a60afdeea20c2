// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "example_algorithms.hpp"
#include "planner/planner.hpp"

namespace tutti::planner {
namespace {

using schedule::Collective;
using ::testing::HasSubstr;

const std::vector<Algorithm> kAlgorithms = {example::kFlat, example::kChain, example::kTrust};

std::string error_of(std::string_view text) {
  const Result<Overrides> overrides = Overrides::parse(text, kAlgorithms);
  if (overrides) {
    return "accepted";
  }
  EXPECT_EQ(overrides.error().code(), tuttiInvalidArgument);
  return overrides.error().message();
}

TEST(Overrides, NamesAnAlgorithmForEachCollective) {
  const Result<Overrides> overrides = Overrides::parse("broadcast:chain;barrier:trust", kAlgorithms);
  ASSERT_TRUE(overrides) << overrides.error().message();
  EXPECT_EQ(overrides->algorithm.size(), 2u);
  EXPECT_EQ(overrides->algorithm.at(Collective::broadcast), "chain");
  EXPECT_EQ(overrides->algorithm.at(Collective::barrier), "trust");
}

TEST(Overrides, AreEmptyForNothing) {
  for (std::string_view text : {"", " ", ";", " ; , "}) {
    const Result<Overrides> overrides = Overrides::parse(text, kAlgorithms);
    ASSERT_TRUE(overrides) << text;
    EXPECT_TRUE(overrides->algorithm.empty()) << text;
  }
}

TEST(Overrides, AllowBlanksCommasAndAnEndingSeparator) {
  const Result<Overrides> overrides = Overrides::parse(" broadcast : flat , barrier:trust; ", kAlgorithms);
  ASSERT_TRUE(overrides) << overrides.error().message();
  EXPECT_EQ(overrides->algorithm.at(Collective::broadcast), "flat");
  EXPECT_EQ(overrides->algorithm.at(Collective::barrier), "trust");
}

TEST(Overrides, NameTheUnknownCollectiveAndTheKnownOnes) {
  EXPECT_EQ(error_of("brodcast:flat"),
            "TUTTI_ALGO: unknown collective \"brodcast\"; known are allreduce, reduce, broadcast, allgather, reducescatter, alltoall, gather, "
            "scatter, barrier");
  EXPECT_THAT(error_of("send:flat"), HasSubstr("unknown collective \"send\""));
  EXPECT_THAT(error_of(":flat"), HasSubstr("unknown collective \"\""));
  EXPECT_THAT(error_of("Broadcast:flat"), HasSubstr("unknown collective \"Broadcast\""));
}

TEST(Overrides, NameTheUnknownAlgorithmAndTheKnownOnes) {
  EXPECT_EQ(error_of("broadcast:flatt"), "TUTTI_ALGO: unknown algorithm \"flatt\"; known are chain, flat, trust");
  EXPECT_THAT(error_of("broadcast:"), HasSubstr("unknown algorithm \"\""));
  EXPECT_THAT(error_of("broadcast:flat:chain"), HasSubstr("unknown algorithm \"flat:chain\""));
}

TEST(Overrides, RefuseAnAlgorithmThatNeverSolvesTheCollective) {
  EXPECT_EQ(error_of("barrier:flat"), "TUTTI_ALGO: algorithm \"flat\" does not solve barrier; those that do are trust");
  EXPECT_EQ(error_of("allreduce:flat"), "TUTTI_ALGO: algorithm \"flat\" does not solve allreduce; those that do are none");
}

TEST(Overrides, RefuseWhatIsNoPair) {
  EXPECT_EQ(error_of("broadcast:flat;ring"), "TUTTI_ALGO: \"ring\" is not of the form collective:algorithm");
}

TEST(Overrides, RefuseACollectiveNamedTwice) {
  EXPECT_EQ(error_of("broadcast:flat;broadcast:chain"), "TUTTI_ALGO: broadcast is named twice, last in \"broadcast:chain\"");
}

}  // namespace
}  // namespace tutti::planner
