// SPDX-License-Identifier: Apache-2.0
// Machines that hwloc makes up, and the ranks on them.
#include "topology/discovery.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topology/places.hpp"

namespace tutti::topology {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kNowhere = UINT32_MAX;

Processors made_up(const std::string& description) {
  Result<Processors> processors = Processors::synthetic(description);
  EXPECT_TRUE(processors) << processors.error().message();
  return std::move(*processors);
}

// Of a process that is bound to one processor.
Place place_on(const Processors& processors, uint32_t processor) {
  ProcessorWords words(processor / 64 + 1);
  words.back() = uint64_t{1} << processor % 64;
  return processors.place_of(words, kNowhere);
}

// A host with a rank on each of the processors, in this order.
Topology ranks_on(const Processors& processors, const std::vector<uint32_t>& used) {
  Topology topology(static_cast<uint32_t>(used.size()));
  std::vector<Place> places;
  for (uint32_t rank = 0; rank < used.size(); ++rank) {
    topology.set_host(rank, 0);
    places.push_back(place_on(processors, used[rank]));
  }
  add_levels(topology, places);
  return topology;
}

TEST(Processors, UnitsAreNamedByTheirLowestProcessor) {
  const Processors processors = made_up("pack:2 numa:1 l3:2 core:4 pu:1");
  EXPECT_EQ(place_on(processors, 0), (Place{.package = 0, .numa_node = 0, .cache = 0}));
  EXPECT_EQ(place_on(processors, 3), (Place{.package = 0, .numa_node = 0, .cache = 0}));
  EXPECT_EQ(place_on(processors, 7), (Place{.package = 0, .numa_node = 0, .cache = 4}));
  EXPECT_EQ(place_on(processors, 9), (Place{.package = 8, .numa_node = 8, .cache = 8}));
  EXPECT_EQ(place_on(processors, 15), (Place{.package = 8, .numa_node = 8, .cache = 12}));
}

TEST(Processors, APackageMayHaveSeveralMemories) {
  const Processors processors = made_up("pack:2 group:2 [numa] l3:1 core:2 pu:2");
  EXPECT_EQ(place_on(processors, 6), (Place{.package = 0, .numa_node = 4, .cache = 4}));
  EXPECT_EQ(place_on(processors, 15), (Place{.package = 8, .numa_node = 12, .cache = 12}));
}

TEST(Processors, WithoutAnL3CacheTheUnitAboveStandsForIt) {
  EXPECT_EQ(place_on(made_up("pack:2 [numa] core:4 pu:1"), 5), (Place{.package = 4, .numa_node = 4, .cache = 4}));
}

// Bound to a package, a process is in it; in which of its caches, only the moment tells.
TEST(Processors, OfUnitsThatABindingSpansTheOneInUseCounts) {
  const Processors processors = made_up("pack:2 [numa] l3:2 core:4 pu:1");
  EXPECT_EQ(processors.place_of({0xff00}, 13), (Place{.package = 8, .numa_node = 8, .cache = 12}));
  EXPECT_EQ(processors.place_of({0xffff}, 13), (Place{.package = 8, .numa_node = 8, .cache = 12}));
  EXPECT_EQ(processors.place_of({0xffff}, kNowhere), Place{});
  EXPECT_EQ(processors.place_of({}, 6), (Place{.package = 0, .numa_node = 0, .cache = 4}));
}

TEST(Processors, ThatDoNotExistAreNowhere) {
  const Processors processors = made_up("pack:2 [numa] l3:2 core:4 pu:1");
  EXPECT_EQ(place_on(processors, 16), Place{});
  EXPECT_EQ(place_on(processors, 5000), Place{});
}

TEST(Processors, OfMachinesBeyondTheLimitTheLowestCount) {
  const Processors processors = made_up("pack:3 [numa] core:2000 pu:1");
  EXPECT_EQ(place_on(processors, 4095).package, 4000u);
  EXPECT_EQ(place_on(processors, 4096), Place{});
}

TEST(Processors, AnUnknownDescriptionIsAnError) {
  const Result<Processors> processors = Processors::synthetic("pack:two");
  ASSERT_FALSE(processors);
  EXPECT_EQ(processors.error().code(), tuttiInvalidArgument);
  EXPECT_THAT(processors.error().message(), HasSubstr("\"pack:two\""));
}

TEST(Processors, OfThisMachineAreKnown) {
  const Result<Processors> processors = Processors::discover();
  ASSERT_TRUE(processors) << processors.error().message();
  const ProcessorWords allowed = processors->allowed_to_process();
  EXPECT_FALSE(allowed.empty());
  const Place place = processors->place_of_thread();
  EXPECT_LT(place.package, kMostProcessors);
  EXPECT_LT(place.numa_node, kMostProcessors);
  EXPECT_LT(place.cache, kMostProcessors);
}

TEST(Levels, ArePackagesAndTheCachesInThem) {
  const Topology topology = ranks_on(made_up("pack:2 numa:1 l3:2 core:4 pu:1"), {0, 1, 4, 5, 8, 9, 12, 13});
  ASSERT_EQ(topology.levels().size(), 2u);
  EXPECT_EQ(topology.levels()[0].name, "package");
  EXPECT_EQ(topology.levels()[0].domains, (std::vector<uint32_t>{0, 0, 0, 0, 1, 1, 1, 1}));
  EXPECT_EQ(topology.levels()[1].name, "L3 cache");
  EXPECT_EQ(topology.levels()[1].domains, (std::vector<uint32_t>{0, 0, 1, 1, 2, 2, 3, 3}));
  EXPECT_EQ(topology.crossed(0, 4), &topology.levels()[0]);
  EXPECT_EQ(topology.crossed(0, 2), &topology.levels()[1]);
  EXPECT_FALSE(topology.levels()[0].source.empty());
  EXPECT_FALSE(topology.levels()[1].source.empty());
}

TEST(Levels, FollowTheRanksWhereverTheyAreBound) {
  const Topology topology = ranks_on(made_up("pack:2 numa:1 l3:2 core:4 pu:1"), {8, 0, 9, 1});
  ASSERT_EQ(topology.levels().size(), 1u);
  EXPECT_EQ(topology.levels()[0].domains, (std::vector<uint32_t>{0, 1, 0, 1}));
}

TEST(Levels, OnlyWhatDividesRanksAndBringsSomeTogetherIsALevel) {
  const Processors processors = made_up("pack:2 numa:1 l3:2 core:4 pu:1");
  EXPECT_TRUE(ranks_on(processors, {0, 1, 2, 3}).levels().empty()) << "all share a cache";
  EXPECT_TRUE(ranks_on(processors, {0, 8}).levels().empty()) << "each is alone";
  const Topology caches = ranks_on(processors, {0, 1, 4, 5});
  ASSERT_EQ(caches.levels().size(), 1u);
  EXPECT_EQ(caches.levels()[0].name, "L3 cache");
  EXPECT_TRUE(ranks_on(made_up("pack:1 [numa] l3:1 core:8 pu:1"), {0, 1, 2, 3}).levels().empty());
}

// Each virtual processor may look like a package with caches of its own.
TEST(Levels, PackagesAroundOneMemoryAreOne) {
  EXPECT_TRUE(ranks_on(made_up("[numa] pack:8 l3:1 core:1 pu:1"), {0, 1, 2, 3, 4, 5, 6, 7}).levels().empty());
}

TEST(Levels, OfRanksThatCouldNotFindOutAreNone) {
  Topology topology(4);
  for (uint32_t rank = 0; rank < 4; ++rank) {
    topology.set_host(rank, rank / 2);
  }
  add_levels(topology, std::vector<Place>(4));
  EXPECT_TRUE(topology.levels().empty());
}

}  // namespace
}  // namespace tutti::topology
