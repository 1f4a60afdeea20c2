// SPDX-License-Identifier: Apache-2.0
// Every machine model of topologies/.
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "fabric_support.hpp"

namespace tutti::topology {
namespace {

constexpr uint32_t kMostChipsForAllPairs = 40;
constexpr uint32_t kMostLinksForNames = 5'000;
constexpr uint32_t kMostLinksForDirections = 50'000;
constexpr uint32_t kSamples = 400;

// Pairs of chips: all of small fabrics, else some that a fixed sequence draws.
template <typename Visit>
void for_some_pairs(const Fabric& fabric, Visit visit) {
  const uint32_t chips = fabric.chip_count();
  if (chips <= kMostChipsForAllPairs) {
    for (uint32_t pair = 0; pair < chips * chips; ++pair) {
      visit(pair / chips, pair % chips);
    }
    return;
  }
  uint64_t state = 1;
  for (uint32_t sample = 0; sample < kSamples; ++sample) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    visit(static_cast<uint32_t>((state >> 33) % chips), static_cast<uint32_t>((state >> 12) % chips));
  }
  for (uint32_t step = 1; step < chips; step *= 2) {
    visit(0, step);
    visit(chips - 1, chips - 1 - step);
  }
}

void expect_sound(const Fabric& fabric) {
  Route there;
  Route back;
  for_some_pairs(fabric, [&](uint32_t source, uint32_t target) {
    const uint32_t ways = fabric.route_count(source, target);
    ASSERT_GE(ways, 1u);
    ASSERT_EQ(ways, fabric.route_count(target, source));
    for (uint32_t choice : std::set<uint32_t>{0, ways / 2, ways - 1}) {
      expect_connected(fabric, source, target, choice);
    }
    fabric.route(source, target, 0, &there);
    fabric.route(target, source, 0, &back);
    EXPECT_EQ(there.latency_ns, back.latency_ns);
    EXPECT_FALSE(fabric.protocols(source, target).empty());
    EXPECT_LT(fabric.level(source, target), fabric.levels().size());
  });
  if (fabric.link_count() <= kMostLinksForDirections) {
    expect_both_directions(fabric);
  }
  std::set<std::string> names;
  for (LinkId link = 0; link < std::min(fabric.link_count(), kMostLinksForNames); ++link) {
    EXPECT_GE(fabric.bytes_per_s(link), 1u);
    EXPECT_TRUE(names.insert(fabric.name(link)).second) << fabric.name(link);
  }
}

class EveryModel : public testing::TestWithParam<ModelFile> {};

TEST_P(EveryModel, IsCalledAsItsFile) { EXPECT_EQ(model_of(GetParam().name).name, GetParam().name); }

TEST_P(EveryModel, HasWaysOfConnectedLinks) { expect_sound(*fabric_of(GetParam().name)); }

TEST_P(EveryModel, HasThemInItsNamedShapes) {
  for (const NamedShape& shape : model_of(GetParam().name).shapes) {
    SCOPED_TRACE(shape.name);
    expect_sound(*fabric_of(GetParam().name + ":" + shape.name));
  }
}

TEST_P(EveryModel, SaysWhereItsFiguresComeFrom) {
  for (const LevelModel& level : model_of(GetParam().name).levels) {
    EXPECT_FALSE(level.citation.source.empty());
    EXPECT_FALSE(level.hop_ns.citation.source.empty());
    for (const Figure& figure : level.bytes_per_s) {
      EXPECT_FALSE(figure.citation.source.empty());
    }
    for (const ProtocolModel& protocol : level.protocols) {
      EXPECT_FALSE(protocol.citation.source.empty());
      EXPECT_FALSE(protocol.efficiency_citation.source.empty());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Topologies, EveryModel, testing::ValuesIn(list_models(models_folder())), [](const auto& model) {
  std::string name = model.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(Models, AreThere) {
  std::vector<std::string> names;
  for (const ModelFile& file : list_models(models_folder())) {
    names.push_back(file.name);
  }
  EXPECT_THAT(names, testing::IsSupersetOf({"nvidia-dgx-a100", "nvidia-dgx-h100", "nvidia-superpod-h100", "google-tpu-v4", "google-tpu-v5p"}));
  EXPECT_THAT(names, testing::IsSupersetOf({"aws-trn2", "tesla-dojo", "amd-mi300x", "hpe-slingshot-frontier", "cpu-2-socket"}));
}

struct Count {
  const char* machine;
  uint32_t chips;
  uint32_t links;
};

TEST(Models, HaveAsManyLinksAsTheirFormulasSay) {
  const Count counts[] = {
      {"nvidia-dgx-h100", 8, 2 * 8},
      {"nvidia-dgx-h100:8x2", 16, 2 * 16 + 2 * 16 + 2 * 8 * 32},                       // NVLink, adapters, 8 leaves to 32 spines
      {"nvidia-superpod-h100", 1024, 2 * 1024 + 2 * 1024 + 2 * 32 * 32},               // 32 leaves
      {"nvidia-superpod-h100:2048", 16384, 2 * 16384 * 2 + 2 * 512 * 32 + 2 * 512 * 8},  // 512 leaves, 512 spines
      {"xai-colossus-h100", 100'000, 2 * 100'000 * 2 + 2 * 1568 * 64 + 2 * 25 * 64 * 64},
      {"google-tpu-v4", 64, 6 * 64},
      {"google-tpu-v4:pod", 4096, 6 * 4096},
      {"google-tpu-v4:4x4x8", 128, 6 * 128},
      {"google-tpu-v4:4x4x8_untwisted", 128, 6 * 128},
      {"google-tpu-v5p:2x2x4", 16, 2 * (8 + 8 + 12)},  // no wrap below a cube
      {"google-tpu-v5p:pod", 8960, 6 * 8960},
      {"google-tpu-v5e", 256, 4 * 256},
      {"google-tpu-v5e:8x16", 128, 2 * (7 * 16 + 8 * 16)},  // wraps along 16 only
      {"google-tpu-v5e:4x4", 16, 2 * (12 + 12)},
      {"aws-trn2", 16, 4 * 16},
      {"aws-trn2-ultraserver", 64, 6 * 64},
      {"aws-inf2", 12, 2 * 12},
      {"tesla-dojo:tile", 25, 2 * (20 + 20) + 2 * (25 + 1)},  // the plane's adapter too
      {"amd-mi300x", 8, 8 * 7},
      {"huawei-cloudmatrix384", 768, 2 * 384 + 2 * 768 + 2 * 48 * 7},
      {"hpe-slingshot-frontier:group", 1024, (2 * 4 + 12 * 2) * 128 + 2 * 1024 + 2 * 512 + 32 * 31},
      {"hpe-slingshot-aurora", 63744, 30 * 10624 + 2 * 63744 + 166 * 32 * 31 + 166 * 165 * 2},
      {"cpu-2-socket", 16, 2 * 8 + 2 * 16 + 2 * 8},
  };
  for (const Count& count : counts) {
    const auto fabric = fabric_of(count.machine);
    EXPECT_EQ(fabric->chip_count(), count.chips) << count.machine;
    EXPECT_EQ(fabric->link_count(), count.links) << count.machine;
  }
}

uint64_t sum_of_links(const Fabric& fabric) {
  uint64_t sum = 0;
  for (LinkId link = 0; link < fabric.link_count(); ++link) {
    sum += fabric.bytes_per_s(link);
  }
  return sum;
}

// The datasheet's 1.1 PB/s.
TEST(Models, TpuV4PodCarries1106TerabytesPerSecond) { EXPECT_EQ(sum_of_links(*fabric_of("google-tpu-v4:pod")), 4096u * 6 * 45'000'000'000); }

// Halves of a torus with 28 along the last axis are joined by two planes of 16 x 20 wires.
TEST(Models, TpuV5pPodHasTheBisectionOfItsLongestAxis) {
  const auto fabric = fabric_of("google-tpu-v5p:pod");
  std::vector<bool> sides(fabric->node_count());
  std::fill_n(sides.begin(), sides.size() / 2, true);
  EXPECT_EQ(bytes_per_s_across(*fabric, sides), 2u * 16 * 20 * 90'000'000'000);
}

// Chips and the nodes beyond that are only theirs on one side.
uint64_t leaving_first_chips(const Fabric& fabric, uint32_t chips) {
  std::vector<bool> sides(fabric.node_count());
  std::fill_n(sides.begin(), chips, true);
  return bytes_per_s_across(fabric, sides);
}

TEST(Models, GpusLeaveTheirNodeByAllLinks) {
  EXPECT_EQ(leaving_first_chips(*fabric_of("nvidia-dgx-h100"), 1), 370'800'000'000u);
  EXPECT_EQ(leaving_first_chips(*fabric_of("amd-mi300x"), 1), 7u * 48'000'000'000);
  EXPECT_EQ(leaving_first_chips(*fabric_of("aws-trn2-ultraserver"), 1), (4u * 128 + 2 * 64) * uint64_t{1'000'000'000});
}

// Between its tiers a tree that is not oversubscribed carries as much as its endpoints send, one that is 7:1 a seventh.
TEST(Models, TreesCarryUpwardsWhatOversubscriptionLeaves) {
  const auto by_tier = [](const Fabric& fabric) {
    std::map<uint64_t, uint64_t> sums;  // by speed of a link
    for (LinkId link = 0; link < fabric.link_count(); ++link) {
      sums[fabric.bytes_per_s(link)] += fabric.bytes_per_s(link);
    }
    return sums;
  };
  const uint64_t all = 24'576 * uint64_t{47'000'000'000};
  auto sums = by_tier(*fabric_of("meta-h100-24k"));
  EXPECT_EQ(sums[47'000'000'000], 4 * all);  // to the leaves and the spines, up and down
  sums.erase(47'000'000'000);
  sums.erase(370'800'000'000);
  ASSERT_EQ(sums.size(), 1u);
  EXPECT_NEAR(static_cast<double>(sums.begin()->second), 2 * static_cast<double>(all) / 7, 1e7);
}

// 512 adapters of a group against four links to each of 73 others.
TEST(Models, FrontierGroupsAreTapered) {
  const auto fabric = fabric_of("hpe-slingshot-frontier:full");
  const uint64_t one = 22'600'000'000;
  uint64_t between_groups = 0;
  for (LinkId link = fabric->link_count() - 74 * 73 * 4; link < fabric->link_count(); ++link) {
    between_groups += fabric->bytes_per_s(link);
  }
  EXPECT_EQ(between_groups, 74 * 73 * 4 * one);
  EXPECT_NEAR(512.0 / (73 * 4), 1.75, 0.01);
}

TEST(Models, DirectMachinesHaveNoLinkBetweenMostChips) {
  const auto torus = fabric_of("google-tpu-v5p:4x4x4");
  EXPECT_TRUE(torus->is_adjacent(0, 1));
  EXPECT_TRUE(torus->is_adjacent(0, 3));  // around
  EXPECT_FALSE(torus->is_adjacent(0, 2));
  EXPECT_FALSE(torus->is_adjacent(0, 5));
  EXPECT_FALSE(fabric_of("google-tpu-v5p:2x2x4")->is_adjacent(0, 12));
  EXPECT_TRUE(fabric_of("nvidia-superpod-h100")->is_adjacent(0, 1023));
}

// What a way costs, and which level's software: leaf, spine and core are one, three and five switches.
// What joins the trays of a Dojo is a plane that each has its own adapters to.
TEST(Models, BlocksOfAMeshThatAPlaneJoinsAreHosts) {
  const std::shared_ptr<const Fabric> fabric = fabric_of("tesla-dojo:20x30");
  const Topology topology = Topology::of(fabric);
  for (uint32_t rank = 0; rank < topology.rank_count(); ++rank) {
    EXPECT_EQ(topology.host(rank), rank % 20 / 10 + rank / 20 / 15 * 2) << rank;
  }
  const Topology tray = Topology::of(fabric_of("tesla-dojo:10x15"));
  EXPECT_NE(tray.host(0), tray.host(1));  // a single one is no host: chips of it are as any of a mesh
}

TEST(Models, WaysGetLongerWithTheLevelsTheyCross) {
  const auto fabric = fabric_of("nvidia-superpod-h100:2048");
  const auto latency = [&](uint32_t target) {
    Route route;
    fabric->route(0, target, 0, &route);
    return route.latency_ns;
  };
  EXPECT_EQ(latency(0), 0u);
  EXPECT_EQ(latency(1), 200u);
  EXPECT_EQ(latency(8), 300u);             // the same rail of a unit: a leaf
  EXPECT_EQ(latency(9), 3 * 300u);         // another rail: a spine
  EXPECT_EQ(latency(8 * 32 * 3), 3 * 300u);  // another unit
  EXPECT_EQ(latency(8 * 32 * 4), 5 * 300u);  // the fifth unit: a core
  EXPECT_EQ(fabric->route_count(0, 8), 1u);
  EXPECT_EQ(fabric->route_count(0, 9), 32u);
  EXPECT_EQ(fabric->route_count(0, 8 * 32 * 4), 256u);
  EXPECT_EQ(fabric->protocols(0, 1).front().step_ns, 600u);
  EXPECT_EQ(fabric->protocols(0, 8).front().step_ns, 2'700u);
}

TEST(Models, AMessageToAnotherPlaneFirstCrossesTheUnit) {
  const auto fabric = fabric_of("aws-trn3");
  EXPECT_TRUE(fabric->is_adjacent(0, 72));   // the same place in the other rack
  EXPECT_FALSE(fabric->is_adjacent(0, 73));  // over chip 1
  Route route;
  fabric->route(0, 73, 0, &route);
  ASSERT_EQ(route.links.size(), 4u);
  EXPECT_EQ(fabric->ends(route.links[1]).target, 1u);
}

// Twisting shortens ways and evens out the loads of axes: an all-to-all is bounded by the breadth-first distance, 1.745 and 1.391 times better.
double busiest_link(const Fabric& fabric) {
  std::vector<double> loads(fabric.link_count());
  Route route;
  for (uint32_t pair = 0; pair < fabric.chip_count() * fabric.chip_count(); ++pair) {
    const uint32_t source = pair / fabric.chip_count();
    const uint32_t target = pair % fabric.chip_count();
    const uint32_t ways = fabric.route_count(source, target);
    for (uint32_t choice = 0; choice < ways; ++choice) {
      fabric.route(source, target, choice, &route);
      for (LinkId link : route.links) {
        loads[link] += 1.0 / ways;
      }
    }
  }
  return *std::max_element(loads.begin(), loads.end());
}

TEST(Models, TwistedTorusIsBetterAtAllToAll) {
  const double small = busiest_link(*fabric_of("google-tpu-v4:4x4x8_untwisted")) / busiest_link(*fabric_of("google-tpu-v4:4x4x8"));
  EXPECT_GT(small, 1.5);
  EXPECT_LT(small, 1.75);
  const double large = busiest_link(*fabric_of("google-tpu-v4:4x8x8_untwisted")) / busiest_link(*fabric_of("google-tpu-v4:4x8x8"));
  EXPECT_GT(large, 1.2);
  EXPECT_LT(large, 1.4);
}

struct BadShape {
  const char* machine;
  const char* complaint;
};

TEST(Models, RefuseShapesThatTheMachineDoesNotCome) {
  const BadShape shapes[] = {
      {"google-tpu-v5p:2x2", "shape \"2x2\" has 2 numbers, but google-tpu-v5p has those of 4x4x4"},
      {"google-tpu-v5p:2x2x8", "2x2x8 is larger than a block of 4x4x4, and not whole blocks"},
      {"google-tpu-v5p:32x20x28", "the product 17920; the machine has 8960 at most"},
      {"google-tpu-v5e:4x17", "an axis of 17 is longer than the machine's, which is 16"},
      {"google-tpu-v4:4x4x4_twisted", "has no twisted torus of these dimensions"},
      {"google-tpu-v4:4x4xx", "is not numbers with an x between them"},
      {"google-tpu-v4:", "is not numbers with an x between them"},
      {"google-tpu-v4:0x4x4", "an axis is 1 to 1048576 long"},
      {"google-tpu-v4:99999999999999999999x4x4", "an axis is 1 to 1048576 long"},
      {"google-tpu-v4:-4x4x4", "is not numbers"},
      {"aws-inf2:4x4", "shape \"4x4\" has 2 numbers, but aws-inf2 has those of 12"},
      {"amd-mi250x:4", "comes in one shape only"},
      {"nvidia-superpod-h100:1000000", "more than 1048576 chips"},
      {"nvidia-superpod-h100:20000", "tiers of 32, 32, 16 do not join 20000 units with 8 adapters each"},
      {"hpe-slingshot-frontier:9473", "9473 units are 75 groups; the machine has 74 at most"},
      {"no-such-machine:4", "no machine model is called \"no-such-machine\""},
  };
  for (const BadShape& shape : shapes) {
    const Result<Model> model = load_model(shape.machine, models_folder());
    ASSERT_FALSE(model) << shape.machine;
    EXPECT_EQ(model.error().code(), tuttiInvalidArgument);
    EXPECT_THAT(model.error().message(), testing::HasSubstr(shape.complaint)) << shape.machine;
  }
}

TEST(Models, LevelsWithoutNumbersStayAsTheyAre) {
  EXPECT_EQ(model_of("nvidia-dgx-h100:4").shape(), "4x1");
  EXPECT_EQ(model_of("nvidia-dgx-h100:4x2").chip_count(), 8u);
  EXPECT_EQ(model_of("google-tpu-v4:4x4x8_untwisted").shape(), "4x4x8_untwisted");
}

}  // namespace
}  // namespace tutti::topology
