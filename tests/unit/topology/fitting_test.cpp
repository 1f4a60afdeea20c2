// SPDX-License-Identifier: Apache-2.0
#include "topology/fitting.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>

#include "topology/model_files.hpp"

namespace tutti::topology {
namespace {

using ::testing::HasSubstr;

std::string path_of(const std::string& model) { return TUTTI_SOURCE_DIR "/topologies/" + model; }

std::string fitted(const std::string& model, uint32_t rank_count) {
  auto read = read_model(path_of(model));
  EXPECT_TRUE(read) << read.error().message();
  const Status status = fit_shape(&*read, rank_count);
  return status.ok() ? read->shape() : status.message();
}

TEST(FitShape, TakesTheSmallestThatHasTheChips) {
  EXPECT_EQ(fitted("google-tpu-v5p.toml", 16), "2x2x4");
  EXPECT_EQ(fitted("google-tpu-v5p.toml", 64), "4x4x4");
  EXPECT_EQ(fitted("google-tpu-v5p.toml", 7), "2x2x2") << "no axis within a cube has seven chips";
  EXPECT_EQ(fitted("google-tpu-v5p.toml", 8960), "16x20x28");
  EXPECT_EQ(fitted("nvidia-superpod-h100.toml", 32), "4") << "hosts";
  EXPECT_EQ(fitted("nvidia-superpod-h100.toml", 33), "5");
  EXPECT_EQ(fitted("hybrid-torus-fat-tree.toml", 128), "4x4x4x2");
  EXPECT_EQ(fitted("nvidia-dgx-h100.toml", 3), "3x1");
  EXPECT_EQ(fitted("nvidia-dgx-h100.toml", 16), "8x2");
  EXPECT_EQ(fitted("google-tpu-v5p.toml", 8961), "8961 ranks are more than google-tpu-v5p has chips in any of its shapes");
}

TEST(LoadTopology, HasARankForEachOfTheFirstChips) {
  const auto exact = load_topology(path_of("google-tpu-v5p.toml:2x2x4"), "", 16);
  ASSERT_TRUE(exact) << exact.error().message();
  EXPECT_EQ(exact->rank_count(), 16u);
  EXPECT_EQ(exact->messages, Messages::routed);
  const auto fewer = load_topology(path_of("nvidia-superpod-h100.toml"), "", 20);
  ASSERT_TRUE(fewer) << fewer.error().message();
  EXPECT_EQ(fewer->rank_count(), 20u);
  EXPECT_EQ(fewer->fabric()->chip_count(), 24u);
  EXPECT_EQ(fewer->host(7), fewer->host(0));
  EXPECT_NE(fewer->host(8), fewer->host(0));
}

TEST(LoadTopology, RefusesAShapeThatHasNotAsManyChips) {
  const auto wrong = load_topology(path_of("google-tpu-v5p.toml:2x2x4"), "", 8);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code(), tuttiInvalidArgument);
  EXPECT_THAT(wrong.error().message(), HasSubstr("google-tpu-v5p.toml:2x2x4 has 16 chips, there are 8 ranks"));
  EXPECT_FALSE(load_topology("no-such-machine", "", 8));
}

TEST(Circle, GoesFromChipToNeighbouringChip) {
  for (const std::string model : {"google-tpu-v5p.toml:2x2x4", "google-tpu-v5p.toml:1x2x3", "google-tpu-v5p.toml:4x4x8", "google-tpu-v5p.toml:3x4x1",
                                  "google-tpu-v5e.toml:4x8", "aws-trn2.toml"}) {
    SCOPED_TRACE(model);
    const auto shaped = load_model(path_of(model), "");
    ASSERT_TRUE(shaped) << shaped.error().message();
    const auto topology = load_topology(path_of(model), "", static_cast<uint32_t>(shaped->chip_count()));
    ASSERT_TRUE(topology);
    std::vector<uint32_t> circle = circle_of(*topology);
    for (size_t place = 0; place < circle.size(); ++place) {
      const uint32_t next = circle[(place + 1) % circle.size()];
      EXPECT_TRUE(topology->fabric()->is_adjacent(circle[place], next)) << circle[place] << " -> " << next;
    }
    std::sort(circle.begin(), circle.end());
    std::vector<uint32_t> all(topology->rank_count());
    std::iota(all.begin(), all.end(), 0u);
    EXPECT_EQ(circle, all);
  }
}

TEST(Circle, IsInTheOrderOfRanksWhereThereIsNoLattice) {
  const std::vector<uint32_t> in_order = {0, 1, 2, 3, 4, 5, 6, 7};
  EXPECT_EQ(circle_of(Topology(8)), in_order);
  const auto machine = load_topology(path_of("nvidia-dgx-h100.toml"), "", 8);
  ASSERT_TRUE(machine);
  EXPECT_EQ(circle_of(*machine), in_order);
}

}  // namespace
}  // namespace tutti::topology
