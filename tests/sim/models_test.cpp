// SPDX-License-Identifier: Apache-2.0
// Prices and simulations agree on every machine model, of whatever the planner chooses and of some of what it does not.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "simulator/world.hpp"
#include "topology/model_files.hpp"

namespace tutti::simulator {
namespace {

using schedule::Collective;

const std::string kModels = TUTTI_SOURCE_DIR "/topologies";

// Of every model a machine of a few chips, those of more levels with more than one unit in each.
struct Machine {
  const char* model;
  const char* shape = "";
};

void PrintTo(const Machine& machine, std::ostream* stream) { *stream << machine.model << ':' << machine.shape; }

constexpr std::array kMachines = {Machine{"amd-mi250x"},
                                  Machine{"amd-mi300x"},
                                  Machine{"amd-mi355x"},
                                  Machine{"aws-inf2"},
                                  Machine{"aws-trn1"},
                                  Machine{"aws-trn1n"},
                                  Machine{"aws-trn2"},
                                  Machine{"aws-trn2-ultraserver"},
                                  Machine{"aws-trn3", "2x4x2x1"},
                                  Machine{"cerebras-swarmx", "4"},
                                  Machine{"cpu-1-socket", "4"},
                                  Machine{"cpu-2-socket", "4"},
                                  Machine{"google-tpu-v4", "2x2x4"},
                                  Machine{"google-tpu-v5e", "4x4"},
                                  Machine{"google-tpu-v5p", "2x2x4"},
                                  Machine{"google-tpu-v6e", "4x4"},
                                  Machine{"google-tpu7x-ironwood", "2x2x2"},
                                  Machine{"hpe-slingshot-aurora", "4"},
                                  Machine{"hpe-slingshot-frontier", "4"},
                                  Machine{"huawei-ascend-910"},
                                  Machine{"huawei-ascend-910b", "8x2"},
                                  Machine{"huawei-cloudmatrix384", "8x1"},
                                  Machine{"hybrid-torus-fat-tree", "2x2x2x4"},
                                  Machine{"intel-gaudi2"},
                                  Machine{"intel-gaudi3"},
                                  Machine{"meta-h100-24k", "2"},
                                  Machine{"meta-mtia-v2", "8x2"},
                                  Machine{"microsoft-maia-100", "2"},
                                  Machine{"nvidia-dgx-a100", "8x2"},
                                  Machine{"nvidia-dgx-h100"},
                                  Machine{"nvidia-gb200-nvl72", "18x1"},
                                  Machine{"nvidia-gh200-nvl32", "8x1"},
                                  Machine{"nvidia-h100-nvl", "2"},
                                  Machine{"nvidia-superpod-h100", "2"},
                                  Machine{"tesla-dojo", "5x5"},
                                  Machine{"xai-colossus-h100", "3"}};

// With more chips one collective takes as long as all of theirs.
constexpr uint32_t kMostOfAllCollectives = 36;

class ModelTest : public testing::TestWithParam<Machine> {
 protected:
  static topology::Topology topology() {
    const std::string shape = GetParam().shape;
    const auto model = topology::load_model(GetParam().model + (shape.empty() ? "" : ":" + shape), kModels);
    EXPECT_TRUE(model.has_value()) << model.error().message();
    const auto fabric = topology::make_fabric(*model);
    EXPECT_TRUE(fabric.has_value()) << fabric.error().message();
    return topology::Topology::of(*fabric);
  }

  static void compare(const std::string& algorithms, const std::vector<Collective>& collectives) {
    const auto world = World::make({.topology = topology(), .algorithms = algorithms});
    ASSERT_TRUE(world.has_value()) << world.error().message();
    const bool is_small = (*world)->rank_count() <= kMostOfAllCollectives;
    for (const Collective collective : is_small ? collectives : std::vector{Collective::all_reduce}) {
      for (const uint64_t bytes : {uint64_t{4} << 10, uint64_t{1} << 20, uint64_t{64} << 20}) {
        const auto outcome = (*world)->run({.collective = collective, .bytes = bytes});
        ASSERT_TRUE(outcome.has_value()) << outcome.error().message();
        const double ratio = static_cast<double>(outcome->price_ns) / static_cast<double>(outcome->elapsed_ns);
        EXPECT_TRUE(ratio > 0.9 && ratio < 1.1) << fmt::format("{} of {} bytes by {}: priced {} ns, simulated {} ns", schedule::name_of(collective),
                                                               bytes, outcome->algorithm, outcome->price_ns, outcome->elapsed_ns);
      }
    }
  }
};

TEST_P(ModelTest, PriceAndSimulationOfWhatIsChosenAreWithinATenth) {
  compare("", {Collective::all_reduce, Collective::reduce, Collective::broadcast, Collective::all_gather, Collective::reduce_scatter,
               Collective::all_to_all, Collective::gather, Collective::scatter, Collective::barrier});
}

TEST_P(ModelTest, PriceAndSimulationOfRingsAreWithinATenth) {
  compare("allreduce:ring;allgather:ring;reducescatter:ring;broadcast:ring;reduce:ring",
          {Collective::all_reduce, Collective::reduce, Collective::broadcast, Collective::all_gather, Collective::reduce_scatter});
}

std::string name_of(const testing::TestParamInfo<Machine>& info) {
  std::string name = info.param.model;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Models, ModelTest, testing::ValuesIn(kMachines), name_of);

TEST(Models, AllAreAmongThese) {
  for (const auto& entry : std::filesystem::directory_iterator(kModels)) {
    if (entry.path().extension() == ".toml") {
      const std::string name = entry.path().stem();
      EXPECT_TRUE(std::ranges::any_of(kMachines, [&](const Machine& machine) { return machine.model == name; })) << name;
    }
  }
}

}  // namespace
}  // namespace tutti::simulator
