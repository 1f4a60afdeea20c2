// SPDX-License-Identifier: Apache-2.0
#include "simulator/world.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "support/graph_fabric.hpp"
#include "topology/model.hpp"
#include "topology/model_files.hpp"

namespace tutti::simulator {
namespace {

using schedule::Collective;

constexpr uint64_t kBytesPerS = 50'000'000'000;

WorldOptions options_of(const tests::GraphFabric::Shape& shape, const std::string& algorithms = {}) {
  WorldOptions options{.topology = topology::Topology(shape.chip_count), .algorithms = algorithms};
  options.topology.set_fabric(std::make_shared<tests::GraphFabric>(shape));
  return options;
}

std::unique_ptr<World> world_of(const WorldOptions& options) {
  auto world = World::make(options);
  EXPECT_TRUE(world.has_value()) << world.error().message();
  return std::move(*world);
}

TEST(World, RunsWhatThePlannerChoosesInAboutTheTimeItPrices) {
  const auto world = world_of(options_of(tests::torus_shape(4, 4, kBytesPerS)));
  for (const Collective collective : {Collective::all_reduce, Collective::all_gather, Collective::reduce_scatter, Collective::broadcast,
                                      Collective::reduce, Collective::all_to_all, Collective::gather, Collective::scatter, Collective::barrier}) {
    SCOPED_TRACE(schedule::name_of(collective));
    const auto outcome = world->run({.collective = collective, .bytes = uint64_t{1} << 24});
    ASSERT_TRUE(outcome.has_value()) << outcome.error().message();
    EXPECT_FALSE(outcome->algorithm.empty());
    EXPECT_GT(outcome->frame_count, 0u);
    EXPECT_NEAR(static_cast<double>(outcome->price_ns), static_cast<double>(outcome->elapsed_ns), static_cast<double>(outcome->elapsed_ns) / 10);
  }
}

// Frames longer than slices pass on later what they bring, and the price that is given for them knows it.
TEST(World, SaysWhatLongFramesTake) {
  auto model = topology::read_model(std::string(TUTTI_SOURCE_DIR) + "/topologies/xai-colossus-h100.toml");
  ASSERT_TRUE(model.has_value()) << model.error().message();
  ASSERT_TRUE(topology::apply_shape(&*model, "4").ok());
  uint64_t before_ns = 0;
  for (const uint64_t most_frames : {100'000u, 2'000u, 500u}) {
    const auto world = world_of({.topology = topology::Topology::of(*topology::make_fabric(*model)), .algorithms = "allreduce:rails", .most_frames = most_frames});
    const auto outcome = world->run({.collective = Collective::all_reduce, .bytes = uint64_t{256} << 20});
    ASSERT_TRUE(outcome.has_value()) << outcome.error().message();
    EXPECT_LE(outcome->frame_count, 2 * most_frames);
    EXPECT_NEAR(static_cast<double>(outcome->price_in_frames_ns), static_cast<double>(outcome->elapsed_ns), static_cast<double>(outcome->elapsed_ns) / 10);
    EXPECT_GE(outcome->price_in_frames_ns, outcome->price_ns);
    EXPECT_GT(outcome->elapsed_ns, before_ns);
    before_ns = outcome->elapsed_ns;
  }
}

// A rank that has ended one lane in a turn, for which another waits, gets a further turn though nothing more happens to it.
TEST(World, RunsLanesThatWaitForTheEndOfLaterOnes) {
  auto model = topology::read_model(std::string(TUTTI_SOURCE_DIR) + "/topologies/nvidia-superpod-h100.toml");
  ASSERT_TRUE(model.has_value()) << model.error().message();
  ASSERT_TRUE(topology::apply_shape(&*model, "2").ok());
  for (const char* algorithm : {"allreduce:rails", "allreduce:leaders"}) {
    const auto world = world_of({.topology = topology::Topology::of(*topology::make_fabric(*model)), .algorithms = algorithm});
    for (const uint64_t bytes : {uint64_t{16}, uint64_t{1} << 22}) {
      const auto outcome = world->run({.collective = Collective::all_reduce, .bytes = bytes});
      EXPECT_TRUE(outcome.has_value()) << algorithm << ": " << outcome.error().message();
    }
  }
}

TEST(World, ATerabyteNeedsNoMemory) {
  WorldOptions options = options_of(tests::ring_shape(8, kBytesPerS), "allreduce:ring");
  options.most_frames = 50'000;
  const auto world = world_of(options);
  const uint64_t bytes = uint64_t{1} << 40;
  const auto outcome = world->run({.collective = Collective::all_reduce, .bytes = bytes});
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message();
  EXPECT_EQ(outcome->bytes_moved, 14 * bytes);
  const double busiest_ns = 14.0 / 8 * static_cast<double>(bytes) / kBytesPerS * 1e9;
  EXPECT_NEAR(static_cast<double>(outcome->elapsed_ns), busiest_ns, busiest_ns / 100);
}

TEST(World, TheSameCallGivesTheSameTrace) {
  const auto run = [] {
    const auto world = world_of(options_of(tests::fat_tree_shape(16, 4, 4, kBytesPerS)));
    return world->run({.collective = Collective::all_to_all, .bytes = 10'000'000})->trace_hash;
  };
  EXPECT_EQ(run(), run());
}

TEST(World, TellsHowFarItHasCome) {
  WorldOptions options = options_of(tests::ring_shape(16, kBytesPerS), "allreduce:ring");
  const auto world = world_of(options);
  uint64_t reports = 0;
  uint64_t last = 0;
  const auto outcome = world->run({.collective = Collective::all_reduce, .bytes = uint64_t{1} << 28}, [&](const World::Progress& progress) {
    ++reports;
    EXPECT_GE(progress.arrived_bytes, last);
    EXPECT_LE(progress.arrived_bytes, progress.all_bytes);
    last = progress.arrived_bytes;
  });
  ASSERT_TRUE(outcome.has_value());
  EXPECT_GT(reports, 1u);
}

TEST(World, SaysWhatIsWrong) {
  EXPECT_EQ(World::make({.topology = topology::Topology(4), .algorithms = {}}).error().code(), tuttiInvalidArgument);
  EXPECT_EQ(World::make(options_of(tests::ring_shape(4, kBytesPerS), "allreduce:nonsense")).error().code(), tuttiInvalidArgument);
  const auto world = world_of(options_of(tests::ring_shape(4, kBytesPerS)));
  EXPECT_EQ(world->run({.collective = Collective::broadcast, .bytes = 8, .root = 4}).error().code(), tuttiInvalidArgument);
}

}  // namespace
}  // namespace tutti::simulator
