// SPDX-License-Identifier: Apache-2.0
#include "fabric_support.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace tutti::topology {

void expect_connected(const Fabric& fabric, uint32_t source, uint32_t target, uint32_t choice) {
  Route route;
  fabric.route(source, target, choice, &route);
  NodeId at = source;
  uint32_t chips_between = 0;
  std::vector<LinkId> seen = route.links;
  for (LinkId link : route.links) {
    ASSERT_LT(link, fabric.link_count());
    const LinkEnds ends = fabric.ends(link);
    ASSERT_EQ(ends.source, at) << "from " << source << " to " << target << ", way " << choice << ", link " << link << " " << fabric.name(link);
    ASSERT_LT(ends.target, fabric.node_count());
    at = ends.target;
    chips_between += at < fabric.chip_count() && at != target ? 1 : 0;
  }
  EXPECT_EQ(at, target) << "from " << source << ", way " << choice;
  EXPECT_TRUE(chips_between == 0 || !fabric.is_adjacent(source, target)) << "from " << source << " to " << target;
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(std::adjacent_find(seen.begin(), seen.end()), seen.end());
}

void expect_both_directions(const Fabric& fabric) {
  using Wire = std::pair<std::pair<NodeId, NodeId>, uint64_t>;
  std::map<Wire, int> balance;
  for (LinkId link = 0; link < fabric.link_count(); ++link) {
    const LinkEnds ends = fabric.ends(link);
    ASSERT_NE(ends.source, ends.target) << fabric.name(link);
    const std::pair ordered = std::minmax(ends.source, ends.target);
    balance[{ordered, fabric.bytes_per_s(link)}] += ends.source < ends.target ? 1 : -1;
  }
  for (const auto& [wire, difference] : balance) {
    ASSERT_EQ(difference, 0) << wire.first.first << " and " << wire.first.second;
  }
}

uint64_t bytes_per_s_across(const Fabric& fabric, const std::vector<bool>& sides) {
  uint64_t sum = 0;
  for (LinkId link = 0; link < fabric.link_count(); ++link) {
    const LinkEnds ends = fabric.ends(link);
    sum += sides[ends.source] && !sides[ends.target] ? fabric.bytes_per_s(link) : 0;
  }
  return sum;
}

}  // namespace tutti::topology
