// SPDX-License-Identifier: Apache-2.0
// The price of a schedule and its simulation are two ways to the same time: the one plays steps, the other runs the engine frame by frame, and both
// put their messages on the same links.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "cost/cost.hpp"
#include "registry/registry.hpp"
#include "support/graph_fabric.hpp"
#include "support/sim_world.hpp"
#include "topology/fitting.hpp"

namespace tutti::tests {
namespace {

using schedule::Collective;
using schedule::Problem;

constexpr uint32_t kRanks = 16;
constexpr std::array<uint64_t, 3> kBytes = {4 * 1024, 1024 * 1024, 64 * 1024 * 1024};
// Of a link of the fabrics; a hop takes 100 ns, a message 1,000 more.
constexpr uint64_t kBytesPerS = 50'000'000'000;

// What names a model is there for the algorithms that need to know its links.
struct Machine {
  const char* name;
  topology::Topology (*topology)();
  const char* model = "";
};

topology::Topology of_graph(GraphFabric::Shape shape) {
  topology::Topology topology(kRanks);
  topology.set_fabric(std::make_shared<GraphFabric>(std::move(shape)));
  return topology;
}

const std::array<Machine, 7> kMachines = {{{"ring", [] { return of_graph(ring_shape(kRanks, kBytesPerS)); }},
                                           {"torus", [] { return of_graph(torus_shape(4, 4, kBytesPerS)); }},
                                           {"full_mesh", [] { return of_graph(full_mesh_shape(kRanks, kBytesPerS)); }},
                                           {"fat_tree", [] { return of_graph(fat_tree_shape(kRanks, 4, 4, kBytesPerS)); }},
                                           {"torus_with_axes", nullptr, TUTTI_SOURCE_DIR "/topologies/aws-trn2.toml"},
                                           {"mesh_with_axes", nullptr, TUTTI_SOURCE_DIR "/topologies/google-tpu-v5e.toml:4x4"},
                                           {"servers", nullptr, TUTTI_SOURCE_DIR "/topologies/microsoft-maia-100.toml:4"}}};

// Nobody reads or writes there.
const void* nowhere(uint64_t place) { return reinterpret_cast<const void*>(place << 40); }

comm::Call call_of(const Problem& problem, uint64_t bytes) {
  return {.function = "simulated",
          .collective = problem.collective,
          .send = nowhere(1),
          .receive = const_cast<void*>(nowhere(2)),
          .count = schedule::is_cut_vector(problem.collective) ? bytes : bytes / kRanks,
          .datatype = tuttiUint8,
          .root = static_cast<int>(problem.root)};
}

uint64_t price_of(const planner::Algorithm& algorithm, const Problem& problem, const topology::Topology& topology, uint64_t bytes) {
  std::vector<schedule::Schedule> schedules;
  for (uint32_t rank = 0; rank < kRanks; ++rank) {
    schedules.push_back(algorithm.build(problem, topology, rank));
  }
  return cost::price_ns(problem, schedules, topology, {.element_count = call_of(problem, bytes).count, .element_bytes = 1});
}

class AgreementTest : public testing::TestWithParam<Machine> {
 protected:
  AgreementTest() {
    if (is_model()) {
      topology_.messages = topology::Messages::adjacent;  // as communicators have it
    }
  }

  // Of one algorithm, for every size.
  void compare(const planner::Algorithm& algorithm, Collective collective) {
    const Problem problem{.collective = collective, .rank_count = kRanks};
    // Communicators know the links of models only, where chips forward nothing, and those show what applies nowhere else.
    const bool needs_model = !algorithm.applies(problem, topology::Topology(kRanks));
    if (!algorithm.applies(problem, topology_) || is_model() != needs_model || (is_model() && sends_beyond_links(algorithm, problem))) {
      return;
    }
    SimWorldOptions options{.rank_count = kRanks};
    options.algorithms = fmt::format("{}:{}", schedule::name_of(collective), algorithm.name);
    options.network.max_frame_bytes = cost::kSliceBytes;
    options.network.window_bytes = sim::kNoWindow;
    options.fabric = topology_.fabric();
    options.hosts = SimHosts::many;
    options.machine = GetParam().model;
    options.data = engine::Data::modelled;
    options.timeout_ms = 0;
    SimWorld world(options);
    ASSERT_TRUE(world.bring_up().ok()) << world.bring_up().message();
    for (const uint64_t bytes : kBytes) {
      const uint64_t begin_ns = world.network().now_ns();
      for (uint32_t rank = 0; rank < kRanks; ++rank) {
        const Status status = world.enqueue(rank, call_of(problem, bytes));
        ASSERT_TRUE(status.ok()) << status.message();
      }
      ASSERT_TRUE(world.settle());
      const uint64_t simulated = world.network().now_ns() - begin_ns;
      const uint64_t priced = price_of(algorithm, problem, topology_, bytes);
      const double ratio = static_cast<double>(priced) / static_cast<double>(simulated);
      ++compared_;
      EXPECT_NEAR(ratio, 1, 0.1) << fmt::format("{} by {}, {} bytes: priced {} ns, simulated {} ns, {:.3f}", schedule::name_of(collective),
                                                algorithm.name, bytes, priced, simulated, ratio);
    }
  }

  bool sends_beyond_links(const planner::Algorithm& algorithm, const Problem& problem) const {
    const schedule::Schedule schedule = algorithm.build(problem, topology_, 0);
    return std::ranges::any_of(schedule.steps, [&](const schedule::Step& step) {
      return step.kind == schedule::StepKind::send && !topology_.fabric()->is_adjacent(0, step.peer);
    });
  }
  static bool is_model() { return *GetParam().model != '\0'; }

  topology::Topology topology_ = is_model() ? *topology::load_topology(GetParam().model, "", kRanks) : GetParam().topology();
  size_t compared_ = 0;
};

TEST_P(AgreementTest, PriceAndSimulationAreWithinATenth) {
  for (const auto family : registry::algorithm_families()) {
    for (const planner::Algorithm& algorithm : family()) {
      for (const Collective collective : {Collective::all_reduce, Collective::all_gather, Collective::reduce_scatter, Collective::broadcast,
                                          Collective::reduce, Collective::all_to_all, Collective::gather, Collective::scatter}) {
        ASSERT_NO_FATAL_FAILURE(compare(algorithm, collective));
      }
    }
  }
  EXPECT_GT(compared_, is_model() ? 8u : 50u);
}

INSTANTIATE_TEST_SUITE_P(Fabrics, AgreementTest, testing::ValuesIn(kMachines), [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace tutti::tests
