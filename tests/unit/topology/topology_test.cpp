// SPDX-License-Identifier: Apache-2.0
#include "topology/topology.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tutti::topology {
namespace {

using ::testing::HasSubstr;

const LinkSpec kFast{.latency_ns = 300, .bandwidth_bytes_per_s = 6'600'000'000, .source = "measured, shm"};
const LinkSpec kSlow{.latency_ns = 25'000, .bandwidth_bytes_per_s = 1'250'000'000, .source = "measured, tcp"};

Topology two_hosts_of_two() {
  Topology topology = Topology::uniform(4, kSlow);
  topology.set_link(0, 1, kFast);
  topology.set_link(2, 3, kFast);
  for (uint32_t rank = 0; rank < 4; ++rank) {
    topology.set_host(rank, rank / 2);
  }
  return topology;
}

TEST(Topology, UniformGivesEveryPairTheSameLinkAndEachRankItsOwnHost) {
  const Topology topology = Topology::uniform(5, kFast);
  EXPECT_EQ(topology.rank_count(), 5u);
  EXPECT_EQ(topology.host_count(), 5u);
  for (uint32_t source = 0; source < 5; ++source) {
    for (uint32_t target = 0; target < 5; ++target) {
      EXPECT_EQ(topology.link(source, target), kFast);
    }
  }
}

TEST(Topology, SetLinkChangesBothDirectionsOfOnePair) {
  Topology topology = Topology::uniform(3, kFast);
  topology.set_link(0, 2, kSlow);
  EXPECT_EQ(topology.link(0, 2), kSlow);
  EXPECT_EQ(topology.link(2, 0), kSlow);
  EXPECT_EQ(topology.link(0, 1), kFast);
  EXPECT_EQ(topology.link(1, 2), kFast);
  topology.set_link(2, 0, kFast);
  EXPECT_EQ(topology.link(0, 2), kFast);
}

TEST(Topology, HostsAreCountedByNumber) {
  Topology topology = two_hosts_of_two();
  EXPECT_EQ(topology.host_count(), 2u);
  EXPECT_EQ(topology.ranks_on_host(1), 2u);
  EXPECT_EQ(topology.ranks_on_host(7), 0u);
  topology.set_host(3, 7);
  EXPECT_EQ(topology.host_count(), 3u);
  EXPECT_EQ(topology.ranks_on_host(7), 1u);
}

TEST(TopologyHash, DoesNotDependOnHowTheLinksWereSet) {
  Topology forwards(3);
  forwards.set_link(0, 1, kFast);
  forwards.set_link(0, 2, kSlow);
  forwards.set_link(1, 2, kSlow);
  Topology backwards = Topology::uniform(3, kSlow);
  backwards.set_link(2, 0, kFast);
  backwards.set_link(1, 0, kFast);
  backwards.set_link(0, 2, kSlow);
  EXPECT_EQ(forwards.hash(), backwards.hash());
}

TEST(TopologyHash, TreatsAUniformMachineSetPairByPairAsUniform) {
  Topology pairwise(4);
  for (uint32_t a = 0; a < 4; ++a) {
    for (uint32_t b = a + 1; b < 4; ++b) {
      pairwise.set_link(a, b, kFast);
    }
  }
  EXPECT_EQ(pairwise.hash(), Topology::uniform(4, kFast).hash());
}

TEST(TopologyHash, IgnoresSources) {
  LinkSpec renamed = kFast;
  renamed.source = "elsewhere";
  EXPECT_EQ(Topology::uniform(4, kFast).hash(), Topology::uniform(4, renamed).hash());
}

TEST(TopologyHash, ChangesWithEveryFigureThatDecidesAPlan) {
  const uint64_t original = two_hosts_of_two().hash();
  const auto hash_after = [](auto change) {
    Topology topology = two_hosts_of_two();
    change(topology);
    return topology.hash();
  };
  const auto same = [](Topology&) {};
  EXPECT_EQ(hash_after(same), original);
  EXPECT_NE(hash_after([](Topology& t) { t.set_host(3, 2); }), original);
  EXPECT_NE(hash_after([](Topology& t) { t.set_link(0, 1, kSlow); }), original);
  EXPECT_NE(hash_after([](Topology& t) { t.set_link(0, 2, kFast); }), original);
  EXPECT_NE(hash_after([](Topology& t) { t.set_link(0, 1, LinkSpec{301, 6'600'000'000, ""}); }), original);
  EXPECT_NE(hash_after([](Topology& t) { t.set_link(0, 1, LinkSpec{300, 6'600'000'001, ""}); }), original);
  EXPECT_NE(hash_after([](Topology& t) {
              LinkSpec link = kFast;
              link.reaches_memory = true;
              t.set_link(0, 1, link);
            }),
            original);
  EXPECT_NE(hash_after([](Topology& t) { t.reduce_bytes_per_s += 1; }), original);
  EXPECT_NE(hash_after([](Topology& t) { t.fetch_bytes_per_s += 1; }), original);
  EXPECT_NE(hash_after([](Topology& t) { t.cores_per_host = 2; }), original);
  EXPECT_NE(hash_after([](Topology& t) { t.adapters = Adapters::per_link; }), original);
  EXPECT_NE(Topology::uniform(4, kFast).hash(), Topology::uniform(5, kFast).hash());
}

TEST(TopologyText, NamesHostsRanksAndLinks) {
  Topology topology = two_hosts_of_two();
  topology.cores_per_host = 2;
  EXPECT_EQ(topology.to_string(),
            "4 ranks on 2 hosts, 2 cores a host, a core reduces 15.00 GB/s and fetches 26.00, an adapter for each host\n"
            "host 0: ranks 0-1\n"
            "host 1: ranks 2-3\n"
            "4 pairs: 25.00 us, 1.25 GB/s (measured, tcp): 0-2 0-3 1-2 1-3\n"
            "2 pairs: 300 ns, 6.60 GB/s (measured, shm): 0-1 2-3\n");
}

TEST(TopologyText, IsShortForAUniformMachine) {
  const std::string text = Topology::uniform(2, kFast).to_string();
  EXPECT_THAT(text, HasSubstr("all pairs: 300 ns, 6.60 GB/s (measured, shm)\n"));
}

TEST(TopologyText, SaysWhichLinksReachMemory) {
  LinkSpec reaching = kFast;
  reaching.reaches_memory = true;
  EXPECT_THAT(Topology::uniform(2, reaching).to_string(), HasSubstr("all pairs: 300 ns, 6.60 GB/s, reaches memory (measured, shm)\n"));
}

TEST(TopologyText, CutsLongListsOfPairs) {
  Topology topology = Topology::uniform(6, kFast);
  topology.set_link(0, 1, kSlow);
  EXPECT_THAT(topology.to_string(), HasSubstr("14 pairs: 300 ns, 6.60 GB/s (measured, shm): 0-2 0-3 0-4 0-5 1-2 1-3 1-4 1-5 ...\n"));
}

Level level_of(std::vector<uint32_t> domains) {
  return {.name = "package", .domains = std::move(domains), .crossing_ns = 125, .crossing_bytes_per_s = 22'000'000'000, .source = "a test"};
}

TEST(TopologyLevels, NumberDomainsAnewWithinHosts) {
  Topology topology = two_hosts_of_two();
  topology.add_level(level_of({5, 5, 5, 9}));
  topology.add_level(level_of({3, 4, 3, 3}));
  ASSERT_EQ(topology.levels().size(), 2u);
  EXPECT_EQ(topology.levels()[0].domains, (std::vector<uint32_t>{0, 0, 1, 2}));
  EXPECT_EQ(topology.levels()[1].domains, (std::vector<uint32_t>{0, 1, 2, 3}));
}

TEST(TopologyLevels, TheOutermostThatTwoRanksDoNotShareIsCrossed) {
  Topology topology(5);
  for (uint32_t rank = 0; rank < 4; ++rank) {
    topology.set_host(rank, 7);
  }
  topology.add_level(level_of({0, 0, 0, 1, 0}));
  topology.add_level(level_of({0, 0, 1, 1, 0}));
  EXPECT_EQ(topology.crossed(0, 1), nullptr);
  EXPECT_EQ(topology.crossed(0, 2), &topology.levels()[1]);
  EXPECT_EQ(topology.crossed(2, 3), &topology.levels()[0]);
  EXPECT_EQ(topology.crossed(0, 4), nullptr) << "of another host";
}

TEST(TopologyLevels, AreInTheHash) {
  const auto hash_with = [](const Level& level) {
    Topology topology = Topology::uniform(4, kFast);
    for (uint32_t rank = 0; rank < 4; ++rank) {
      topology.set_host(rank, 0);
    }
    topology.add_level(level);
    return topology.hash();
  };
  const Level level = level_of({0, 0, 1, 1});
  const uint64_t original = hash_with(level);
  Level renamed = level;
  renamed.name = "tile";
  renamed.source = "elsewhere";
  EXPECT_EQ(hash_with(renamed), original);
  EXPECT_EQ(hash_with(level_of({8, 8, 4, 4})), original);
  EXPECT_NE(hash_with(level_of({0, 1, 0, 1})), original);
  Level slower = level;
  slower.crossing_ns += 1;
  EXPECT_NE(hash_with(slower), original);
  Level narrower = level;
  narrower.crossing_bytes_per_s -= 1;
  EXPECT_NE(hash_with(narrower), original);
}

TEST(TopologyText, NamesTheDomainsOfLevels) {
  Topology topology(6);
  for (uint32_t rank = 0; rank < 6; ++rank) {
    topology.set_host(rank, 0);
  }
  topology.add_level(level_of({0, 0, 1, 1, 1, 0}));
  EXPECT_THAT(topology.to_string(), HasSubstr("package: 0-1, 5 | 2-4, between them 125 ns more and 22.00 GB/s for all (a test)\n"));
}

TEST(Topology, OneRankHasNoLinks) {
  const Topology topology(1);
  EXPECT_EQ(topology.host_count(), 1u);
  EXPECT_NE(topology.hash(), Topology(2).hash());
  EXPECT_THAT(topology.to_string(), HasSubstr("1 rank on 1 host"));
}

}  // namespace
}  // namespace tutti::topology
