// SPDX-License-Identifier: Apache-2.0
// The planner over every registered algorithm: prices behave, and choices are those that common sense expects.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <set>
#include <string>
#include <vector>

#include "cost/cost.hpp"
#include "planner/planner.hpp"
#include "registry/registry.hpp"

namespace tutti::planner {
namespace {

using schedule::Collective;
using schedule::Problem;
using schedule::Schedule;
using topology::LinkSpec;
using topology::Topology;

const LinkSpec kMemory{.latency_ns = 300, .bandwidth_bytes_per_s = 6'600'000'000, .source = "test: copies through memory"};
const LinkSpec kNetwork{.latency_ns = 20'000, .bandwidth_bytes_per_s = 1'250'000'000, .source = "test: 10 Gbit/s"};

std::vector<Algorithm> registered() {
  std::vector<Algorithm> algorithms;
  for (const auto& family : registry::algorithm_families()) {
    const std::span<const Algorithm> members = family();
    algorithms.insert(algorithms.end(), members.begin(), members.end());
  }
  return algorithms;
}

Topology one_host(uint32_t rank_count, const LinkSpec& link = kMemory) {
  Topology topology = Topology::uniform(rank_count, link);
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    topology.set_host(rank, 0);
  }
  return topology;
}

Topology two_hosts(uint32_t rank_count, const LinkSpec& network = kNetwork) {
  Topology topology = Topology::uniform(rank_count, network);
  for (uint32_t a = 0; a < rank_count; ++a) {
    topology.set_host(a, a % 2);
    for (uint32_t b = a + 2; b < rank_count; b += 2) {
      topology.set_link(a, b, kMemory);
    }
  }
  return topology;
}

enum class Order { side_by_side, in_turn };

// Half of the ranks in each package. Between packages is a link that all share.
Topology two_packages(uint32_t rank_count, uint64_t crossing_bytes_per_s, Order order = Order::side_by_side) {
  Topology topology = one_host(rank_count);
  topology::Level level{.name = "package", .domains = {}, .crossing_ns = 125, .crossing_bytes_per_s = crossing_bytes_per_s};
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    level.domains.push_back(order == Order::in_turn ? rank % 2 : 2 * rank / rank_count);
  }
  topology.add_level(std::move(level));
  return topology;
}

const std::set<std::string> kHierarchical = {"leaders", "outer_leaders", "inner_leaders", "rails", "outer_rails", "inner_rails"};

struct Machine {
  std::string name;
  Topology topology;
};

std::vector<Machine> machines(uint32_t rank_count) {
  Topology mesh = Topology::uniform(rank_count, kNetwork);
  mesh.adapters = topology::Adapters::per_link;
  LinkSpec reaching_link = kMemory;
  reaching_link.reaches_memory = true;
  const Topology reaching = one_host(rank_count, reaching_link);
  LinkSpec socket = kNetwork;
  socket.copies_out = true;
  Topology crowded = one_host(rank_count);
  crowded.cores_per_host = 2;
  return {{"network", Topology::uniform(rank_count, kNetwork)},
          {"full mesh", mesh},
          {"one host", one_host(rank_count)},
          {"two cores", crowded},
          {"one host that reaches memory", reaching},
          {"two packages", two_packages(rank_count, 10'000'000'000)},
          {"two hosts", two_hosts(rank_count)},
          {"two hosts over sockets", two_hosts(rank_count, socket)}};
}

// Calls `visit` with every registered algorithm's schedules of every problem it applies to, on every machine.
template <typename Visit>
void for_each_case(Visit visit) {
  const std::vector<Algorithm> algorithms = registered();
  size_t visited = 0;
  for (uint32_t rank_count : {2u, 3u, 5u, 8u}) {
    for (const Machine& machine : machines(rank_count)) {
      for (uint32_t collective = 0; collective < schedule::kCollectiveCount; ++collective) {
        const Problem problem{.collective = static_cast<Collective>(collective), .rank_count = rank_count};
        for (const Algorithm& algorithm : algorithms) {
          if (!algorithm.applies(problem, machine.topology)) {
            continue;
          }
          SCOPED_TRACE(fmt::format("{}, {}, {}", algorithm.name, to_string(problem), machine.name));
          std::vector<Schedule> schedules;
          for (uint32_t rank = 0; rank < rank_count; ++rank) {
            schedules.push_back(algorithm.build(problem, machine.topology, rank));
          }
          visit(problem, schedules, machine.topology);
          ++visited;
        }
      }
    }
  }
  EXPECT_GT(visited, 100u);
}

uint64_t price(const Problem& problem, const std::vector<Schedule>& schedules, const Topology& topology, uint64_t bytes) {
  return cost::price_ns(problem, schedules, topology, {.element_count = bytes, .element_bytes = 1});
}

TEST(RegisteredAlgorithms, CostNoLessForFourTimesTheBytes) {
  for_each_case([](const Problem& problem, const std::vector<Schedule>& schedules, const Topology& topology) {
    uint64_t before = 0;
    for (uint64_t bytes = 1; bytes <= uint64_t{1} << 30; bytes *= 4) {
      const uint64_t now = price(problem, schedules, topology, bytes);
      EXPECT_GE(now, before) << bytes;
      EXPECT_NE(now, UINT64_MAX) << bytes;
      before = now;
    }
    if (problem.collective != Collective::barrier) {
      EXPECT_GT(before, price(problem, schedules, topology, 1));
    }
  });
}

TEST(RegisteredAlgorithms, CostTheSameEachTime) {
  for_each_case([](const Problem& problem, const std::vector<Schedule>& schedules, const Topology& topology) {
    EXPECT_EQ(price(problem, schedules, topology, 100'000), price(problem, schedules, topology, 100'000));
  });
}

TEST(RegisteredAlgorithms, CostNoMoreOnLinksOfTwiceTheBandwidth) {
  for_each_case([](const Problem& problem, const std::vector<Schedule>& schedules, const Topology& topology) {
    Topology faster = topology;
    for (uint32_t a = 0; a < problem.rank_count; ++a) {
      for (uint32_t b = a + 1; b < problem.rank_count; ++b) {
        LinkSpec link = topology.link(a, b);
        link.bandwidth_bytes_per_s *= 2;
        faster.set_link(a, b, link);
      }
    }
    for (uint64_t bytes : {uint64_t{8}, uint64_t{100'000}, uint64_t{64} << 20}) {
      EXPECT_LE(price(problem, schedules, faster, bytes), price(problem, schedules, topology, bytes)) << bytes;
    }
  });
}

class Choice : public testing::Test {
 protected:
  static Planner planner(const Topology& topology) {
    return Planner({.topology = topology, .rank = 0, .algorithms = registered(), .overrides = {}});
  }
  static std::string choice(Planner& planner, Collective collective, uint64_t bytes) {
    const Call call{.problem = {.collective = collective, .rank_count = planner.topology().rank_count()}, .element_count = bytes};
    const Result<const Plan*> plan = planner.plan(call);
    return plan ? std::string((*plan)->algorithm) : plan.error().message();
  }
};

TEST_F(Choice, OfAllReduceIsForLatencyWhenSmallAndForBandwidthWhenLarge) {
  const std::set<std::string> for_latency = {"recursive_doubling", "one_shot"};
  const std::set<std::string> for_bandwidth = {"ring", "two_shot", "shared_memory", "rails"};
  size_t uniform_count = 0;
  for (const Machine& machine : machines(8)) {
    if (machine.topology.host_count() == 2) {
      continue;  // a ring in rank order crosses between the hosts at each hop; there a tree may be better
    }
    ++uniform_count;
    Planner planner = Choice::planner(machine.topology);
    const std::string small = choice(planner, Collective::all_reduce, 8);
    const std::string large = choice(planner, Collective::all_reduce, 256 << 20);
    if (machine.name == "two cores") {
      EXPECT_EQ(small, "flat_tree") << "the fewest messages of ranks that share cores";
    } else {
      EXPECT_TRUE(for_latency.contains(small)) << machine.name << ": " << small;
    }
    EXPECT_TRUE(for_bandwidth.contains(large)) << machine.name << ": " << large;
  }
  EXPECT_EQ(uniform_count, 6u);
}

TEST_F(Choice, OfAFlatTreeIsForRanksThatShareCores) {
  for (const Machine& machine : machines(8)) {
    Planner planner = Choice::planner(machine.topology);
    for (const Collective collective : {Collective::all_reduce, Collective::all_gather, Collective::reduce_scatter, Collective::barrier}) {
      const std::string small = choice(planner, collective, collective == Collective::barrier ? 0 : 8);
      EXPECT_EQ(small == "flat_tree", machine.name == "two cores") << machine.name << ", " << name_of(collective) << ": " << small;
    }
  }
}

TEST_F(Choice, OfLargeCollectivesIsToWorkInPeersMemoryWhereThatIsReached) {
  LinkSpec reaching = kMemory;
  reaching.reaches_memory = true;
  for (const uint32_t rank_count : {2u, 4u, 8u}) {
    Planner with = Choice::planner(one_host(rank_count, reaching));
    Planner without = Choice::planner(one_host(rank_count));
    for (const Collective collective : {Collective::all_reduce, Collective::reduce_scatter, Collective::all_gather, Collective::all_to_all}) {
      EXPECT_EQ(choice(with, collective, 64 << 20), "shared_memory") << name_of(collective) << " of " << rank_count;
      EXPECT_NE(choice(without, collective, 64 << 20), "shared_memory") << name_of(collective) << " of " << rank_count;
      EXPECT_NE(choice(with, collective, 8), "shared_memory") << name_of(collective) << " of " << rank_count;
    }
  }
}

// Of two ranks with ordinary buffers: what lies in a peer's cache unchanged is fetched in one copy, faster than messages bring it in two. Otherwise
// both cores at work on messages are faster than one that fetches.
TEST_F(Choice, OfTwoRanksIsToFetchWhatOneCopyBringsSooner) {
  const LinkSpec link{.latency_ns = 150, .bandwidth_bytes_per_s = 14'000'000'000, .source = "test: as of shm", .reaches_memory = true};
  Planner planner = Choice::planner(one_host(2, link));
  for (const uint64_t bytes : {uint64_t{32} << 10, uint64_t{128} << 10, uint64_t{256} << 10}) {
    EXPECT_EQ(choice(planner, Collective::broadcast, bytes), "shared_memory") << bytes;
    EXPECT_EQ(choice(planner, Collective::all_gather, bytes), "shared_memory") << bytes;
    EXPECT_EQ(choice(planner, Collective::all_to_all, bytes), "shared_memory") << bytes;
    EXPECT_NE(choice(planner, Collective::all_reduce, bytes), "shared_memory") << bytes << ": the second half has just been written";
  }
  EXPECT_EQ(choice(planner, Collective::reduce, 32 << 10), "root_reads");
  EXPECT_NE(choice(planner, Collective::reduce, 4 << 20), "root_reads");
  EXPECT_NE(choice(planner, Collective::broadcast, 4 << 20), "shared_memory");
  for (const Collective collective : {Collective::broadcast, Collective::all_gather, Collective::all_to_all, Collective::reduce}) {
    EXPECT_THAT(choice(planner, collective, 1 << 10), ::testing::AllOf(::testing::Ne("shared_memory"), ::testing::Ne("root_reads")));
  }
}

// Each sends the whole vector either way, but whoever adds takes in less meanwhile.
TEST_F(Choice, OfTwoRanksOverASocketIsToAddHalfOfALargeVectorEach) {
  LinkSpec socket = kNetwork;
  socket.copies_out = true;
  Planner planner = Choice::planner(two_hosts(2, socket));
  EXPECT_EQ(choice(planner, Collective::all_reduce, 32 << 10), "one_shot");
  const std::set<std::string> in_halves = {"circulant", "ring", "two_shot"};
  for (const uint64_t bytes : {uint64_t{4} << 20, uint64_t{16} << 20, uint64_t{64} << 20}) {
    EXPECT_THAT(in_halves, ::testing::Contains(choice(planner, Collective::all_reduce, bytes))) << bytes;
  }
}

TEST_F(Choice, OfALargeBroadcastIsNotOneMessageARankFromTheRoot) {
  for (const LinkSpec& link : {kNetwork, kMemory}) {
    Planner planner = Choice::planner(Topology::uniform(8, link));
    EXPECT_NE(choice(planner, Collective::broadcast, 256 << 20), "one_shot");
    EXPECT_NE(choice(planner, Collective::broadcast, 256 << 20), "binomial");
  }
}

// Nothing but prices decides: where the link between packages is wide, or the message short, all ranks deal with each other as before.
TEST_F(Choice, OnTwoPackagesIsAHierarchyWhereThatIsCheaper) {
  constexpr uint64_t kNarrow = 10'000'000'000;
  Planner narrow = Choice::planner(two_packages(16, kNarrow));
  Planner narrow_in_turn = Choice::planner(two_packages(16, kNarrow, Order::in_turn));
  Planner wide = Choice::planner(two_packages(16, 0));
  for (Planner* const planner : {&narrow, &narrow_in_turn}) {
    for (const uint64_t bytes : {32'768u, 65'536u}) {
      EXPECT_EQ(choice(*planner, Collective::all_reduce, bytes), "rails") << bytes;
      EXPECT_EQ(choice(*planner, Collective::reduce, bytes), "rails") << bytes;
    }
    for (const Collective collective : {Collective::all_reduce, Collective::broadcast, Collective::barrier}) {
      EXPECT_FALSE(kHierarchical.contains(choice(*planner, collective, 8))) << name_of(collective);
    }
  }
  EXPECT_EQ(choice(narrow, Collective::all_reduce, 4 << 20), "ring");
  EXPECT_EQ(choice(narrow_in_turn, Collective::all_reduce, 4 << 20), "rails") << "a ring in rank order crosses at each hop";
  EXPECT_EQ(choice(wide, Collective::all_reduce, 4 << 20), "ring");
  EXPECT_THAT(narrow.explain({.problem = {.collective = Collective::all_reduce, .rank_count = 16}, .element_count = 65'536}),
              ::testing::HasSubstr("\n  ranks by package: 0-7 | 8-15, between them 125 ns more and 10.00 GB/s for all\n"));
}

TEST_F(Choice, OnAHostInOnePieceKnowsNoHierarchy) {
  std::vector<Algorithm> flat = registered();
  std::erase_if(flat, [](const Algorithm& algorithm) { return kHierarchical.contains(std::string(algorithm.name)); });
  ASSERT_EQ(flat.size() + kHierarchical.size(), registered().size());
  for (const uint32_t rank_count : {2u, 4u, 8u}) {
    Planner with = Choice::planner(one_host(rank_count));
    Planner without({.topology = one_host(rank_count), .rank = 0, .algorithms = flat, .overrides = {}});
    for (uint32_t collective = 0; collective <= static_cast<uint32_t>(Collective::barrier); ++collective) {
      for (uint64_t bytes = 1; bytes <= uint64_t{256} << 20; bytes *= 16) {
        EXPECT_EQ(choice(with, static_cast<Collective>(collective), bytes), choice(without, static_cast<Collective>(collective), bytes));
      }
    }
  }
}

TEST_F(Choice, OfAllToAllForwardsNothingWhenLarge) {
  Planner planner = Choice::planner(Topology::uniform(8, kNetwork));
  EXPECT_NE(choice(planner, Collective::all_to_all, 64 << 20), "bruck");
}

TEST_F(Choice, ExistsForEveryCollectiveRankCountAndKindOfBlocks) {
  for (uint32_t rank_count : {1u, 2u, 3u, 7u, 8u}) {
    Planner planner = Choice::planner(Topology::uniform(rank_count, kNetwork));
    for (uint32_t collective = 0; collective <= static_cast<uint32_t>(Collective::barrier); ++collective) {
      const Problem problem{.collective = static_cast<Collective>(collective), .rank_count = rank_count};
      const Result<const Plan*> plan = planner.plan({.problem = problem, .element_count = 1000});
      ASSERT_TRUE(plan) << plan.error().message();
      EXPECT_NE((*plan)->price_ns, UINT64_MAX) << to_string(problem);
    }
    for (Collective collective : {Collective::all_gather, Collective::reduce_scatter, Collective::all_to_all, Collective::gather,
                                  Collective::scatter}) {
      const Problem problem{.collective = collective, .rank_count = rank_count, .blocks = schedule::Blocks::variable};
      const Result<const Plan*> plan = planner.plan({.problem = problem});
      ASSERT_TRUE(plan) << plan.error().message();
    }
  }
}

TEST_F(Choice, IsTheSameOnEveryRank) {
  const Topology topology = two_hosts(6);
  for (uint32_t collective = 0; collective <= static_cast<uint32_t>(Collective::barrier); ++collective) {
    for (uint64_t bytes : {8u, 100'000u, 10'000'000u}) {
      std::set<std::string> names;
      for (uint32_t rank = 0; rank < 6; ++rank) {
        Planner planner({.topology = topology, .rank = rank, .algorithms = registered(), .overrides = {}});
        names.insert(choice(planner, static_cast<Collective>(collective), bytes));
      }
      EXPECT_EQ(names.size(), 1u) << name_of(static_cast<Collective>(collective)) << " " << bytes;
    }
  }
}

// Ranks ask each other about their buffers only where working in shared ones gains more than asking costs.
TEST(RegisteredAlgorithms, AreChosenApartForSharedBuffers) {
  LinkSpec reaching = kMemory;
  reaching.reaches_memory = true;
  for (uint32_t rank_count : {2u, 4u, 8u}) {
    Planner planner({.topology = one_host(rank_count, reaching), .rank = 0, .algorithms = registered(), .overrides = {}});
    Planner unreaching({.topology = one_host(rank_count), .rank = 0, .algorithms = registered(), .overrides = {}});
    Planner forced({.topology = one_host(rank_count, reaching),
                    .rank = 0,
                    .algorithms = registered(),
                    .overrides = {.algorithm = {{Collective::all_reduce, "ring"}}}});
    for (const uint64_t bytes : {uint64_t{8}, uint64_t{65'536}, uint64_t{1} << 20, uint64_t{256} << 20}) {
      SCOPED_TRACE(fmt::format("{} bytes, {} ranks", bytes, rank_count));
      const Call call{.problem = {.collective = Collective::all_reduce, .rank_count = rank_count}, .element_count = bytes};
      const Result<const Plan*> plan = planner.plan(call);
      ASSERT_TRUE(plan) << plan.error().message();
      if (bytes == 8) {
        EXPECT_FALSE((*plan)->when_shared);
      } else if ((*plan)->algorithm != "shared_memory") {
        ASSERT_TRUE((*plan)->when_shared);
        EXPECT_EQ((*plan)->when_shared->algorithm, "shared_memory");
        EXPECT_LT((*plan)->when_shared->price_ns, (*plan)->price_ns);
        EXPECT_THAT(planner.explain(call), ::testing::HasSubstr("if every rank's buffers are from tuttiMemAlloc: shared_memory"));
      }
      EXPECT_FALSE((*unreaching.plan(call))->when_shared);
      EXPECT_FALSE((*forced.plan(call))->when_shared);
    }
    EXPECT_EQ((*planner.plan({.problem = {.collective = Collective::all_reduce, .rank_count = rank_count}, .element_count = uint64_t{256} << 20}))->algorithm,
              "shared_memory")
        << "fetched beyond the caches";
  }
}

}  // namespace
}  // namespace tutti::planner
