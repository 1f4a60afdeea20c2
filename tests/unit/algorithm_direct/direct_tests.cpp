// SPDX-License-Identifier: Apache-2.0
#include "algorithms/direct/direct.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>

#include "cost/cost.hpp"
#include "support/graph_fabric.hpp"
#include "support/grids.hpp"
#include "support/schedule_support.hpp"
#include "topology/model.hpp"

namespace tutti::algorithms::direct {
namespace {

using namespace schedule;

const planner::Algorithm& one_shot() { return algorithms()[0]; }
const planner::Algorithm& two_shot() { return algorithms()[1]; }

const planner::Algorithm& in_switch() { return algorithms()[2]; }
const planner::Algorithm& in_switch_tree() { return algorithms()[3]; }
const planner::Algorithm& far_first() { return algorithms()[4]; }
const planner::Algorithm& relay_tree() { return algorithms()[5]; }

constexpr uint64_t kBytesPerS = 1'000'000'000;

topology::Topology around_a_switch(uint32_t rank_count, uint32_t per_mille = 1000) {
  topology::Topology topology(rank_count);
  topology.set_fabric(std::make_shared<tests::GraphFabric>(tests::switch_shape(rank_count, kBytesPerS, per_mille)));
  return topology;
}

class OneShotTest : public testing::TestWithParam<Collective> {};
class TwoShotTest : public testing::TestWithParam<Collective> {};

TEST_P(OneShotTest, SolvesAllItAppliesTo) { tests::expect_solves_all_it_applies_to(one_shot(), GetParam()); }
TEST_P(TwoShotTest, SolvesAllItAppliesTo) { tests::expect_solves_all_it_applies_to(two_shot(), GetParam()); }

TEST_P(OneShotTest, AppliesToEveryFormOfTheCollective) {
  for (uint32_t rank_count = 1; rank_count <= tests::kLargestRankCount; ++rank_count) {
    for (const Problem& problem : tests::problems_of(GetParam(), rank_count)) {
      EXPECT_TRUE(tests::applies(one_shot(), problem)) << to_string(problem);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Collectives, OneShotTest,
                         testing::Values(Collective::all_reduce, Collective::reduce, Collective::broadcast,
                                         Collective::all_gather, Collective::reduce_scatter, Collective::all_to_all,
                                         Collective::gather, Collective::scatter),
                         [](const auto& info) { return std::string(name_of(info.param)); });
INSTANTIATE_TEST_SUITE_P(Collectives, TwoShotTest,
                         testing::Values(Collective::all_reduce, Collective::reduce, Collective::broadcast),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST(OneShotTest, TwoRanksReduceWhatArrivesWithoutScratch) {
  for (const Collective collective : {Collective::all_reduce, Collective::reduce, Collective::reduce_scatter}) {
    for (const Schedule& schedule : tests::build_all(one_shot(), {.collective = collective, .rank_count = 2})) {
      EXPECT_EQ(schedule.scratch_slots, 0u);
      EXPECT_LE(schedule.steps.size(), 2u);
    }
  }
}

TEST(OneShotTest, TwoRanksInPlaceCopyOnOneSideOnly) {
  const std::vector<Schedule> schedules = tests::build_all(one_shot(), {.rank_count = 2, .in_place = InPlace::yes});
  EXPECT_EQ(tests::count_steps(schedules[0], StepKind::copy), 0u);
  EXPECT_EQ(tests::count_steps(schedules[1], StepKind::copy), 1u);
}

TEST(OneShotTest, ReducesInRankOrderInOnePass) {
  for (const Schedule& schedule : tests::build_all(one_shot(), {.rank_count = 5})) {
    EXPECT_EQ(tests::count_steps(schedule, StepKind::reduce), 1u);
    ASSERT_EQ(schedule.sources.size(), 5u);
    uint32_t next_slot = 0;
    for (uint32_t rank = 0; rank < 5; ++rank) {
      const Span expected = rank == schedule.rank ? Span{Buffer::input, 0} : Span{Buffer::scratch, next_slot++};
      EXPECT_EQ(schedule.sources[rank], expected) << "contribution of rank " << rank;
    }
  }
}

TEST(OneShotTest, AllToAllInPlacePutsAsideHalfOfTheBlocks) {
  uint32_t aside = 0;
  for (const Schedule& schedule :
       tests::build_all(one_shot(), {.collective = Collective::all_to_all, .rank_count = 6, .in_place = InPlace::yes})) {
    EXPECT_LE(schedule.scratch_slots, 3u);
    aside += schedule.scratch_slots;
  }
  EXPECT_EQ(aside, 6u * 5u / 2u);
}

TEST(FarFirstTest, SolvesWhereSomeAreFartherOffThanOthers) {
  for (const topology::Topology& topology : {tests::topology_of(tests::torus_of({5})), tests::topology_of(tests::mesh_of({3})),
                                             tests::topology_of(tests::torus_of({4, 3})), tests::topology_of_pairs(3)}) {
    for (const InPlace in_place : {InPlace::no, InPlace::yes}) {
      const Problem problem{.rank_count = topology.rank_count(), .in_place = in_place};
      ASSERT_TRUE(far_first().applies(problem, topology));
      ASSERT_TRUE(tests::solves(far_first(), problem, topology));
    }
  }
  EXPECT_FALSE(far_first().applies({.rank_count = 8}, around_a_switch(8)));
  EXPECT_FALSE(far_first().applies({.rank_count = 8}, tests::reaching_topology(8)));
  EXPECT_FALSE(far_first().applies({.collective = Collective::all_gather, .rank_count = 5}, tests::topology_of(tests::torus_of({5}))));
}

// On a ring of 12 with hops of 1 us and messages of 0.1 us on a link one_shot takes the 6 us of the longest way and more than the 18 messages of a link. What
// goes six hops is 3 of them.
TEST(FarFirstTest, HidesBytesBehindLatencies) {
  constexpr uint64_t kBytes = 5'000;  // on links of 50 GB/s
  const topology::Topology ring = tests::topology_of(tests::torus_of({12}));
  const Problem problem{.rank_count = 12};
  const auto price = [&](const planner::Algorithm& algorithm) {
    return static_cast<double>(cost::price_ns(problem, tests::build_all(algorithm, problem, ring), ring, {.element_count = kBytes, .element_bytes = 1}));
  };
  EXPECT_GT(price(one_shot()), 6'000 + 1'800);
  EXPECT_GT(price(far_first()), 6'000 + 300);
  EXPECT_LT(price(far_first()), 6'000 + 1'200);
  for (const Schedule& schedule : tests::build_all(far_first(), problem, ring)) {
    for (const Lane& lane : schedule.lanes) {
      uint32_t before = 6;
      for (uint32_t index = lane.first_step; index < lane.first_step + lane.step_count; ++index) {
        if (schedule.steps[index].kind == StepKind::send) {
          const uint32_t ahead = (schedule.steps[index].peer + 12 - schedule.rank) % 12;
          EXPECT_LE(std::min(ahead, 12 - ahead), before);
          before = std::min(ahead, 12 - ahead);
        }
      }
    }
  }
}

TEST(RelayTreeTest, SolvesOnEveryShapeBetweenNeighboursAlone) {
  for (const tests::GridShape& shape : {tests::torus_of({5}), tests::mesh_of({3}), tests::torus_of({4, 3}), tests::mesh_of({3, 2, 2}), tests::twisted_torus_of({2, 4})}) {
    for (const Collective collective : {Collective::broadcast, Collective::reduce}) {
      ASSERT_NO_FATAL_FAILURE(tests::expect_solves_on_grid(relay_tree(), collective, shape));
    }
  }
  for (uint32_t rank_count = 4; rank_count <= 64; rank_count += tests::test_size() == tests::Size::full ? 1 : 15) {
    const topology::Topology ring = tests::topology_of(tests::torus_of({rank_count}));
    for (const Collective collective : {Collective::broadcast, Collective::reduce}) {
      for (const InPlace in_place : {InPlace::no, InPlace::yes}) {
        const Problem problem{.collective = collective, .rank_count = rank_count, .root = rank_count / 3, .in_place = in_place};
        ASSERT_TRUE(tests::solves_on_links(relay_tree(), problem, ring));
      }
    }
  }
  EXPECT_FALSE(relay_tree().applies({.collective = Collective::broadcast, .rank_count = 8}, around_a_switch(8)));
  EXPECT_FALSE(relay_tree().applies({.collective = Collective::broadcast, .rank_count = 8}, tests::reaching_topology(8)));
  EXPECT_FALSE(relay_tree().applies({.rank_count = 5}, tests::topology_of(tests::torus_of({5}))));
}

// A ring on which software takes so long for each message.
topology::Topology ring_of_steps(uint32_t rank_count, uint64_t step_ns) {
  topology::LevelModel level;
  level.kind = topology::LevelKind::ring;
  level.dims = {rank_count};
  level.wrap = topology::Wrap::all;
  level.bytes_per_s = {{.value = 50'000'000'000, .citation = {}}};
  level.hop_ns = {.value = 200, .citation = {}};
  level.protocols.push_back({.protocol = {.name = "only", .step_ns = step_ns}, .citation = {}, .efficiency_citation = {}});
  const auto fabric = topology::make_fabric({.name = "ring", .title = "", .chip = "chip", .shapes = {}, .levels = {level}});
  EXPECT_TRUE(fabric) << fabric.error().message();
  return topology::Topology::of(*fabric);
}

// Of twelve chips the farthest is 1.2 us of hops away. With steps of 0.3 us it hears after 1.5 us, and so do, by one another, those five hops away; with steps of
// 2 us nobody else is quick enough, but for a reduce whose way is a third longer.
TEST(RelayTreeTest, SendsStraightWhatOthersWouldBringTooLate) {
  const auto children_of_root = [](Collective collective, uint64_t step_ns) {
    const topology::Topology ring = ring_of_steps(12, step_ns);
    const Problem problem{.collective = collective, .rank_count = 12, .root = 4};
    EXPECT_TRUE(tests::solves(relay_tree(), problem, ring));
    return tests::count_steps(relay_tree().build(problem, ring, 4), collective == Collective::broadcast ? StepKind::send : StepKind::receive);
  };
  EXPECT_EQ(children_of_root(Collective::broadcast, 0), 2u);
  EXPECT_EQ(children_of_root(Collective::broadcast, 2'000), 11u);
  EXPECT_EQ(children_of_root(Collective::reduce, 2'000), 11u);
  EXPECT_LT(children_of_root(Collective::broadcast, 300), 11u);
  EXPECT_LT(children_of_root(Collective::reduce, 1'000), 11u);
}

TEST(RelayTreeTest, HidesBytesBehindLatencies) {
  constexpr uint64_t kBytes = 5'000;  // 0.1 us on a link
  const topology::Topology ring = ring_of_steps(12, 2'000);
  const Problem problem{.collective = Collective::broadcast, .rank_count = 12};
  const auto price = [&](const planner::Algorithm& algorithm) {
    return static_cast<double>(cost::price_ns(problem, tests::build_all(algorithm, problem, ring), ring, {.element_count = kBytes, .element_bytes = 1}));
  };
  EXPECT_GT(price(one_shot()), 2'000 + 1'200 + 500);
  EXPECT_LT(price(relay_tree()), 2'000 + 1'200 + 300);
}

TEST(TwoShotTest, AllReduceOfTwoRanksNeedsNeitherScratchNorCopies) {
  for (const InPlace in_place : {InPlace::no, InPlace::yes}) {
    for (const Schedule& schedule : tests::build_all(two_shot(), {.rank_count = 2, .in_place = in_place})) {
      EXPECT_EQ(schedule.scratch_slots, 0u);
      EXPECT_EQ(schedule.steps.size(), 4u);
    }
  }
}

TEST(TwoShotTest, AllReduceSendsTheLeastAnyAlgorithmCan) {
  for (uint32_t rank_count = 2; rank_count <= 9; ++rank_count) {
    for (const Schedule& schedule : tests::build_all(two_shot(), {.rank_count = rank_count})) {
      EXPECT_EQ(schedule.chunk_count, rank_count);
      EXPECT_EQ(tests::count_chunks_sent(schedule), 2 * (rank_count - 1));
    }
  }
}

TEST(TwoShotTest, BroadcastRootSendsEachByteOnce) {
  const std::vector<Schedule> schedules =
      tests::build_all(two_shot(), {.collective = Collective::broadcast, .rank_count = 6, .root = 4});
  EXPECT_EQ(schedules[4].chunk_count, 5u);
  EXPECT_EQ(tests::count_chunks_sent(schedules[4]), 5u);
}

TEST(InSwitchTest, SolvesAllItAppliesTo) {
  for (const planner::Algorithm* algorithm : {&in_switch(), &in_switch_tree()}) {
    std::set<Collective> solved;
    for (const uint32_t rank_count : {1u, 2u, 3u, 4u, 5u, 8u}) {
      const topology::Topology topology = around_a_switch(rank_count);
      for (const Collective collective : tests::kCollectives) {
        for (const Problem& problem : tests::problems_of(collective, rank_count)) {
          if (algorithm->applies(problem, topology)) {
            EXPECT_GE(rank_count, 3u);
            ASSERT_TRUE(tests::solves(*algorithm, problem, topology));
            solved.insert(collective);
          }
        }
      }
    }
    EXPECT_EQ(solved.size(), algorithm == &in_switch() ? 5u : 1u);
  }
}

TEST(InSwitchTest, AppliesWhereSwitchesDoIt) {
  const Problem reduce{.collective = Collective::all_reduce, .rank_count = 4};
  const Problem gather{.collective = Collective::all_gather, .rank_count = 4};
  EXPECT_TRUE(in_switch().applies(reduce, around_a_switch(4)));
  EXPECT_FALSE(in_switch().applies(reduce, around_a_switch(4, 0)));
  EXPECT_FALSE(in_switch().applies(reduce, tests::reaching_topology(4)));
  topology::Topology copying(4);
  tests::GraphFabric::Shape shape = tests::switch_shape(4, kBytesPerS, 1000);
  shape.level.reduction_per_mille = 0;
  copying.set_fabric(std::make_shared<tests::GraphFabric>(shape));
  EXPECT_TRUE(in_switch().applies(gather, copying));
  EXPECT_FALSE(in_switch().applies(reduce, copying));
  shape.level.reduction_per_mille = 1000;
  shape.level.reduces_to_all = false;
  copying.set_fabric(std::make_shared<tests::GraphFabric>(shape));
  EXPECT_TRUE(in_switch().applies(reduce, copying));
  EXPECT_FALSE(in_switch_tree().applies(reduce, copying));
}

// With p ranks (1 + 1/p) n bytes leave each, where switches keep up.
TEST(InSwitchTest, TakesTheTimeOfItsBytes) {
  constexpr uint64_t kBytes = uint64_t{1} << 30;
  const Problem problem{.collective = Collective::all_reduce, .rank_count = 8};
  const topology::Topology topology = around_a_switch(8, 800);
  const auto price = [&](const planner::Algorithm& algorithm) {
    return static_cast<double>(
        cost::price_ns(problem, tests::build_all(algorithm, problem, topology), topology, {.element_count = kBytes, .element_bytes = 1}));
  };
  EXPECT_NEAR(price(in_switch()) / kBytes, (1 + 1.0 / 8) / 0.8, 0.01);
  EXPECT_NEAR(price(in_switch_tree()) / kBytes, 1 / 0.8, 0.01);
  EXPECT_NEAR(price(two_shot()) / kBytes, 2 * 7.0 / 8, 0.01);
}

// More ranks than have a message for each other: some of them lead.
TEST(InSwitchTest, ManyRanksAreLedBySome) {
  constexpr uint32_t kRanks = 300;
  topology::LevelModel level;
  level.kind = topology::LevelKind::switched;
  level.dims = {kRanks};
  level.bytes_per_s = {{.value = kBytesPerS, .citation = {}}};
  level.protocols.push_back({.protocol = {.name = "only"}, .citation = {}, .efficiency_citation = {}});
  level.multicast = {.efficiency_per_mille = 1000, .citation = {}};
  level.reduction = {.efficiency_per_mille = 1000, .citation = {}};
  const auto fabric = topology::make_fabric({.name = "star", .title = "", .chip = "chip", .shapes = {}, .levels = {level}});
  ASSERT_TRUE(fabric) << fabric.error().message();
  const topology::Topology topology = topology::Topology::of(*fabric);
  for (const InPlace in_place : {InPlace::no, InPlace::yes}) {
    const Problem problem{.collective = Collective::all_reduce, .rank_count = kRanks, .in_place = in_place};
    ASSERT_TRUE(in_switch().applies(problem, topology));
    ASSERT_TRUE(tests::solves(in_switch(), problem, topology));
  }
  EXPECT_TRUE(in_switch().applies({.collective = Collective::broadcast, .rank_count = kRanks}, topology));
  EXPECT_FALSE(in_switch().applies({.collective = Collective::all_gather, .rank_count = kRanks}, topology)) << "a message of everybody to everybody";
}

}  // namespace
}  // namespace tutti::algorithms::direct
