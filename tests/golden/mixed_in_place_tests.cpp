// SPDX-License-Identifier: Apache-2.0
// Some ranks may pass in-place buffers and others not, so what travels between ranks must not depend on it.
#include <gtest/gtest.h>

#include <map>
#include <tuple>
#include <vector>

#include "registry/registry.hpp"
#include "tests/support/grids.hpp"

namespace tutti {
namespace {

using namespace schedule;

struct Message {
  bool is_signal;
  uint32_t first_chunk;
  uint32_t chunk_count;
  bool operator==(const Message&) const = default;
};

// By direction, peer and channel: the messages in their order, as the other end sees them.
using Traffic = std::map<std::tuple<bool, uint32_t, uint32_t>, std::vector<Message>>;

Traffic traffic_of(const Schedule& schedule) {
  Traffic traffic;
  for (const Lane& lane : schedule.lanes) {
    for (const Step& step : schedule.steps_of(lane)) {
      if (step.kind == StepKind::copy || step.kind == StepKind::reduce) {
        continue;
      }
      const bool is_outgoing = step.kind == StepKind::send || step.kind == StepKind::signal;
      const bool is_signal = step.kind == StepKind::signal || step.kind == StepKind::await;
      traffic[{is_outgoing, step.peer, lane.channel}].push_back({is_signal, step.first_chunk, step.chunk_count});
    }
  }
  return traffic;
}

TEST(MixedInPlace, MessagesAreTheSameInPlaceAndNot) {
  size_t compared = 0;
  for (const auto family : registry::algorithm_families()) {
    for (const planner::Algorithm& algorithm : family()) {
      for (uint32_t rank_count = 1; rank_count <= 17; ++rank_count) {
        const topology::Topology topology = tests::reaching_topology(rank_count);
        for (const Collective collective : tests::kCollectives) {
          for (Problem problem : tests::problems_of(collective, rank_count)) {
            problem.in_place = InPlace::no;
            Problem in_place = problem;
            in_place.in_place = InPlace::yes;
            ASSERT_EQ(algorithm.applies(problem, topology), algorithm.applies(in_place, topology)) << algorithm.name << ": " << to_string(problem);
            for (const topology::Topology& where : tests::topologies_for(algorithm, problem)) {
              for (uint32_t rank = 0; collective != Collective::barrier && rank < rank_count; ++rank) {
                const Schedule apart = algorithm.build(problem, where, rank);
                const Schedule same = algorithm.build(in_place, where, rank);
                ASSERT_EQ(traffic_of(apart), traffic_of(same)) << algorithm.name << ", rank " << rank << ": " << to_string(problem);
                ASSERT_EQ(apart.chunk_count, same.chunk_count) << algorithm.name << ": " << to_string(problem);
                ASSERT_EQ(apart.parts, same.parts) << algorithm.name << ": " << to_string(problem);
                ASSERT_EQ(apart.channel_count, same.channel_count) << algorithm.name << ": " << to_string(problem);
                ++compared;
              }
            }
          }
        }
      }
    }
  }
  EXPECT_GT(compared, 1000u);
}

// Collectives take channels in turn, so every rank must count the same ones.
TEST(MixedInPlace, EveryRankCountsTheSameChannels) {
  for (const auto family : registry::algorithm_families()) {
    for (const planner::Algorithm& algorithm : family()) {
      for (uint32_t rank_count = 1; rank_count <= 17; ++rank_count) {
        for (const Collective collective : tests::kCollectives) {
          for (const Problem& problem : tests::problems_of(collective, rank_count)) {
            for (const topology::Topology& topology : tests::topologies_for(algorithm, problem)) {
              const Schedule first = algorithm.build(problem, topology, 0);
              for (uint32_t rank = 1; rank < rank_count; ++rank) {
                const Schedule other = algorithm.build(problem, topology, rank);
                ASSERT_EQ(first.channel_count, other.channel_count) << algorithm.name << ", rank " << rank << ": " << to_string(problem);
                ASSERT_EQ(first.chunk_count, other.chunk_count) << algorithm.name << ", rank " << rank << ": " << to_string(problem);
                ASSERT_EQ(first.parts, other.parts) << algorithm.name << ", rank " << rank << ": " << to_string(problem);
              }
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace tutti
