// SPDX-License-Identifier: Apache-2.0
#include "comm/connector.hpp"

#include <gtest/gtest.h>

namespace tutti::comm {
namespace {

using transport::PeerState;

// What two ranks say of each other, and what a connector on `rank` makes of it.
topology::LinkSpec agreed_link(uint32_t rank, bool first_reaches_memory, bool second_reaches_memory) {
  Reach::Peer connected{.state = PeerState::connected, .latency_ns = 300, .bandwidth_bytes_per_s = 1'000, .source = "test"};
  std::vector<Reach> reaches(2);
  connected.reaches_memory = first_reaches_memory;
  reaches[0].peers = {connected};
  connected.reaches_memory = second_reaches_memory;
  reaches[1].peers = {connected};
  Connector connector({.rank = rank, .rank_count = 2, .transports = {}, .clock = nullptr});
  const auto verdict = connector.decide(reaches);
  EXPECT_TRUE(verdict && *verdict == Connector::Verdict::all_connected);
  EXPECT_EQ(connector.link_spec(0, 1), connector.link_spec(1, 0));
  return connector.link_spec(0, 1);
}

// Ranks plan for themselves, so both must come to the same.
TEST(Connector, ALinkReachesMemoryIfBothEndsSaySo) {
  for (const uint32_t rank : {0u, 1u}) {
    EXPECT_TRUE(agreed_link(rank, true, true).reaches_memory);
    EXPECT_FALSE(agreed_link(rank, true, false).reaches_memory);
    EXPECT_FALSE(agreed_link(rank, false, true).reaches_memory);
    EXPECT_FALSE(agreed_link(rank, false, false).reaches_memory);
  }
}

}  // namespace
}  // namespace tutti::comm
