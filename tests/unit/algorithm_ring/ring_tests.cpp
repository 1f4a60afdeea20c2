// SPDX-License-Identifier: Apache-2.0
#include "algorithms/ring/ring.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "support/schedule_support.hpp"
#include "topology/circles.hpp"
#include "topology/fitting.hpp"

namespace tutti::algorithms::ring {
namespace {

using namespace schedule;

const planner::Algorithm& ring() { return algorithms().front(); }

class RingTest : public testing::TestWithParam<Collective> {};

TEST_P(RingTest, SolvesAllItAppliesTo) { tests::expect_solves_all_it_applies_to(ring(), GetParam()); }

INSTANTIATE_TEST_SUITE_P(Collectives, RingTest,
                         testing::Values(Collective::all_reduce, Collective::reduce, Collective::broadcast,
                                         Collective::all_gather, Collective::reduce_scatter),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST(NeighbourExchangeTest, SolvesAllGather) { tests::expect_solves_all_it_applies_to(algorithms()[2], Collective::all_gather); }

TEST(NeighbourExchangeTest, TakesHalfOfTheRoundsOfARing) {
  for (uint32_t rank_count = 2; rank_count <= 16; rank_count += 2) {
    for (const Schedule& schedule : tests::build_all(algorithms()[2], {.collective = Collective::all_gather, .rank_count = rank_count})) {
      EXPECT_EQ(tests::count_steps(schedule, StepKind::send), rank_count / 2);
      EXPECT_EQ(tests::count_chunks_sent(schedule), rank_count - 1);
    }
  }
}

// Laid over models on which there are several rings at once.
struct Machine {
  const char* model;
  uint32_t rank_count;
};

class RingsTest : public testing::TestWithParam<Machine> {
 protected:
  const planner::Algorithm& rings_ = algorithms()[1];
  topology::Topology topology_ = [] {
    auto topology = topology::load_topology(GetParam().model, TUTTI_SOURCE_DIR "/topologies", GetParam().rank_count);
    EXPECT_TRUE(topology) << topology.error().message();
    return std::move(*topology);
  }();
};

TEST_P(RingsTest, SolveWhatARingSolves) {
  for (const Collective collective : tests::kCollectives) {
    for (const Problem& problem : tests::problems_of(collective, GetParam().rank_count)) {
      ASSERT_EQ(rings_.applies(problem, topology_), ring().applies(problem, topology_)) << to_string(problem);
      if (rings_.applies(problem, topology_) && problem.root <= 1) {
        EXPECT_TRUE(tests::solves(rings_, problem, topology_));
      }
    }
  }
}

TEST_P(RingsTest, SendTheLeastAnyAlgorithmCan) {
  const size_t ring_count = topology::circles_of(topology_).size();
  for (const Schedule& schedule : tests::build_all(rings_, {.rank_count = GetParam().rank_count}, topology_)) {
    EXPECT_EQ(schedule.chunk_count, GetParam().rank_count * ring_count);
    EXPECT_EQ(tests::count_chunks_sent(schedule), 2 * (GetParam().rank_count - 1) * ring_count);
  }
}

INSTANTIATE_TEST_SUITE_P(Machines, RingsTest,
                         testing::Values(Machine{"nvidia-superpod-h100", 16}, Machine{"nvidia-superpod-h100", 24},
                                         Machine{"amd-mi300x", 8}, Machine{"amd-mi300x", 5}, Machine{"amd-mi300x", 4},
                                         Machine{"aws-trn2", 16}, Machine{"google-tpu-v5p", 16},
                                         Machine{"amd-mi250x", 8}),
                         [](const auto& info) {
                           std::string name = info.param.model;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name + "_" + std::to_string(info.param.rank_count);
                         });

TEST(RingTest, AllReduceSendsTheLeastAnyAlgorithmCan) {
  for (uint32_t rank_count = 2; rank_count <= 9; ++rank_count) {
    for (const Schedule& schedule : tests::build_all(ring(), {.rank_count = rank_count})) {
      EXPECT_EQ(schedule.chunk_count, rank_count);
      EXPECT_EQ(tests::count_chunks_sent(schedule), 2 * (rank_count - 1));
    }
  }
}

TEST(RingTest, AllReduceNeedsNeitherScratchNorCopies) {
  for (const InPlace in_place : {InPlace::no, InPlace::yes}) {
    for (const Schedule& schedule : tests::build_all(ring(), {.rank_count = 5, .in_place = in_place})) {
      EXPECT_EQ(schedule.scratch_slots, 0u);
      EXPECT_EQ(tests::count_steps(schedule, StepKind::copy), 0u);
    }
  }
}

TEST(RingTest, ReduceScatterKeepsAtMostTwoPartialBlocks) {
  for (uint32_t rank_count = 2; rank_count <= 9; ++rank_count) {
    for (const Schedule& schedule :
         tests::build_all(ring(), {.collective = Collective::reduce_scatter, .rank_count = rank_count})) {
      EXPECT_EQ(schedule.scratch_slots, std::min(rank_count - 2, 2u));
    }
  }
}

TEST(RingTest, TalksToNeighboursOnly) {
  for (const Collective collective : {Collective::all_reduce, Collective::reduce, Collective::broadcast,
                                      Collective::all_gather, Collective::reduce_scatter}) {
    for (const Problem& problem : tests::problems_of(collective, 7)) {
      if (!tests::applies(ring(), problem)) {
        continue;
      }
      const Status status = verify(problem, tests::build_all(ring(), problem), {.has_link = [](uint32_t source, uint32_t target) {
                                     return target == (source + 1) % 7;
                                   }});
      EXPECT_TRUE(status.ok()) << status.message();
    }
  }
}

TEST(RingTest, LeavesOtherCollectivesToOthers) {
  for (const Collective collective : {Collective::all_to_all, Collective::gather, Collective::scatter, Collective::barrier}) {
    for (const Problem& problem : tests::problems_of(collective, 4)) {
      EXPECT_FALSE(tests::applies(ring(), problem)) << to_string(problem);
    }
  }
}

}  // namespace
}  // namespace tutti::algorithms::ring
