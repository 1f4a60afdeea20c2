// SPDX-License-Identifier: Apache-2.0
// Prices on the links of a fabric.
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "cost/arithmetic.hpp"
#include "cost/cost.hpp"
#include "schedule/builder.hpp"
#include "support/graph_fabric.hpp"

namespace tutti::cost::fabric_prices {
namespace {

using schedule::Buffer;
using schedule::Builder;
using schedule::Collective;
using schedule::Schedule;
using schedule::Span;
using schedule::WaitMode;
using topology::Topology;

// A byte takes a nanosecond on a link, a hop 100, a message 1,000 more.
constexpr uint64_t kBytesPerS = 1'000'000'000;
constexpr uint64_t kHop_ns = 1'100;

Topology topology_of(const tests::GraphFabric::Shape& shape) {
  Topology topology(shape.chip_count);
  topology.set_fabric(std::make_shared<tests::GraphFabric>(shape));
  return topology;
}

Topology ring(uint32_t count) { return topology_of(tests::ring_shape(count, kBytesPerS)); }

Span input() { return {Buffer::input, 0}; }
Span output() { return {Buffer::output, 0}; }

uint64_t price(std::span<const Schedule> schedules, const Topology& topology, uint64_t bytes) {
  return price_ns({.collective = Collective::broadcast, .rank_count = topology.rank_count()}, schedules, topology,
                  Workload{.element_count = bytes, .element_bytes = 1});
}

struct Pair {
  uint32_t source = 0;
  uint32_t target = 0;
};

// Every pair's message at once.
std::vector<Schedule> messages(uint32_t rank_count, const std::vector<Pair>& pairs) {
  std::vector<Schedule> schedules;
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    Builder builder({.rank = rank});
    for (const Pair& pair : pairs) {
      if (pair.source == rank) {
        builder.send(builder.add_lane(), pair.target, {}, input());
      }
      if (pair.target == rank) {
        builder.receive(builder.add_lane(), pair.source, {}, output());
      }
    }
    schedules.push_back(std::move(builder).build());
  }
  return schedules;
}

// Everything travels along 0, 1, 2, ..., each rank passing it on as `mode` says.
std::vector<Schedule> chain(uint32_t rank_count, WaitMode mode) {
  std::vector<Schedule> schedules;
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    Builder builder({.rank = rank});
    std::vector<schedule::WaitFor> waits;
    if (rank > 0) {
      waits.push_back({builder.receive(builder.add_lane(), rank - 1, {}, output()), mode});
    }
    if (rank + 1 < rank_count) {
      builder.send(builder.add_lane(), rank + 1, {}, rank == 0 ? input() : output(), {.waits = waits});
    }
    schedules.push_back(std::move(builder).build());
  }
  return schedules;
}

TEST(PriceOnAFabric, OfAMessageIsItsProtocolsStepItsWayAndItsBytes) {
  EXPECT_EQ(price(messages(8, {{0, 1}}), ring(8), 500), 500 + kHop_ns);
  EXPECT_EQ(price(messages(8, {{0, 3}}), ring(8), 500), 500u + 1'000 + 300);
  EXPECT_EQ(price(messages(8, {{0, 1}}), ring(8), 0), 0u) << "both ends know that there is nothing";
}

TEST(PriceOnAFabric, WhatACollectiveTakesToBeginCountsOnce) {
  tests::GraphFabric::Shape shape = tests::ring_shape(4, kBytesPerS);
  shape.protocols.front().base_ns = 7'000;
  EXPECT_EQ(price(chain(4, WaitMode::complete), topology_of(shape), 500), 7'000 + 3 * (500 + kHop_ns));
}

TEST(PriceOnAFabric, MessagesShareTheLinksOfTheirWays) {
  EXPECT_EQ(price(messages(8, {{0, 1}, {1, 2}, {1, 0}}), ring(8), 500), 500 + kHop_ns);
  EXPECT_EQ(price(messages(8, {{0, 2}, {1, 2}}), ring(8), 500), 1'000u + 1'000 + 200);
  EXPECT_EQ(price(messages(8, {{0, 2}, {1, 3}, {2, 4}}), ring(8), 500), 1'000u + 1'000 + 200);
}

TEST(PriceOnAFabric, OnATreeTheFirstLinksAreSharedAndTheSpinesAreNot) {
  const Topology tree = topology_of(tests::fat_tree_shape(8, 4, 4, kBytesPerS));
  EXPECT_EQ(price(messages(8, {{0, 4}, {1, 5}, {2, 6}, {3, 7}}), tree, 500), 500u + 1'000 + 400);
  EXPECT_EQ(price(messages(8, {{0, 4}, {0, 5}}), tree, 500), 1'000u + 1'000 + 400);
}

TEST(PriceOnAFabric, OneSliceAtATimePassesThroughAStreamingChain) {
  const uint64_t bytes = 10 * kSliceBytes + 77;
  EXPECT_EQ(price(chain(4, WaitMode::complete), ring(4), bytes), 3 * (bytes + kHop_ns));
  EXPECT_EQ(price(chain(4, WaitMode::streaming), ring(4), bytes), bytes + 2 * kSliceBytes + 3 * kHop_ns);
  EXPECT_EQ(price(chain(4, WaitMode::streaming), ring(4), 1'000), 3 * (1'000 + kHop_ns));
}

TEST(PriceOnAFabric, SlicesAreShorterIfASchedulesMessagesHaveMore) {
  const uint64_t bytes = 8 * kSliceBytes;
  std::vector<Schedule> schedules = chain(4, WaitMode::streaming);
  for (const auto& [least_slices, slice_bytes] : {std::pair(8u, kSliceBytes), std::pair(4u, kSliceBytes), std::pair(32u, kSliceBytes / 4),
                                                  std::pair(1'000u, schedule::kShortestSliceBytes)}) {
    for (Schedule& each : schedules) {
      each.least_slices = least_slices;
    }
    EXPECT_EQ(price(schedules, ring(4), bytes), bytes + 2 * slice_bytes + 3 * kHop_ns) << least_slices;
  }
}

TEST(PriceOnAFabric, AFastLinkBehindASlowOneWaitsForItsLastSlice) {
  tests::GraphFabric::Shape shape = tests::ring_shape(3, kBytesPerS);
  shape.wires[1].bytes_per_s = 2 * kBytesPerS;
  const uint64_t bytes = 10 * kSliceBytes;
  EXPECT_EQ(price(chain(3, WaitMode::streaming), topology_of(shape), bytes), price(messages(4, {{0, 1}}), ring(4), bytes) + kSliceBytes / 2 + kHop_ns);
}

// Rank 1 passes on what comes at a quarter of the bandwidth, and sends to rank 3 beside it, from where it goes on to rank 6.
TEST(PriceOnAFabric, WhatStreamsFromASlowLinkLeavesRoomForOthers) {
  tests::GraphFabric::Shape shape = tests::ring_shape(8, kBytesPerS);
  shape.wires[0].bytes_per_s = kBytesPerS / 4;
  std::vector<Schedule> schedules;
  for (uint32_t rank = 0; rank < 8; ++rank) {
    Builder builder({.rank = rank});
    std::vector<schedule::WaitFor> waits;
    if (rank >= 1 && rank <= 6) {
      waits.push_back({builder.receive(builder.add_lane(), rank == 3 ? 1 : rank - 1, {}, output()), rank == 1 ? WaitMode::streaming : WaitMode::complete});
    }
    if (rank <= 5 && rank != 2) {
      builder.send(builder.add_lane(), rank + 1, {}, rank == 0 ? input() : output(), {.waits = waits});
    }
    if (rank == 1) {
      builder.send(builder.add_lane(), 3, {}, input());
    }
    schedules.push_back(std::move(builder).build());
  }
  const uint64_t bytes = 12 * kSliceBytes;
  const uint64_t shared = bytes + bytes / 3;  // half of a link for half of the time
  EXPECT_NEAR(static_cast<double>(price(schedules, topology_of(shape), bytes)), static_cast<double>(shared + 3 * bytes), static_cast<double>(2 * kSliceBytes));
}

TEST(PriceOnAFabric, OfARankAloneIsThatOfItsMessagesSentWhenItIsReady) {
  const std::vector<Schedule> schedules = chain(4, WaitMode::complete);
  const schedule::Problem problem{.collective = Collective::broadcast, .rank_count = 4};
  EXPECT_EQ(price_in_step_ns(problem, schedules[1], ring(4), {.element_count = 500}), 2 * 500 + kHop_ns);
  const std::vector<Schedule> streaming = chain(4, WaitMode::streaming);
  const uint64_t bytes = 10 * kSliceBytes;
  EXPECT_EQ(price_in_step_ns(problem, streaming[1], ring(4), {.element_count = bytes}), bytes + kSliceBytes + kHop_ns);
}

TEST(PriceOnAFabric, WhatNeverEndsOrDoesNotFitIsForever) {
  std::vector<Schedule> schedules = messages(4, {{0, 1}});
  schedules[0] = Schedule{};
  EXPECT_EQ(price(schedules, ring(4), 500), kNever);
  EXPECT_EQ(price(messages(4, {{0, 1}}), ring(4), UINT64_MAX), kNever);
}

TEST(PriceOnAFabric, IsPartOfWhatATopologyIs) {
  EXPECT_NE(ring(8).hash(), Topology(8).hash());
  EXPECT_NE(ring(8).hash(), topology_of(tests::ring_shape(8, 2 * kBytesPerS)).hash());
  EXPECT_EQ(ring(8).hash(), ring(8).hash());
}

// Everybody sends to rank 0, which reduces and sends the result to all: gangs both ways, or not.
std::vector<Schedule> up_and_down(uint32_t rank_count, bool is_in_gangs) {
  std::vector<Schedule> schedules;
  const auto gang = [&](uint32_t number) { return is_in_gangs ? Gang{.number = number, .message_count = rank_count - 1} : Gang{}; };
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    Builder builder({.rank = rank});
    if (rank != 0) {
      builder.send(builder.add_lane(), 0, {}, input(), {.gang = gang(0)});
      builder.receive(builder.add_lane(), 0, {}, output());
    } else {
      std::vector<Span> sources = {input()};
      std::vector<schedule::WaitFor> received;
      for (uint32_t peer = 1; peer < rank_count; ++peer) {
        sources.push_back({Buffer::scratch, builder.add_scratch(1)});
        received.push_back({builder.receive(builder.add_lane(), peer, {}, sources.back()), WaitMode::complete});
      }
      const schedule::StepId reduced = builder.reduce(builder.add_lane(), {}, sources, output(), {.waits = received});
      for (uint32_t peer = 1; peer < rank_count; ++peer) {
        builder.send(builder.add_lane(), peer, {}, output(), {.waits = {{reduced, WaitMode::complete}}, .gang = gang(1)});
      }
    }
    schedules.push_back(std::move(builder).build());
  }
  return schedules;
}

TEST(FabricPrice, OfWhatSwitchesReduceAndCopyLinksCarryEachByteOnce) {
  const Topology topology = topology_of(tests::switch_shape(8, kBytesPerS, 500));
  constexpr uint64_t kBytes = 1 << 20;
  // Up and then down, each byte as two; four hops, and the switches' time once.
  EXPECT_EQ(price(up_and_down(8, true), topology, kBytes), 2 * 2 * kBytes + 4 * 100 + 5'000);
  // Seven vectors on rank 0's link each way.
  EXPECT_GT(price(up_and_down(8, false), topology, kBytes), 7 * kBytes);
}

TEST(FabricPrice, AGangThatTheSwitchesCannotServeCostsWhatItsMessagesDo) {
  const Topology topology = ring(5);
  EXPECT_EQ(price(up_and_down(5, true), topology, 1'000), price(up_and_down(5, false), topology, 1'000));
}

}  // namespace
}  // namespace tutti::cost::fabric_prices
