// SPDX-License-Identifier: Apache-2.0
#include "cost/cost.hpp"

#include <gtest/gtest.h>

#include <array>
#include <utility>
#include <algorithm>
#include <vector>

#include "cost/arithmetic.hpp"
#include "cost/graph.hpp"
#include "schedule/builder.hpp"

namespace tutti::cost {
namespace {

using schedule::Buffer;
using schedule::Builder;
using schedule::Collective;
using schedule::Problem;
using schedule::Schedule;
using schedule::Span;
using schedule::WaitMode;
using topology::Adapters;
using topology::LinkSpec;
using topology::Topology;

// Round figures: a byte takes a nanosecond, and a core reduces a byte in half of one.
const LinkSpec kLink{.latency_ns = 1'000, .bandwidth_bytes_per_s = 1'000'000'000, .source = "test"};

Topology machine(uint32_t rank_count, const LinkSpec& link = kLink) {
  Topology topology = Topology::uniform(rank_count, link);
  topology.reduce_bytes_per_s = 2'000'000'000;
  return topology;
}

Topology one_host(uint32_t rank_count, const LinkSpec& link = kLink) {
  Topology topology = machine(rank_count, link);
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    topology.set_host(rank, 0);
  }
  return topology;
}

Span input() { return {Buffer::input, 0}; }
Span output() { return {Buffer::output, 0}; }

Problem broadcast(uint32_t rank_count) { return {.collective = Collective::broadcast, .rank_count = rank_count}; }

uint64_t price(const std::vector<Schedule>& schedules, const Topology& topology, uint64_t bytes) {
  return price_ns(broadcast(topology.rank_count()), schedules, topology, Workload{.element_count = bytes, .element_bytes = 1});
}

// On one host, of a message of so many bytes that each take a nanosecond.
uint64_t last_frame_ns(uint64_t bytes) { return std::min(bytes, kFrameBytes) + std::min(bytes, kColdBytes); }

enum class Arrival { plain, reduced };

// Rank 0 sends everything to rank 1.
std::vector<Schedule> one_message(Arrival arrival = Arrival::plain) {
  Builder sender({.rank = 0});
  sender.send(sender.add_lane(), 1, {}, input());
  Builder receiver({.rank = 1});
  if (arrival == Arrival::plain) {
    receiver.receive(receiver.add_lane(), 0, {}, output());
  } else {
    receiver.receive_reduce(receiver.add_lane(), 0, {}, {.source = input(), .target = output()});
  }
  std::vector<Schedule> schedules;
  schedules.push_back(std::move(sender).build());
  schedules.push_back(std::move(receiver).build());
  return schedules;
}

enum class Lanes { one, one_each };

// Rank 0 sends everything to each of the others.
std::vector<Schedule> fan_out(uint32_t rank_count, Lanes lanes) {
  Builder root({.rank = 0});
  const schedule::LaneId shared = root.add_lane();
  std::vector<Schedule> schedules(1);
  for (uint32_t rank = 1; rank < rank_count; ++rank) {
    root.send(lanes == Lanes::one || rank == 1 ? shared : root.add_lane(), rank, {}, input());
    Builder leaf({.rank = rank});
    leaf.receive(leaf.add_lane(), 0, {}, output());
    schedules.push_back(std::move(leaf).build());
  }
  schedules.front() = std::move(root).build();
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

TEST(Price, OfAMessageIsLatencyPlusBytesByBandwidth) {
  EXPECT_EQ(price(one_message(), machine(2), 0), 1'000u);
  EXPECT_EQ(price(one_message(), machine(2), 500), 1'500u);
  EXPECT_EQ(price(one_message(), machine(2), 1'000'000), 1'001'000u);
  EXPECT_EQ(price(one_message(), machine(2, {.latency_ns = 30'001, .bandwidth_bytes_per_s = 3, .source = ""}), 1), 30'001u + 333'333'334u);
}

TEST(Price, OfAMessageThroughMemoryIsThatOfCopyingInAndThenTheLastFrameOut) {
  EXPECT_EQ(price(one_message(), one_host(2), 500), 1'000u + 500u + last_frame_ns(500));
  EXPECT_EQ(price(one_message(), one_host(2), kFrameBytes), 1'000u + kFrameBytes + last_frame_ns(kFrameBytes));
  EXPECT_EQ(price(one_message(), one_host(2), 1'000'000), 1'001'000u + last_frame_ns(1'000'000));
}

TEST(Price, OfNothingIsNothing) {
  const std::vector<Schedule> schedules(2);
  EXPECT_EQ(price(schedules, machine(2), 1'000), 0u);
}

TEST(Price, OfAReductionOnArrivalIsHiddenByTheTransferUnlessItIsSlower) {
  EXPECT_EQ(price(one_message(Arrival::reduced), machine(2), 1'000), 2'000u);
  EXPECT_EQ(price(one_message(Arrival::reduced), one_host(2), 1'000), 1'000u + 1'000u + last_frame_ns(1'000));
  Topology slow = machine(2);
  slow.reduce_bytes_per_s = 500'000'000;  // 2 ns a byte
  EXPECT_EQ(price(one_message(Arrival::reduced), slow, 1'000), 3'000u);
  Topology slow_host = one_host(2);
  slow_host.reduce_bytes_per_s = 500'000'000;
  EXPECT_EQ(price(one_message(Arrival::reduced), slow_host, 1'000), 1'000u + 1'000u + 2 * last_frame_ns(1'000));
}

TEST(Price, OfAReductionOfWhatComesOverASocketIsNotAllHidden) {
  LinkSpec socket = kLink;
  socket.copies_out = true;
  EXPECT_EQ(price(one_message(), machine(2, socket), 1'000), 2'000u);
  EXPECT_EQ(price(one_message(Arrival::reduced), machine(2, socket), 1'000), 2'000u + 500u / kShownShare);
}

// What waits for another of the same peer is copied once more, unless it begins to come when that is there.
TEST(Price, OfMessagesOverOneSocketIsLessInTurnThanSideBySide) {
  LinkSpec socket = kLink;
  socket.copies_out = true;
  const auto two_messages = [](Lanes lanes) {
    std::vector<Schedule> schedules;
    for (uint32_t rank = 0; rank < 2; ++rank) {
      Builder builder({.rank = rank});
      schedule::LaneId lane = builder.add_lane();
      for (uint32_t message = 0; message < 2; ++message) {
        lane = message > 0 && lanes == Lanes::one_each ? builder.add_lane() : lane;
        rank == 0 ? builder.send(lane, 1, {}, input()) : builder.receive(lane, 0, {}, output());
      }
      schedules.push_back(std::move(builder).build());
    }
    return schedules;
  };
  const uint64_t in_turn = price(two_messages(Lanes::one), machine(2, socket), 6'000);
  EXPECT_EQ(in_turn, price(two_messages(Lanes::one), machine(2), 6'000));
  EXPECT_EQ(price(two_messages(Lanes::one_each), machine(2, socket), 6'000), price(two_messages(Lanes::one_each), machine(2), 6'000) + 2'000u / kShownShare);
}

// A copy or reduction of bytes that stay in the core's caches: three streams take half a nanosecond a byte.
uint64_t local_ns(uint64_t bytes, uint64_t streams) { return kLocalOverhead_ns + bytes * streams / 6 * kNearReduceTenths / 10; }

TEST(Price, OfLocalStepsGrowsWithTheirStreams) {
  Builder builder({.rank = 0});
  const schedule::LaneId lane = builder.add_lane();
  builder.copy(lane, {}, {.source = input(), .target = output()});
  const Schedule copies = std::move(builder).build();
  EXPECT_EQ(price({copies}, machine(1), 3'000), local_ns(3'000, 2));

  Builder reducing({.rank = 0});
  const std::vector<Span> sources(5, input());
  reducing.reduce(reducing.add_lane(), {}, sources, output());
  const Schedule reduces = std::move(reducing).build();
  EXPECT_EQ(price({reduces}, machine(1), 3'000), local_ns(3'000, 6));
}

// Rank 0 signals and rank 1 awaits it; then rank 1 does what `work` adds.
template <typename Work>
std::vector<Schedule> after_a_signal(Work work) {
  Builder sender({.rank = 0});
  sender.signal(sender.add_lane(), 1);
  Builder receiver({.rank = 1});
  const schedule::LaneId lane = receiver.add_lane();
  receiver.await(lane, 0);
  work(receiver, lane);
  std::vector<Schedule> schedules;
  schedules.push_back(std::move(sender).build());
  schedules.push_back(std::move(receiver).build());
  return schedules;
}

constexpr Span kPeersInput{.buffer = Buffer::input, .slot = 0, .rank = 0};
constexpr Span kPeersOutput{.buffer = Buffer::output, .slot = 0, .rank = 0};

TEST(Price, OfASignalIsThatOfAMessageOfALine) {
  const std::vector<Schedule> signal = after_a_signal([](Builder&, schedule::LaneId) {});
  for (const uint64_t bytes : {0u, 1'000'000u}) {
    EXPECT_EQ(price(signal, machine(2), bytes), 1'064u);
    EXPECT_EQ(price(signal, one_host(2), bytes), 1'064u);
  }
}

constexpr uint64_t kNear = topology::MemorySpeed::kReferenceFetchBytes_per_s;

// One fetch of bytes that stay in the caches of single cores.
uint64_t fetch_ns(uint64_t bytes, Fetched fetched = Fetched::unchanged) {
  const uint64_t bytes_per_s = fetch_bytes_per_s(kNear, Caches::near, fetched);
  return kFetchOverhead_ns + (bytes * 1'000'000'000 + bytes_per_s - 1) / bytes_per_s;
}

TEST(Price, OfFetchedBytesIsNeverThatOfAFasterKernel) {
  for (const uint64_t near : {kNear / 20, kNear / 3}) {
    for (const Caches caches : {Caches::near, Caches::shared, Caches::none}) {
      for (const Fetched fetched : {Fetched::unchanged, Fetched::written}) {
        EXPECT_LE(fetch_bytes_per_s(near, caches, fetched), near);
      }
    }
    EXPECT_EQ(fetch_bytes_per_s(near, Caches::near, Fetched::unchanged), near);
  }
}

TEST(Price, OfFetchedBytesGrowsWhereTheyLeaveCachesAndIsHigherForWhatHasJustBeenWritten) {
  for (const Caches caches : {Caches::near, Caches::shared, Caches::none}) {
    EXPECT_LT(fetch_bytes_per_s(kNear, caches, Fetched::written), fetch_bytes_per_s(kNear, caches, Fetched::unchanged));
  }
  const auto copying = after_a_signal([](Builder& builder, schedule::LaneId lane) {
    builder.copy(lane, {}, {.source = kPeersInput, .target = output()});
  });
  // The copy reads as much as it writes.
  const auto price_of_a_mebi = [&](uint64_t bytes) { return price(copying, one_host(2), bytes) / (bytes >> 20); };
  EXPECT_LT(price_of_a_mebi(kNearBytes / 2) * 3, price_of_a_mebi(kNearBytes) * 2);
  EXPECT_LT(price_of_a_mebi(kCachedBytes) * 2, price_of_a_mebi(2 * kCachedBytes));
}

// A reduction of two sources moves three streams of bytes.
TEST(Price, OfReducingGrowsWhereBytesLeaveCaches) {
  const auto reducing = after_a_signal([](Builder& builder, schedule::LaneId lane) {
    const std::vector<Span> sources = {input(), input()};
    builder.reduce(lane, {}, sources, output());
  });
  const auto price_of_a_byte = [&](uint64_t bytes) { return static_cast<double>(price(reducing, one_host(2), bytes)) / static_cast<double>(bytes); };
  EXPECT_LT(price_of_a_byte(kNearBytes / 3), 0.7 * price_of_a_byte(kNearBytes));
  EXPECT_LT(price_of_a_byte(kCachedBytes), 0.7 * price_of_a_byte(2 * kCachedBytes));
}

TEST(Price, OfFetchingFromAPeerIsOnTheReadersCore) {
  const auto copying = after_a_signal([](Builder& builder, schedule::LaneId lane) {
    builder.copy(lane, {}, {.source = kPeersInput, .target = output()});
  });
  EXPECT_EQ(price(copying, one_host(2), 6'000), 1'064u + fetch_ns(6'000)) << "the kernel writes the target";
  const auto reducing = after_a_signal([](Builder& builder, schedule::LaneId lane) {
    const std::vector<Span> sources = {kPeersInput, input()};
    builder.reduce(lane, {}, sources, output());
  });
  EXPECT_EQ(price(reducing, one_host(2), 6'000), 1'064u + fetch_ns(6'000) + local_ns(6'000, 2));
  Topology crowded = one_host(2);
  crowded.cores_per_host = 1;
  const uint64_t fetching_ns = duration_ns(6'000, kCrowdedNearFetchBytes_per_s);
  EXPECT_EQ(price(reducing, crowded, 6'000) - price(reducing, crowded, 0), fetching_ns + 2'000u) << "the peer needs no core";
}

TEST(Price, OfOrdinaryMemoryIsThatOfPrivateOutputs) {
  const auto fetching = after_a_signal([](Builder& builder, schedule::LaneId lane) {
    builder.copy(lane, {}, {.source = kPeersOutput, .target = output()}, {.if_private = true});
  });
  EXPECT_EQ(price(fetching, one_host(2), 6'000), 1'064u + fetch_ns(6'000, Fetched::written));
  const auto writing = after_a_signal([](Builder& builder, schedule::LaneId lane) {
    builder.copy(lane, {}, {.source = input(), .target = kPeersOutput});
  });
  EXPECT_EQ(price(writing, one_host(2), 6'000), 1'064u);
  const auto reducing = [](std::vector<Span> further_targets) {
    return after_a_signal([&](Builder& builder, schedule::LaneId lane) {
      const std::vector<Span> sources = {kPeersInput, input()};
      builder.reduce(lane, {}, sources, output(), {.further_targets = further_targets});
    });
  };
  EXPECT_EQ(price(reducing({kPeersOutput}), one_host(2), 6'000), price(reducing({}), one_host(2), 6'000));
}

TEST(Price, OfSharedMemoryIsThatOfTheOwn) {
  const auto price_shared = [](const std::vector<Schedule>& schedules) {
    return price_ns(broadcast(2), schedules, one_host(2), {.element_count = 6'000, .element_bytes = 1, .memory = Memory::shared});
  };
  const auto copying = [](Builder::Copy spans, bool if_private) {
    return after_a_signal([&](Builder& builder, schedule::LaneId lane) { builder.copy(lane, {}, spans, {.if_private = if_private}); });
  };
  EXPECT_EQ(price_shared(copying({.source = kPeersOutput, .target = output()}, true)), 1'064u) << "the peer has written it";
  EXPECT_EQ(price_shared(copying({.source = kPeersInput, .target = output()}, false)), 1'064u + local_ns(6'000, 2));
  EXPECT_EQ(price_shared(copying({.source = input(), .target = kPeersOutput}, false)), 1'064u + local_ns(6'000, 2));
  const auto reducing = after_a_signal([](Builder& builder, schedule::LaneId lane) {
    const std::vector<Span> sources = {kPeersInput, input()};
    builder.reduce(lane, {}, sources, output(), {.further_targets = {kPeersOutput}});
  });
  EXPECT_EQ(price_shared(reducing), 1'064u + local_ns(6'000, 4)) << "two streams in and two out";
}

TEST(Price, OfCopyingThroughAHostGrowsBeyondItsCaches) {
  const uint64_t at_most = price(one_message(), one_host(2), kCachedBytes);
  const uint64_t beyond = price(one_message(), one_host(2), kCachedBytes + 64);
  EXPECT_GT(beyond, at_most / 10 * (kUncachedTenths - 1));
  EXPECT_LT(price(one_message(), machine(2), kCachedBytes + 64), price(one_message(), machine(2), kCachedBytes) + 100);
}

TEST(PriceInStep, KnowsWhatPeersMemoryTakes) {
  const auto schedules = after_a_signal([](Builder& builder, schedule::LaneId lane) {
    builder.copy(lane, {}, {.source = kPeersInput, .target = output()});
  });
  EXPECT_EQ(price_in_step_ns(broadcast(2), schedules[1], one_host(2), {.element_count = 6'000, .element_bytes = 1}),
            1'064u + fetch_ns(6'000));
}

TEST(Price, LaneStepsFollowOneAnother) {
  // Each send occupies core and adapter for 500 + 1000 ns; the last message then takes its wire (0) and the receiver's 500 ns.
  EXPECT_EQ(price(fan_out(4, Lanes::one), machine(4), 1'000), 3u * 1'500u + 500u);
}

TEST(Price, MessagesThatShareAnAdapterTakeTurns) {
  // Overheads overlap the transfers of the messages before: 500 + 3 x 1000 + 500.
  EXPECT_EQ(price(fan_out(4, Lanes::one_each), machine(4), 1'000), 4'000u);
}

TEST(Price, LinksOfAFullMeshCarryMessagesAtTheSameTime) {
  Topology mesh = machine(4);
  mesh.adapters = Adapters::per_link;
  // The third message is handed over after 3 x 500 ns of the core.
  EXPECT_EQ(price(fan_out(4, Lanes::one_each), mesh, 1'000), 1'500u + 1'000u + 500u);
}

TEST(Price, RanksOfAHostShareItsAdapterUnlessEachHasOne) {
  // Ranks 0 and 1 of one host each send to one rank of another.
  std::vector<Schedule> schedules;
  for (uint32_t rank = 0; rank < 4; ++rank) {
    Builder builder({.rank = rank});
    if (rank < 2) {
      builder.send(builder.add_lane(), rank + 2, {}, input());
    } else {
      builder.receive(builder.add_lane(), rank - 2, {}, output());
    }
    schedules.push_back(std::move(builder).build());
  }
  Topology topology = machine(4);
  for (uint32_t rank = 0; rank < 4; ++rank) {
    topology.set_host(rank, rank / 2);
  }
  EXPECT_EQ(price(schedules, topology, 10'000), 1'000u + 2 * 10'000u);
  topology.adapters = Adapters::per_rank;
  EXPECT_EQ(price(schedules, topology, 10'000), 1'000u + 10'000u);
}

TEST(Price, OneCoreCopiesOneMessageAfterAnother) {
  // On one host each message is 500 + 1000 ns of the sender's core, and then the last one is as long on its receiver's.
  EXPECT_EQ(price(fan_out(4, Lanes::one_each), one_host(4), 1'000), 3u * 1'500u + 500u + last_frame_ns(1'000));
}

// `rank_count` ranks, the upper half of them apart: 500 ns and half of the links' bandwidth between the halves.
Topology halves(uint32_t rank_count) {
  Topology topology = one_host(rank_count);
  topology::Level level{.name = "half", .domains = {}, .crossing_ns = 500, .crossing_bytes_per_s = 500'000'000};
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    level.domains.push_back(2 * rank / rank_count);
  }
  topology.add_level(std::move(level));
  return topology;
}

// Rank k of the lower half sends everything to rank k of the upper half.
std::vector<Schedule> across(uint32_t rank_count) {
  std::vector<Schedule> schedules;
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    Builder builder({.rank = rank});
    if (rank < rank_count / 2) {
      builder.send(builder.add_lane(), rank + rank_count / 2, {}, input());
    } else {
      builder.receive(builder.add_lane(), rank - rank_count / 2, {}, output());
    }
    schedules.push_back(std::move(builder).build());
  }
  return schedules;
}

TEST(Price, AMessageBetweenDomainsPassesWhatTheyShare) {
  const uint64_t frame_ns = last_frame_ns(1'000);
  EXPECT_EQ(price(one_message(), one_host(2), 1'000), 2'000u + frame_ns);
  // The sender's overhead, 1,000 bytes at half of a byte a nanosecond, the crossing, the receiver's overhead and its copy of the frame.
  EXPECT_EQ(price(one_message(), halves(2), 1'000), 500u + 2'000u + 500u + 500u + frame_ns);
  Topology unshared = one_host(2);
  unshared.add_level({.name = "half", .domains = {0, 1}, .crossing_ns = 500});
  EXPECT_EQ(price(one_message(), unshared, 1'000), 2'500u + frame_ns) << "only the latency";
}

TEST(Price, MessagesBetweenTheSameDomainsTakeTurns) {
  const uint64_t alone = price(across(2), halves(2), 1'000);
  EXPECT_EQ(price(across(8), halves(8), 1'000), alone + 3 * 2'000u);
  EXPECT_EQ(price(across(8), one_host(8), 1'000), price(across(2), one_host(2), 1'000)) << "nothing is shared";
}

TEST(Price, WithinADomainNothingIsCrossed) {
  const std::vector<Schedule> schedules = across(2);
  Topology topology = one_host(2);
  topology.add_level({.name = "half", .domains = {0, 0}, .crossing_ns = 500, .crossing_bytes_per_s = 1});
  EXPECT_EQ(price(schedules, topology, 1'000), price(schedules, one_host(2), 1'000));
}

// Both ranks of the upper half copy from the memory of rank 0.
TEST(Price, WhatIsReadFromAnotherDomainsMemoryCrosses) {
  std::vector<Schedule> schedules;
  for (uint32_t rank = 0; rank < 4; ++rank) {
    Builder builder({.rank = rank});
    if (rank >= 2) {
      builder.copy(builder.add_lane(), {}, {.source = {Buffer::input, 0, 0}, .target = output()});
    }
    schedules.push_back(std::move(builder).build());
  }
  const auto price_of = [&](const Topology& topology, Memory memory) {
    return price_ns(broadcast(4), schedules, topology, {.element_count = 1'000'000, .element_bytes = 1, .memory = memory});
  };
  EXPECT_EQ(price_of(halves(4), Memory::shared), 2 * 2'000'000u) << "one after the other, longer than a copy";
  EXPECT_EQ(price_of(halves(4), Memory::ordinary), 2 * 2'000'000u);
  EXPECT_LT(price_of(one_host(4), Memory::shared), 1'000'000u);
  EXPECT_LT(price_of(one_host(4), Memory::ordinary), 1'000'000u);
}

TEST(Price, WhatIsWrittenToAnotherDomainsMemoryCrosses) {
  Builder writer({.rank = 0});
  const std::array sources = {input()};
  writer.reduce(writer.add_lane(), {}, sources, output(), {.further_targets = {{Buffer::output, 0, 1}}});
  std::vector<Schedule> schedules;
  schedules.push_back(std::move(writer).build());
  schedules.push_back(Builder({.rank = 1}).build());
  const auto price_of = [&](Memory memory) {
    return price_ns(broadcast(2), schedules, halves(2), {.element_count = 1'000'000, .element_bytes = 1, .memory = memory});
  };
  EXPECT_EQ(price_of(Memory::shared), 2'000'000u);
  EXPECT_LT(price_of(Memory::ordinary), 1'000'000u) << "the peer fetches for itself";
}

TEST(Price, CompleteWaitsAddHopsUp) {
  // 500 ns of sender's overhead, the transfer and 500 ns of receiver's overhead a hop.
  EXPECT_EQ(price(chain(4, WaitMode::complete), machine(4), 1'000'000), 3u * 1'001'000u);
}

TEST(Price, StreamingWaitsOverlapHops) {
  const uint64_t bytes = 8 * kSliceBytes;
  // A receive takes its 500 ns of overhead and the transfer; an eighth of that (overhead's share: 62.5 ns, rounded up) after it has started,
  // the next hop starts with 500 ns of its own.
  EXPECT_EQ(price(chain(4, WaitMode::streaming), machine(4), bytes), 1'000 + bytes + 2 * (kSliceBytes + 63 + 500));
}

TEST(Price, StreamingASingleSliceIsWaitingForAllOfIt) {
  EXPECT_EQ(price(chain(4, WaitMode::streaming), machine(4), kSliceBytes), price(chain(4, WaitMode::complete), machine(4), kSliceBytes));
}

TEST(Price, ACoreThatReceivesAndSendsOnOneHostDoesBothInTurn) {
  const uint64_t bytes = 64 * kSliceBytes;
  const uint64_t streamed = price(chain(3, WaitMode::streaming), one_host(3), bytes);
  EXPECT_GE(streamed, 2 * bytes);  // rank 1 copies out and in
  EXPECT_LT(streamed, 2 * bytes + bytes / 8);
}

uint64_t crowded_copy_ns(uint64_t bytes) { return bytes * kCrowdedBroadcastTenths / 10; }

TEST(Price, OfMoreRanksThanCoresIsAtLeastAllTheirWork) {
  Topology topology = one_host(2);
  topology.cores_per_host = 2;
  EXPECT_EQ(price(one_message(), topology, 500), 1'500u + last_frame_ns(500));
  topology.cores_per_host = 1;  // overhead and copying at both ends, and a turn of each
  EXPECT_EQ(price(one_message(), topology, 500), 2 * (500 + kCrowdedOverhead_ns + crowded_copy_ns(500)) + 2 * kSwitch_ns);
}

// Ranks 0 and 1 send to each other, and so do 2 and 3.
std::vector<Schedule> two_pairs() {
  std::vector<Schedule> schedules;
  for (uint32_t rank = 0; rank < 4; ++rank) {
    Builder builder({.rank = rank});
    builder.send(builder.add_lane(), rank ^ 1, {}, input());
    builder.receive(builder.add_lane(), rank ^ 1, {}, output());
    schedules.push_back(std::move(builder).build());
  }
  return schedules;
}

TEST(Price, OfACrowdedHostGrowsWithItsRanksAndFallsWithItsCores) {
  const uint64_t work_of_rank = 2 * (500 + kCrowdedOverhead_ns + crowded_copy_ns(10'000)) + kSwitch_ns;
  Topology topology = one_host(4);
  topology.cores_per_host = 1;
  EXPECT_EQ(price(two_pairs(), topology, 10'000), 4 * work_of_rank);
  topology.cores_per_host = 2;
  EXPECT_EQ(price(two_pairs(), topology, 10'000), 2 * work_of_rank);
}

TEST(Price, OfACrowdedHostHasATurnOfEachRankForEachHop) {
  Topology topology = one_host(4);
  topology.cores_per_host = 1;
  const uint64_t work = 3 * 2 * (500 + kCrowdedOverhead_ns);
  EXPECT_EQ(price(chain(4, WaitMode::complete), topology, 0), work + 4 * 3 * kSwitch_ns);
}

TEST(Price, OfACrowdedHostHasATurnForEachSlotOfAMessage) {
  Topology topology = one_host(2);
  topology.cores_per_host = 1;
  const auto turns_of = [&](uint64_t bytes) {
    return (price(one_message(), topology, bytes) - 2 * (500 + kCrowdedOverhead_ns + crowded_copy_ns(bytes))) / (2 * kSwitch_ns);
  };
  EXPECT_EQ(turns_of(kTurnBytes), 1u);
  EXPECT_EQ(turns_of(kTurnBytes + 1), 2u);
  EXPECT_EQ(turns_of(8 * kTurnBytes), 8u);
}

TEST(Price, OfACrowdedHostDoesNotCountTheOtherHosts) {
  Topology topology = one_host(4);
  topology.set_host(2, 1);
  topology.set_host(3, 1);
  topology.cores_per_host = 1;
  const uint64_t work_of_rank = 2 * (500 + kCrowdedOverhead_ns + crowded_copy_ns(10'000)) + kSwitch_ns;
  EXPECT_EQ(price(two_pairs(), topology, 10'000), 2 * work_of_rank);
}

TEST(PriceInStep, OfARankOnACrowdedHostTakesTheOthersForAlike) {
  Topology topology = one_host(4);
  topology.cores_per_host = 2;
  const std::vector<Schedule> schedules = two_pairs();
  const Workload workload{.element_count = 10'000, .element_bytes = 1};
  EXPECT_EQ(price_in_step_ns(broadcast(4), schedules.front(), topology, workload), price_ns(broadcast(4), schedules, topology, workload));
}

TEST(Graph, MatchesSendsWithReceivesByChannelInOrder) {
  Builder sender({.rank = 0, .chunk_count = 3});
  const schedule::LaneId first = sender.add_lane(0);
  const schedule::LaneId second = sender.add_lane(1);
  sender.send(first, 1, {0, 1}, {Buffer::input, 0});
  sender.send(first, 1, {1, 1}, {Buffer::input, 1});
  sender.send(second, 1, {2, 1}, {Buffer::input, 2});
  Builder receiver({.rank = 1, .chunk_count = 3});
  const schedule::LaneId other = receiver.add_lane(1);
  const schedule::LaneId both = receiver.add_lane(0);
  receiver.receive(other, 0, {2, 1}, {Buffer::output, 2});
  receiver.receive(both, 0, {0, 1}, {Buffer::output, 0});
  receiver.receive(both, 0, {1, 1}, {Buffer::output, 1});
  const std::vector<Schedule> schedules = {std::move(sender).build(), std::move(receiver).build()};

  const Graph graph(schedules, Peers::present);
  ASSERT_EQ(graph.nodes.size(), 6u);
  for (uint32_t node = 0; node < 6; ++node) {
    const Graph::Node& here = graph.nodes[node];
    ASSERT_LT(here.match, 6u) << node;
    EXPECT_EQ(graph.nodes[here.match].match, node);
    EXPECT_EQ(graph.nodes[here.match].step->first_chunk, here.step->first_chunk);
    EXPECT_NE(graph.nodes[here.match].rank, here.rank);
    EXPECT_EQ(here.pair, 0u);
  }
  EXPECT_EQ(graph.pair_count, 1u);
  // The second step of a lane comes after the first; a receive after its message.
  EXPECT_EQ(graph.nodes[0].successor, 1u);
  EXPECT_EQ(graph.nodes[0].pending, 0u);
  EXPECT_EQ(graph.nodes[1].pending, 1u);
  EXPECT_EQ(graph.nodes[3].pending, 1u);
  EXPECT_EQ(graph.nodes[5].pending, 2u);
}

TEST(Price, ThatCannotFinishIsNever) {
  std::vector<Schedule> unsent = one_message();
  unsent.front() = Schedule{};
  EXPECT_EQ(price(unsent, machine(2), 8), kNever);

  std::vector<Schedule> circular;
  for (uint32_t rank = 0; rank < 2; ++rank) {
    Builder builder({.rank = rank});
    const schedule::LaneId lane = builder.add_lane();
    builder.receive(lane, 1 - rank, {}, output());
    builder.send(lane, 1 - rank, {}, output());
    circular.push_back(std::move(builder).build());
  }
  EXPECT_EQ(price(circular, machine(2), 8), kNever);
}

TEST(Price, SticksAtTheLargestTime) {
  const LinkSpec worst{.latency_ns = kNever, .bandwidth_bytes_per_s = 0, .source = ""};
  EXPECT_EQ(price(one_message(), machine(2, worst), kNever), kNever);
  EXPECT_EQ(price(chain(4, WaitMode::streaming), one_host(4, worst), kNever), kNever);
  Topology no_reduction = machine(2);
  no_reduction.reduce_bytes_per_s = 0;
  EXPECT_EQ(price(one_message(Arrival::reduced), no_reduction, kNever), kNever);
}

TEST(Price, IsTheSameEachTime) {
  const std::vector<Schedule> schedules = fan_out(9, Lanes::one_each);
  const Topology topology = machine(9);
  const uint64_t first = price(schedules, topology, 12'345);
  for (int repetition = 0; repetition < 3; ++repetition) {
    EXPECT_EQ(price(schedules, topology, 12'345), first);
  }
}

TEST(Price, FallsWithBandwidthAndRisesWithLatency) {
  for (const auto& schedules : {fan_out(4, Lanes::one), fan_out(4, Lanes::one_each), chain(4, WaitMode::streaming)}) {
    uint64_t before = kNever;
    for (uint64_t bandwidth = 1'000'000; bandwidth < 1'000'000'000'000; bandwidth *= 3) {
      const uint64_t now = price(schedules, machine(4, {.latency_ns = 700, .bandwidth_bytes_per_s = bandwidth, .source = ""}), 1'000'000);
      EXPECT_LT(now, before) << bandwidth;
      before = now;
    }
    before = 0;
    for (uint64_t latency = 2; latency < 1'000'000'000; latency *= 3) {
      const uint64_t now = price(schedules, machine(4, {.latency_ns = latency, .bandwidth_bytes_per_s = 1'000'000, .source = ""}), 1'000);
      EXPECT_GT(now, before) << latency;
      before = now;
    }
  }
}

// The worked example of docs/design/cost.md.
TEST(Price, OfTheExampleInTheDocumentation) {
  std::vector<Schedule> exchange;
  for (uint32_t rank = 0; rank < 2; ++rank) {
    Builder builder({.rank = rank});
    builder.send(builder.add_lane(), 1 - rank, {}, input());
    builder.receive_reduce(builder.add_lane(), 1 - rank, {}, {.source = input(), .target = output()});
    exchange.push_back(std::move(builder).build());
  }
  Topology topology = Topology::uniform(2, {.latency_ns = 10'000, .bandwidth_bytes_per_s = 1'000'000'000, .source = ""});
  topology.reduce_bytes_per_s = 4'000'000'000;
  EXPECT_EQ(price(exchange, topology, 1 << 20), 1'058'576u);
  topology.reduce_bytes_per_s = 500'000'000;
  EXPECT_EQ(price(exchange, topology, 1 << 20), 2'107'152u);
  topology.reduce_bytes_per_s = 4'000'000'000;
  topology.set_host(1, 0);
  EXPECT_EQ(price(exchange, topology, 1 << 20), 2'107'296u);
}

TEST(PriceInStep, TakesEachMessageAsSentWhenTheRankIsReadyForIt) {
  const std::vector<Schedule> message = one_message();
  const Workload workload{.element_count = 500, .element_bytes = 1};
  EXPECT_EQ(price_in_step_ns(broadcast(2), message[1], machine(2), workload), 1'500u);
  EXPECT_EQ(price_in_step_ns(broadcast(2), message[0], machine(2), workload), 1'000u);  // until it has left: overhead and transfer
  // The middle of a chain: one message in, one out.
  const std::vector<Schedule> hops = chain(3, WaitMode::complete);
  EXPECT_EQ(price_in_step_ns(broadcast(3), hops[1], machine(3), workload), 1'500u + 1'000u);
}

TEST(Arithmetic, SticksInsteadOfWrapping) {
  EXPECT_EQ(add(kNever, 1), kNever);
  EXPECT_EQ(multiply(kNever, 2), kNever);
  EXPECT_EQ(multiply_divide(kNever, 6, 3), kNever);
  EXPECT_EQ(multiply_divide(kNever, 3, 6), kNever / 2 + 1);  // rounded up
  EXPECT_EQ(multiply_divide(10, 1, 0), 10u);
  EXPECT_EQ(duration_ns(1, 3), 333'333'334u);
  EXPECT_EQ(duration_ns(uint64_t{1} << 60, 1'000'000'000), uint64_t{1} << 60);
}

}  // namespace
}  // namespace tutti::cost
