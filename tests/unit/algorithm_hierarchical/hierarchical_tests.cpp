// SPDX-License-Identifier: Apache-2.0
#include "algorithms/hierarchical/hierarchical.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "algorithms/hierarchical/hierarchy.hpp"
#include "support/domains.hpp"
#include "support/graph_fabric.hpp"
#include "support/planted_bugs.hpp"
#include "support/schedule_support.hpp"

namespace tutti::algorithms::hierarchical {
namespace {

using namespace schedule;
using topology::Level;
using topology::Topology;

using tests::divided;
using tests::Domains;
using tests::domains_by;
using tests::one_host;

// Some algorithms want switches that reduce and copy, or a model of the machine.
Topology on_switches(Topology topology) {
  topology.set_fabric(std::make_shared<tests::GraphFabric>(tests::switch_shape(topology.rank_count(), 1'000'000'000, 1000)));
  return topology;
}

struct Layout {
  std::string name;
  Topology topology;
};

// Equal and unequal domains, side by side and interleaved, one level, two and three.
std::vector<Layout> layouts(uint32_t rank_count) {
  const Domains halves = domains_by(rank_count, [&](uint32_t rank) { return rank * 2 / rank_count; });
  const Domains quarters = domains_by(rank_count, [&](uint32_t rank) { return rank * 4 / rank_count; });
  const Domains in_turn = domains_by(rank_count, [](uint32_t rank) { return rank % 2; });
  const Domains thirds = domains_by(rank_count, [](uint32_t rank) { return rank % 3; });
  const Domains unequal = domains_by(rank_count, [](uint32_t rank) { return rank < 3 ? 0u : 1 + rank % 2; });
  const Domains one_apart = domains_by(rank_count, [&](uint32_t rank) { return rank == 1 ? 9 : rank * 2 / rank_count; });
  std::mt19937 random(rank_count);
  const Domains anyhow = domains_by(rank_count, [&](uint32_t) { return static_cast<uint32_t>(random() % 4); });
  std::vector<Layout> all = {{"halves", divided({halves})},
                             {"in turn", divided({in_turn})},
                             {"thirds", divided({thirds})},
                             {"unequal", divided({unequal})},
                             {"one apart", divided({one_apart})},
                             {"anyhow", divided({anyhow})},
                             {"quarters in halves", divided({halves, quarters})},
                             {"in turn, anyhow", divided({in_turn, anyhow})}};
  Topology hosts = tests::reaching_topology(rank_count);
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    hosts.set_host(rank, rank % 3 / 2);
  }
  all.push_back({"hosts", hosts});
  hosts.add_level({.name = "package", .domains = halves});
  hosts.add_level({.name = "cache", .domains = quarters});
  all.push_back({"hosts with packages with caches", hosts});
  return all;
}

const planner::Algorithm& named(std::string_view name) {
  return *std::find_if(algorithms().begin(), algorithms().end(), [&](const planner::Algorithm& one) { return one.name == name; });
}

class HierarchicalTest : public testing::TestWithParam<const planner::Algorithm*> {
 protected:
  static Topology suitable(const Topology& topology) {
    return GetParam()->name.ends_with("in_switch_rails") || GetParam()->name.ends_with("rail_shots") ? on_switches(topology) : topology;
  }
};

TEST_P(HierarchicalTest, SolvesAllItAppliesTo) {
  size_t solved = 0;
  for (const uint32_t rank_count : {4u, 5u, 6u, 7u, 8u, 12u, 13u, 16u, 17u}) {
    for (const Layout& layout : layouts(rank_count)) {
      const Topology topology = suitable(layout.topology);
      for (const Collective collective : tests::kCollectives) {
        for (const Problem& problem : tests::problems_of(collective, rank_count)) {
          if (GetParam()->applies(problem, topology)) {
            ASSERT_TRUE(tests::solves(*GetParam(), problem, topology)) << layout.name;
            ++solved;
          }
        }
      }
    }
  }
  EXPECT_GE(solved, 10u);
}

// Some ranks in place and others not, as their callers like it.
TEST_P(HierarchicalTest, SolvesWhereRanksDifferInPlace) {
  std::mt19937 random(5);
  for (const uint32_t rank_count : {4u, 6u, 9u}) {
    for (const Layout& layout : layouts(rank_count)) {
      const Topology topology = suitable(layout.topology);
      for (const Collective collective : tests::kCollectives) {
        for (Problem problem : tests::problems_of(collective, rank_count)) {
          if (!GetParam()->applies(problem, topology) || problem.in_place == InPlace::yes || collective == Collective::barrier) {
            continue;
          }
          std::vector<Schedule> mixed = tests::build_all(*GetParam(), problem, topology);
          problem.in_place = InPlace::yes;
          const std::vector<Schedule> same = tests::build_all(*GetParam(), problem, topology);
          const auto mask = static_cast<uint32_t>(random());
          const auto in_place = [&](uint32_t rank) { return (mask >> rank & 1) != 0 ? InPlace::yes : InPlace::no; };
          for (uint32_t rank = 0; rank < rank_count; ++rank) {
            mixed[rank] = in_place(rank) == InPlace::yes ? same[rank] : mixed[rank];
          }
          const Status status = verify(problem, mixed, {.in_place = in_place});
          ASSERT_TRUE(status.ok()) << layout.name << ", " << to_string(problem) << ", ranks in place: " << mask << ": " << status.message();
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, HierarchicalTest, testing::ValuesIn([] {
                           std::vector<const planner::Algorithm*> all;
                           for (const planner::Algorithm& algorithm : algorithms()) {
                             all.push_back(&algorithm);
                           }
                           return all;
                         }()),
                         [](const auto& info) { return std::string(info.param->name); });

TEST(Hierarchical, AppliesWhereTwoDomainsHaveTwoRanks) {
  const auto applies = [](std::string_view name, const Topology& topology, Collective collective = Collective::all_reduce) {
    return named(name).applies({.collective = collective, .rank_count = topology.rank_count()}, topology);
  };
  const Topology halves = divided({{0, 0, 1, 1}});
  EXPECT_TRUE(applies("leaders", halves));
  EXPECT_TRUE(applies("rails", halves));
  EXPECT_FALSE(applies("outer_leaders", halves)) << "leaders by another name";
  EXPECT_FALSE(applies("inner_rails", halves)) << "rails by another name";
  EXPECT_FALSE(applies("leaders", one_host(4)));
  EXPECT_FALSE(applies("leaders", tests::reaching_topology(4))) << "a host for each rank";
  EXPECT_FALSE(applies("leaders", divided({{0, 0, 0, 1}})));
  const Topology one_alone = divided({{0, 0, 1, 1, 2}});
  EXPECT_TRUE(applies("leaders", one_alone));
  EXPECT_FALSE(applies("rails", one_alone));
  EXPECT_TRUE(applies("rails", one_alone, Collective::all_gather));
  const Topology nested = divided({{0, 0, 0, 0, 1, 1, 1, 1}, {0, 0, 1, 1, 2, 2, 3, 3}});
  for (const planner::Algorithm& algorithm : algorithms()) {
    EXPECT_TRUE(applies(algorithm.name, on_switches(nested))) << algorithm.name;
  }
  EXPECT_FALSE(applies("in_switch_rails", nested)) << "no switches";
  EXPECT_TRUE(applies("leaders", halves, Collective::barrier));
  EXPECT_FALSE(applies("rails", halves, Collective::all_to_all));
  EXPECT_TRUE(applies("outer_rails", nested, Collective::gather));
  EXPECT_FALSE(applies("inner_rails", nested, Collective::scatter)) << "rails by another name: nothing is done outside of the root's domain";
}

// Chunks, as parts of the vector or blocks, that pass from one domain to another.
double crossing_share(const planner::Algorithm& algorithm, Collective collective, const Topology& topology) {
  uint32_t crossing = 0;
  uint32_t chunk_count = 1;
  for (const Schedule& schedule : tests::build_all(algorithm, {.collective = collective, .rank_count = topology.rank_count(), .root = 1}, topology)) {
    chunk_count = schedule.chunk_count;
    for (const Step& step : schedule.steps) {
      crossing += step.kind == StepKind::send && topology.crossed(schedule.rank, step.peer) != nullptr ? 1 : 0;
    }
  }
  return static_cast<double>(crossing) / chunk_count;
}

TEST(Hierarchical, BytesCrossOnce) {
  const Topology halves = divided({{0, 1, 0, 1, 0, 1, 0, 1}});
  for (const std::string_view name : {"leaders", "rails"}) {
    EXPECT_EQ(crossing_share(named(name), Collective::all_reduce, halves), 2) << name << ": the vector each way";
    EXPECT_EQ(crossing_share(named(name), Collective::reduce, halves), 1) << name;
    EXPECT_EQ(crossing_share(named(name), Collective::broadcast, halves), 1) << name;
  }
  EXPECT_EQ(crossing_share(named("rails"), Collective::all_gather, halves), 1) << "each block to the other half";
  EXPECT_EQ(crossing_share(named("rails"), Collective::reduce_scatter, halves), 1);
  EXPECT_EQ(crossing_share(named("leaders"), Collective::barrier, halves), 2);
}

TEST(Hierarchical, HalvesLetLessOutOfSeveralDomains) {
  const Topology quarters = divided({{0, 0, 1, 1, 2, 2, 3, 3}});
  EXPECT_EQ(crossing_share(named("rails"), Collective::all_reduce, quarters), 4 * 3) << "each domain's vector to each other";
  EXPECT_EQ(crossing_share(named("rail_halves"), Collective::all_reduce, quarters), 2 * 3) << "each block from all domains to one, and back";
}

// Straight to who leads for it in each domain, and from there to the rest.
TEST(Hierarchical, ShotsTakeTwoMessages) {
  const Topology thirds = on_switches(divided({{0, 0, 1, 1, 2, 2, 2}}));
  for (const Schedule& schedule : tests::build_all(named("rail_shots"), {.collective = Collective::all_reduce, .rank_count = 7}, thirds)) {
    EXPECT_EQ(schedule.chunk_count, 2u);
    const bool leads = schedule.rank != 6;
    EXPECT_EQ(tests::count_chunks_sent(schedule), leads ? 5u + (schedule.rank < 4 ? 1 : 2) : 6u);
  }
  EXPECT_FALSE(named("rail_shots").applies({.rank_count = 7}, divided({{0, 0, 1, 1, 2, 2, 2}}))) << "no model";
}

// Between the root and ranks of other domains through those beside the root, of which each has as many behind it.
TEST(Hierarchical, BlocksPassThroughAllRanksBesideTheRoot) {
  for (const Domains& domains : {Domains{0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5}, Domains{0, 0, 0, 0, 1, 2, 3, 4, 5, 5, 5, 5}}) {
    const Topology topology = divided({domains});
    for (const Collective collective : {Collective::gather, Collective::scatter}) {
      const Problem problem{.collective = collective, .rank_count = 12, .root = 1};
      EXPECT_EQ(crossing_share(named("rails"), collective, topology), static_cast<double>(std::ranges::count_if(domains, [](uint32_t domain) { return domain != 0; })) / 12);
      const auto near = static_cast<uint32_t>(std::ranges::count(domains, 0u));
      uint32_t channels = 0;
      for (const Schedule& schedule : tests::build_all(named("rails"), problem, topology)) {
        channels = channels == 0 ? schedule.channel_count : channels;
        EXPECT_EQ(schedule.channel_count, channels) << "the same on all ranks";
        uint32_t crossing = 0;
        for (const Step& step : schedule.steps) {
          const bool is_message = step.kind == StepKind::send || step.kind == StepKind::receive;
          crossing += is_message && topology.crossed(schedule.rank, step.peer) != nullptr ? 1 : 0;
        }
        EXPECT_EQ(crossing, schedule.rank < near ? (12 - near) / near * schedule.parts : schedule.parts);
      }
    }
  }
}

TEST(Hierarchical, RailsShareTheWork) {
  const Topology halves = divided({{0, 1, 0, 1, 0, 1, 0, 1}});
  for (const Schedule& schedule : tests::build_all(named("rails"), {.collective = Collective::all_reduce, .rank_count = 8}, halves)) {
    EXPECT_EQ(schedule.chunk_count, 4u);
    EXPECT_EQ(tests::count_chunks_sent(schedule), 3u + 1u + 3u) << "shares to the others' leads, to the other half, and back";
  }
}

TEST(Hierarchy, LeadersMeetInTheNextDomain) {
  const Hierarchy hierarchy(divided({{0, 0, 0, 0, 1, 1, 1, 1}, {0, 0, 1, 1, 2, 2, 3, 3}}), Depth::all);
  ASSERT_EQ(hierarchy.stage_count(), 3u);
  const std::vector<Group> groups = hierarchy.groups_of(1, {.share = 1});
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].members, (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ(groups[0].leader, 1u);
  EXPECT_EQ(groups[1].members, (std::vector<uint32_t>{1, 3}));
  EXPECT_EQ(groups[1].leader, 3u);
  const std::vector<Group> of_leader = hierarchy.groups_of(7, {.share = 1});
  ASSERT_EQ(of_leader.size(), 3u);
  EXPECT_EQ(of_leader[2].members, (std::vector<uint32_t>{3, 7}));
  EXPECT_EQ(of_leader[2].leader, 7u);
}

TEST(Hierarchy, ARootLeadsItsDomainsWhoeverLeadsTheOthers) {
  const Hierarchy hierarchy(divided({{0, 0, 0, 0, 1, 1, 1, 1}, {0, 0, 1, 1, 2, 2, 3, 3}}), Depth::all);
  const std::vector<Group> groups = hierarchy.groups_of(2, {.share = 1, .first = 2, .near = 2});
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[2].leader, 2u);
  EXPECT_EQ(groups[2].members, (std::vector<uint32_t>{2, 7}));
}

}  // namespace
}  // namespace tutti::algorithms::hierarchical
