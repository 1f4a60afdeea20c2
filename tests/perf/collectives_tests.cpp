// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collectives/collectives.hpp"
#include "statistics.hpp"

namespace tutti::perf {
namespace {

const std::vector<const Collective*>& all() {
  static const std::vector<const Collective*> all{
      &collectives::all_reduce(), &collectives::all_gather(), &collectives::reduce_scatter(), &collectives::broadcast(),
      &collectives::reduce(),     &collectives::alltoall(),   &collectives::alltoallv(),      &collectives::gather(),
      &collectives::scatter(),    &collectives::sendrecv(),   &collectives::barrier()};
  return all;
}

TEST(BusFactor, IsThatOfNcclTests) {
  EXPECT_DOUBLE_EQ(collectives::all_reduce().bus_factor(4), 1.5);
  EXPECT_DOUBLE_EQ(collectives::all_reduce().bus_factor(1), 0);
  for (const Collective* cut : {&collectives::all_gather(), &collectives::reduce_scatter(), &collectives::alltoall(),
                                &collectives::alltoallv(), &collectives::gather(), &collectives::scatter()}) {
    EXPECT_DOUBLE_EQ(cut->bus_factor(4), 0.75) << cut->name();
  }
  for (const Collective* whole : {&collectives::broadcast(), &collectives::reduce(), &collectives::sendrecv()}) {
    EXPECT_DOUBLE_EQ(whole->bus_factor(4), 1) << whole->name();
  }
}

TEST(Layout, CutsBuffersAsNcclTestsDoes) {
  const auto size_of_ten = [](const Collective& collective) { return collective.size_count(collective.layout(10, 3), 3); };
  EXPECT_EQ(size_of_ten(collectives::all_reduce()), 10u);
  EXPECT_EQ(size_of_ten(collectives::broadcast()), 10u);
  EXPECT_EQ(size_of_ten(collectives::sendrecv()), 10u);
  EXPECT_EQ(size_of_ten(collectives::all_gather()), 9u);
  EXPECT_EQ(size_of_ten(collectives::reduce_scatter()), 9u);
  EXPECT_EQ(size_of_ten(collectives::alltoall()), 9u);
  EXPECT_EQ(size_of_ten(collectives::gather()), 9u);
  EXPECT_EQ(size_of_ten(collectives::scatter()), 9u);
  EXPECT_EQ(collectives::all_gather().layout(10, 3).call_count, 3u);
  EXPECT_EQ(collectives::reduce_scatter().layout(10, 3).receive_count, 3u);
}

TEST(Layout, SizeOfAlltoAllVIsWhatEachRankSends) {
  // Of 6 elements for each of 3 pairs: 6, 6 - 3 * 1 / 3 and 6 - 3 * 2 / 3.
  const Collective& collective = collectives::alltoallv();
  EXPECT_EQ(collective.size_count(collective.layout(18, 3), 3), 6u + 5u + 4u);
}

TEST(Layout, NeverExceedsTheCountAskedFor) {
  for (const Collective* collective : all()) {
    for (const int ranks : {1, 2, 3, 7, 33}) {
      for (const size_t count : {0u, 1u, 2u, 31u, 1000u}) {
        const Layout layout = collective->layout(count, ranks);
        EXPECT_LE(std::max(layout.send_count, layout.receive_count), count) << collective->name();
      }
    }
  }
}

TEST(Result, StaysInsideTheReceiveBuffer) {
  constexpr int kRanks = 5;
  for (const Collective* collective : all()) {
    for (int rank = 0; rank < kRanks; ++rank) {
      for (const Place place : {Place::out_of_place, Place::in_place}) {
        const Geometry geometry{rank, kRanks, 2, place, collective->layout(103, kRanks)};
        const size_t room = place == Place::in_place ? std::max(geometry.layout.send_count, geometry.layout.receive_count)
                                                     : geometry.layout.receive_count;
        size_t covered = 0;
        for (const Block& block : collective->result(geometry)) {
          EXPECT_LE(block.first + block.count, room) << collective->name();
          covered += block.count;
        }
        EXPECT_LE(covered, room) << collective->name();
        if (place == Place::out_of_place) {
          EXPECT_EQ(covered, room) << collective->name() << ": elements nobody checks";
        }
      }
    }
  }
}

TEST(Bandwidth, IsDecimalGigabytes) {
  const Bandwidth bandwidth = bandwidth_of(2'000'000, 1000, 1.5);
  EXPECT_DOUBLE_EQ(bandwidth.algorithm_gb_per_s, 2);
  EXPECT_DOUBLE_EQ(bandwidth.bus_gb_per_s, 3);
  EXPECT_EQ(bandwidth_of(8, 0, 1).bus_gb_per_s, 0);
}

TEST(Distribution, TakesNearestRanks) {
  std::vector<double> samples;
  for (int i = 200; i >= 1; --i) samples.push_back(i);
  const Distribution distribution = distribution_of(samples);
  EXPECT_EQ(distribution.least, 1);
  EXPECT_EQ(distribution.median, 100);
  EXPECT_EQ(distribution.percentile_99, 198);
  EXPECT_EQ(distribution.greatest, 200);
  EXPECT_EQ(distribution_of({7}).percentile_99, 7);
  EXPECT_EQ(distribution_of({}).median, 0);
}

}  // namespace
}  // namespace tutti::perf
