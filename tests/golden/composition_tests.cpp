// SPDX-License-Identifier: Apache-2.0
// Algorithms composed over the levels of machines, whichever and over whichever.
#include "planner/composition.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "golden/registered_algorithms.hpp"
#include "planner/applicability.hpp"
#include "planner/planner.hpp"
#include "support/domains.hpp"
#include "support/schedule_support.hpp"
#include "support/test_size.hpp"

namespace tutti {
namespace {

using namespace schedule;
using planner::Composition;
using topology::Topology;

using tests::divided;
using tests::Domains;
using tests::domains_by;

struct Place {
  std::string name;
  Topology topology;
};

// Domains of one size and of several, side by side and in turn, on one level and on two.
std::vector<Place> places(uint32_t rank_count) {
  const Domains halves = domains_by(rank_count, [&](uint32_t rank) { return rank * 2 / rank_count; });
  const Domains quarters = domains_by(rank_count, [&](uint32_t rank) { return rank * 4 / rank_count; });
  const Domains in_turn = domains_by(rank_count, [](uint32_t rank) { return rank % 2; });
  const Domains unequal = domains_by(rank_count, [](uint32_t rank) { return rank < 3 ? 0u : 1 + rank % 2; });
  const Domains one_apart = domains_by(rank_count, [](uint32_t rank) { return rank == 1 ? 9u : 0u; });
  std::vector<Place> all = {{"halves", divided({halves})},
                            {"in turn", divided({in_turn})},
                            {"unequal", divided({unequal})},
                            {"one apart", divided({one_apart})},
                            {"quarters in halves", divided({halves, quarters})},
                            {"unequal in turn", divided({in_turn, unequal})}};
  Topology hosts = tests::reaching_topology(rank_count);
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    hosts.set_host(rank, rank % 3 / 2);
  }
  all.push_back({"hosts", hosts});
  return all;
}

std::unique_ptr<const Composition> composed(const std::string& name) {
  auto made = Composition::parse(name, tests::registered_algorithms());
  EXPECT_TRUE(made.has_value()) << made.error().message();
  return std::move(*made);
}

std::vector<std::string> names_for(Collective collective) {
  std::vector<std::string> names;
  for (const planner::Algorithm& algorithm : tests::registered_algorithms()) {
    const std::string half(algorithm.name);
    for (const std::string& name : {half + "/" + half, half + "/ring", "one_shot/" + half, half + "/one_shot/3", "-/" + half + "/two_shot/2",
                                    "ring/" + half + "/one_shot", "binomial/" + half, "one_shot/pairwise/" + half}) {
      const auto made = Composition::parse(name, tests::registered_algorithms());
      if (made && (*made)->unfit_part(collective).empty()) {
        names.push_back(name);
      }
    }
  }
  return names;
}

class CompositionTest : public testing::TestWithParam<Collective> {};

TEST_P(CompositionTest, SolvesWhatItAppliesTo) {
  const std::vector<uint32_t> rank_counts = tests::test_size() == tests::Size::small ? std::vector{6u} : std::vector{4u, 6u, 7u, 8u, 12u};
  size_t solved = 0;
  for (const std::string& name : names_for(GetParam())) {
    const auto composition = composed(name);
    for (const uint32_t rank_count : rank_counts) {
      for (const Place& place : places(rank_count)) {
        for (const Problem& problem : tests::problems_of(GetParam(), rank_count)) {
          if (composition->algorithm().applies(problem, place.topology)) {
            ASSERT_TRUE(tests::solves(composition->algorithm(), problem, place.topology)) << name << ", " << place.name;
            ++solved;
          }
        }
      }
    }
  }
  EXPECT_GT(solved, tests::test_size() == tests::Size::small ? 2u : 20u);
}

INSTANTIATE_TEST_SUITE_P(All, CompositionTest, testing::ValuesIn(tests::kCollectives), [](const auto& info) { return std::string(name_of(info.param)); });

TEST(Composition, RunsInSwitches) {
  for (const char* name : {"in_switch/in_switch/2", "in_switch/one_shot", "one_shot/in_switch_tree/4", "in_switch/double_binary_tree/2"}) {
    const auto composition = composed(name);
    size_t solved = 0;
    for (const uint32_t rank_count : {12u, 16u}) {
      for (const Topology& machine : planner::sample_topologies(rank_count)) {
        const Problem problem{.collective = Collective::all_reduce, .rank_count = rank_count};
        if (composition->algorithm().applies(problem, machine)) {
          ASSERT_TRUE(tests::solves(composition->algorithm(), problem, machine)) << name;
          ++solved;
        }
      }
    }
    EXPECT_GT(solved, 0u) << name;
  }
}

// Ranks that are in place beside ranks that are not.
TEST(Composition, SolvesWhereRanksDifferInPlace) {
  std::mt19937 random(7);
  for (const char* name : {"one_shot/one_shot", "ring/one_shot/2", "binomial/binomial"}) {
    const auto composition = composed(name);
    for (const Place& place : places(6)) {
      for (const Collective collective : tests::kCollectives) {
        for (Problem problem : tests::problems_of(collective, 6)) {
          if (problem.in_place == InPlace::yes || collective == Collective::barrier || !composition->algorithm().applies(problem, place.topology)) {
            continue;
          }
          std::vector<Schedule> mixed = tests::build_all(composition->algorithm(), problem, place.topology);
          problem.in_place = InPlace::yes;
          const std::vector<Schedule> same = tests::build_all(composition->algorithm(), problem, place.topology);
          const auto mask = static_cast<uint32_t>(random());
          const auto in_place = [&](uint32_t rank) { return (mask >> rank & 1) != 0 ? InPlace::yes : InPlace::no; };
          for (uint32_t rank = 0; rank < 6; ++rank) {
            mixed[rank] = in_place(rank) == InPlace::yes ? same[rank] : mixed[rank];
          }
          const Status status = verify(problem, mixed, {.in_place = in_place});
          ASSERT_TRUE(status.ok()) << name << ", " << place.name << ", " << to_string(problem) << ", ranks in place: " << mask << ": " << status.message();
        }
      }
    }
  }
}

// Bytes that leave a domain: each rank's share of the vector to and from the other, where ranks of both hold the same pieces.
TEST(Composition, DomainsOfDifferentSizesShareTheWork) {
  const Topology topology = divided({{0, 0, 0, 1, 1}});
  const auto composition = composed("one_shot/one_shot");
  const Problem problem{.collective = Collective::all_reduce, .rank_count = 5};
  ASSERT_TRUE(composition->algorithm().applies(problem, topology));
  for (uint32_t rank = 0; rank < 5; ++rank) {
    const Schedule schedule = composition->algorithm().build(problem, topology, rank);
    EXPECT_EQ(schedule.chunk_count, 6u) << "a common multiple of 2 and 3";
    uint32_t crossing = 0;
    for (const Step& step : schedule.steps) {
      crossing += step.kind == StepKind::send && topology.crossed(rank, step.peer) != nullptr ? step.chunk_count : 0;
    }
    EXPECT_EQ(crossing, rank < 3 ? 2u : 3u);
  }
}

// Ranks thrown into domains within domains, as many as it happens.
Topology thrown_together(uint32_t rank_count, std::mt19937& random) {
  const uint32_t outer_count = 2 + static_cast<uint32_t>(random() % 3);
  const Domains outer = domains_by(rank_count, [&](uint32_t) { return static_cast<uint32_t>(random() % outer_count); });
  const Domains inner = domains_by(rank_count, [&](uint32_t rank) { return outer[rank] * 3 + static_cast<uint32_t>(random() % 3); });
  return random() % 2 == 0 ? divided({outer}) : divided({outer, inner});
}

TEST(Composition, BlocksPassThroughDomainsOfAnySizes) {
  std::mt19937 random(11);
  const std::vector<uint32_t> rank_counts = tests::test_size() == tests::Size::small ? std::vector{7u} : std::vector{5u, 7u, 9u, 11u, 13u};
  for (const uint32_t rank_count : rank_counts) {
    const Topology topology = thrown_together(rank_count, random);
    const bool has_three_levels = planner::divisions_of(topology).size() == 2;
    const std::vector<std::pair<std::string, Collective>> cases = {
        {"one_shot/ring", Collective::all_gather},        {"bruck/one_shot", Collective::all_gather}, {"ring/one_shot", Collective::reduce_scatter},
        {"one_shot/ring", Collective::reduce_scatter}, {"pairwise/one_shot", Collective::all_to_all}, {"one_shot/pairwise", Collective::all_to_all},
        {"one_shot/binomial", Collective::gather},        {"binomial/one_shot", Collective::scatter}, {"dissemination/dissemination", Collective::barrier}};
    for (const auto& [name, collective] : cases) {
      const auto composition = composed((!has_three_levels ? "" : collective == Collective::barrier ? "dissemination/" : "one_shot/") + name);
      for (const Problem& problem : tests::problems_of(collective, rank_count)) {
        if (problem.blocks == Blocks::equal && problem.root % 3 == 0) {
          ASSERT_TRUE(composition->algorithm().applies(problem, topology)) << name << ", " << to_string(problem);
          ASSERT_TRUE(tests::solves(composition->algorithm(), problem, topology)) << name;
        }
      }
    }
  }
}

TEST(Composition, BlocksCrossOnceBetweenDomainsOfDifferentSizes) {
  const Domains domains = {0, 0, 0, 1, 1, 2, 2, 2, 2};
  const Topology topology = divided({domains});
  for (const Collective collective : {Collective::all_gather, Collective::reduce_scatter, Collective::all_to_all, Collective::gather, Collective::scatter}) {
    const Problem problem{.collective = collective, .rank_count = 9, .root = schedule::is_rooted(collective) ? 4u : 0u};
    const auto composition = composed("one_shot/one_shot");
    ASSERT_TRUE(composition->algorithm().applies(problem, topology));
    uint32_t crossing = 0;
    for (const Schedule& schedule : tests::build_all(composition->algorithm(), problem, topology)) {
      for (const Step& step : schedule.steps) {
        crossing += step.kind == StepKind::send && topology.crossed(schedule.rank, step.peer) != nullptr ? step.chunk_count : 0;
      }
    }
    const uint32_t between_domains = 9 * 9 - 3 * 3 - 2 * 2 - 4 * 4;
    EXPECT_EQ(crossing, schedule::is_rooted(collective) ? 7u : collective == Collective::all_to_all ? between_domains : 9u * 2) << to_string(problem);
  }
}

// Of a broadcast and a reduce each rank beside the root has its share of the vector between domains, and no more.
TEST(Composition, RootedVectorsPassBetweenDomainsInShares) {
  const Topology topology = divided({{0, 0, 0, 1, 1, 1, 2, 2, 2}});
  const auto composition = composed("one_shot/ring/2");
  for (const Collective collective : {Collective::broadcast, Collective::reduce}) {
    const Problem problem{.collective = collective, .rank_count = 9, .root = 4};
    ASSERT_TRUE(composition->algorithm().applies(problem, topology));
    for (const Schedule& schedule : tests::build_all(composition->algorithm(), problem, topology)) {
      double crossing = 0;
      for (const Step& step : schedule.steps) {
        crossing += step.kind == StepKind::send && topology.crossed(schedule.rank, step.peer) != nullptr ? step.chunk_count : 0;
      }
      EXPECT_LE(crossing / schedule.chunk_count, 1.0 / 3) << to_string(problem) << ", rank " << schedule.rank;
    }
  }
}

TEST(Composition, NamesThePartThatIsWrong) {
  const auto message = [](std::string_view name) {
    const auto made = Composition::parse(name, tests::registered_algorithms());
    return made ? std::string() : made.error().message();
  };
  EXPECT_NE(message("ring/rnig").find("unknown algorithm \"rnig\""), std::string::npos) << message("ring/rnig");
  EXPECT_NE(message("ring/").find("unknown algorithm \"\""), std::string::npos) << message("ring/");
  EXPECT_NE(message("ring/4").find("1 levels"), std::string::npos) << message("ring/4");
  EXPECT_NE(message("ring/ring/0").find("1 to 64"), std::string::npos) << message("ring/ring/0");
  EXPECT_NE(message("ring/ring/99999999999").find("1 to 64"), std::string::npos);
  EXPECT_NE(message("ring/-").find("outermost"), std::string::npos) << message("ring/-");
  EXPECT_NE(message("-/ring").find("outermost"), std::string::npos);
  EXPECT_NE(message("a/b/c/d/e/f/g/h/i").find("9 levels"), std::string::npos);

  const auto overrides = planner::Overrides::parse("allreduce:ring/pairwise", tests::registered_algorithms());
  ASSERT_FALSE(overrides.has_value());
  EXPECT_NE(overrides.error().message().find("\"pairwise\" cannot be part of it"), std::string::npos) << overrides.error().message();
  const auto fits = planner::Overrides::parse("allreduce:ring/two_shot/4;alltoall:pairwise/one_shot", tests::registered_algorithms());
  EXPECT_TRUE(fits.has_value()) << fits.error().message();
}

}  // namespace
}  // namespace tutti
