// SPDX-License-Identifier: Apache-2.0
#include "topology/subset.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "topology/model_files.hpp"

namespace tutti::topology {
namespace {

Topology machine(const char* reference) {
  const auto model = load_model(reference, TUTTI_SOURCE_DIR "/topologies");
  EXPECT_TRUE(model.has_value()) << model.error().message();
  return Topology::of(*make_fabric(*model));
}

// The same way and the same links, by whichever numbers.
void expect_same_ways(const Topology& whole, const Topology& subset, const std::vector<uint32_t>& ranks) {
  Route own;
  Route of_whole;
  for (uint32_t source = 0; source < ranks.size(); ++source) {
    for (uint32_t target = 0; target < ranks.size(); ++target) {
      if (source == target) {
        continue;
      }
      subset.fabric()->route(source, target, 0, &own);
      whole.fabric()->route(ranks[source], ranks[target], 0, &of_whole);
      EXPECT_EQ(own.latency_ns, of_whole.latency_ns);
      ASSERT_EQ(own.links.size(), of_whole.links.size());
      EXPECT_EQ(subset.fabric()->ends(own.links.front()).source, source);
      EXPECT_EQ(subset.fabric()->ends(own.links.back()).target, target);
      for (size_t index = 0; index < own.links.size(); ++index) {
        ASSERT_LT(own.links[index], subset.fabric()->link_count());
        EXPECT_EQ(subset.fabric()->name(own.links[index]), whole.fabric()->name(of_whole.links[index]));
        EXPECT_EQ(subset.fabric()->bytes_per_s(own.links[index]), whole.fabric()->bytes_per_s(of_whole.links[index]));
      }
    }
  }
}

TEST(Subset, OfOneNodeHasItsSwitch) {
  const Topology whole = machine("nvidia-superpod-h100:4");
  const std::vector<uint32_t> node = {8, 9, 10, 11, 12, 13, 14, 15};
  const Topology subset = subset_of(whole, node);
  ASSERT_NE(subset.fabric(), nullptr);
  ASSERT_EQ(subset.fabric()->levels().size(), 1u);
  EXPECT_EQ(subset.fabric()->levels().front().unit_count, 8u);
  EXPECT_NE(subset.fabric()->levels().front().reduction_per_mille, 0u);
  EXPECT_EQ(subset.fabric()->level(0, 7), 0u);
  expect_same_ways(whole, subset, node);
}

TEST(Subset, OfOneRailHasTheNetworkBetweenNodes) {
  const Topology whole = machine("nvidia-superpod-h100:4");
  const std::vector<uint32_t> rail = {3, 11, 19, 27};
  const Topology subset = subset_of(whole, rail);
  ASSERT_NE(subset.fabric(), nullptr);
  ASSERT_EQ(subset.fabric()->levels().size(), 1u);
  EXPECT_EQ(subset.fabric()->levels().front().name, "InfiniBand");
  EXPECT_EQ(subset.fabric()->levels().front().unit_count, 4u);
  EXPECT_EQ(subset.fabric()->levels().front().chips_per_unit, 1u);
  expect_same_ways(whole, subset, rail);
}

TEST(Subset, OfSomeOfATorusIsNone) {
  const Topology whole = machine("google-tpu-v5p:4x4x4");
  const std::vector<uint32_t> some = {0, 1, 4, 5};
  const Topology subset = subset_of(whole, some);
  EXPECT_EQ(subset.rank_count(), 4u);
  EXPECT_EQ(subset.fabric(), nullptr);
}

TEST(Subset, OfHostsKeepsLinksAndDomainsButReachesNoMemory) {
  Topology whole = Topology::uniform(4, {.latency_ns = 5, .source = "", .reaches_memory = true});
  for (uint32_t rank = 0; rank < 4; ++rank) {
    whole.set_host(rank, rank / 2);
  }
  whole.set_link(1, 2, {.latency_ns = 7, .source = "", .reaches_memory = true});
  const Topology subset = subset_of(whole, std::vector<uint32_t>{1, 2, 3});
  EXPECT_EQ(subset.rank_count(), 3u);
  EXPECT_EQ(subset.link(0, 1).latency_ns, 7u);
  EXPECT_EQ(subset.link(1, 2).latency_ns, 5u);
  EXPECT_FALSE(subset.link(1, 2).reaches_memory);
  EXPECT_NE(subset.host(0), subset.host(1));
  EXPECT_EQ(subset.host(1), subset.host(2));
}

}  // namespace
}  // namespace tutti::topology
