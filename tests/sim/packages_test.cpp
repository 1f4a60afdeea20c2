// SPDX-License-Identifier: Apache-2.0
// Ranks in two packages, in simulation: what the real communicator and engine take in virtual time, by algorithm, beside what the planner expects.
// The table in docs/design/cost.md is what FlatAndHierarchical prints.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "algorithms/hierarchical/hierarchical.hpp"
#include "support/exercises.hpp"
#include "support/reference.hpp"
#include "support/sim_world.hpp"

namespace tutti::tests {
namespace {

using schedule::Collective;

enum class Order { side_by_side, in_turn };

// `rank_count` ranks on a host of two packages, each with `caches` groups of cores.
std::vector<topology::Place> two_packages(uint32_t rank_count, uint32_t caches = 1, Order order = Order::side_by_side) {
  std::vector<topology::Place> places;
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    const uint32_t position = order == Order::in_turn ? rank % 2 * (rank_count / 2) + rank / 2 : rank;
    const uint32_t package = 2 * position / rank_count * (rank_count / 2);
    const uint32_t ranks_by_cache = rank_count / 2 / caches;
    places.push_back({.package = package, .numa_node = package, .cache = position / ranks_by_cache * ranks_by_cache});
  }
  return places;
}

// What shared memory offers.
constexpr uint64_t kLatencyNs = 150;
constexpr uint64_t kBandwidth = 8'000'000'000;

SimWorldOptions options_of(std::vector<topology::Place> places, const std::string& algorithms = {}) {
  SimWorldOptions options{.rank_count = static_cast<uint32_t>(places.size())};
  options.link = {.latency_ns = kLatencyNs, .bandwidth_bytes_per_s = kBandwidth, .source = "shared memory"};
  options.network.max_frame_bytes = 16 * 1024;
  options.places = std::move(places);
  options.algorithms = algorithms;
  return options;
}

std::string forced(Operation operation, std::string_view algorithm) {
  static const std::map<Operation, std::string_view> names = {
      {Operation::all_reduce, "allreduce"},   {Operation::reduce, "reduce"},   {Operation::broadcast, "broadcast"},
      {Operation::all_gather, "allgather"},   {Operation::reduce_scatter, "reducescatter"},
      {Operation::barrier, "barrier"}};
  return fmt::format("{}:{}", names.at(operation), algorithm);
}

struct Member {
  const planner::Algorithm* algorithm;
  std::vector<Operation> operations;
};

std::vector<Member> members() {
  const std::vector<Operation> of_leaders = {Operation::all_reduce, Operation::reduce, Operation::broadcast, Operation::barrier};
  const std::vector<Operation> of_rails = {Operation::all_reduce, Operation::reduce, Operation::broadcast, Operation::all_gather,
                                           Operation::reduce_scatter};
  std::vector<Member> all;
  for (const planner::Algorithm& algorithm : algorithms::hierarchical::algorithms()) {
    if (algorithm.name.ends_with("in_switch_rails") || algorithm.name.ends_with("rail_shots")) {
      continue;  // packages have no switches that reduce, and no model
    }
    const std::vector<Operation> of_halves = {Operation::all_reduce};
    all.push_back({&algorithm, algorithm.name.ends_with("rails") ? of_rails : algorithm.name.ends_with("halves") ? of_halves : of_leaders});
  }
  return all;
}

class HierarchicalAlgorithm : public testing::TestWithParam<Member> {};

TEST_P(HierarchicalAlgorithm, SolvesItsCollectives) {
  for (const Operation operation : GetParam().operations) {
    for (const Order order : {Order::side_by_side, Order::in_turn}) {
      SimWorld world(options_of(two_packages(8, 2, order), forced(operation, GetParam().algorithm->name)));
      ASSERT_TRUE(world.bring_up().ok()) << world.bring_up().message();
      size_t performed = 0;
      for (Exercise& exercise : every_shape(8, test_seed() + 7)) {
        if (exercise.operation == operation && (performed < 12 || test_size() == Size::full)) {
          ASSERT_EQ(perform(exercise, world), "") << GetParam().algorithm->name << " TUTTI_TEST_SEED=" << test_seed();
          ++performed;
        }
      }
      EXPECT_GT(performed, 0u) << static_cast<int>(operation);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, HierarchicalAlgorithm, testing::ValuesIn(members()),
                         [](const auto& info) { return std::string(info.param.algorithm->name); });

uint64_t simulated_ns(const std::vector<topology::Place>& places, const std::string& algorithms, uint64_t bytes) {
  SimWorld world(options_of(places, algorithms));
  const Status up = world.bring_up();
  EXPECT_TRUE(up.ok()) << up.message();
  const uint64_t begin_ns = world.network().now_ns();
  EXPECT_EQ(perform({.count = bytes / 4, .rank_count = static_cast<int>(places.size())}, world), "");
  return world.network().now_ns() - begin_ns;
}

std::string planned(const std::vector<topology::Place>& places, uint64_t bytes) {
  SimWorld world(options_of(places));
  const Status up = world.bring_up();
  EXPECT_TRUE(up.ok()) << up.message();
  const auto plan = world.communicator(0).planner()->plan({.problem = {.collective = Collective::all_reduce, .rank_count = world.rank_count()},
                                                           .element_count = bytes / 4,
                                                           .element_bytes = 4});
  return plan ? std::string((*plan)->algorithm) : plan.error().message();
}

uint64_t fastest(const std::map<std::string, uint64_t>& taken, const std::vector<std::string>& names) {
  uint64_t least = UINT64_MAX;
  for (const std::string& name : names) {
    least = std::min(least, taken.at(name));
  }
  return least;
}

// In the middle sizes rails beat all that know of no packages; and from there on, where ranks are placed in turn and a ring crosses with each hop. The
// planner knows that.
TEST(TwoPackages, FlatAndHierarchical) {
  const std::vector<std::string> flat = {"recursive_doubling", "two_shot", "ring", "double_binary_tree"};
  const std::vector<std::string> hierarchical = {"leaders", "rails"};
  for (const Order order : {Order::side_by_side, Order::in_turn}) {
    const std::vector<topology::Place> places = two_packages(16, 1, order);
    fmt::print("allreduce of 16 ranks in two packages, {}; simulated us\n| bytes |", order == Order::in_turn ? "in turn" : "side by side");
    for (const auto* names : {&flat, &hierarchical}) {
      for (const std::string& name : *names) {
        fmt::print(" {} |", name);
      }
    }
    fmt::print(" planned |\n");
    std::vector<uint64_t> sizes = {8, 1'024, 16'384, 65'536, 262'144};
    if (test_size() == Size::full) {
      sizes.push_back(1'048'576);  // most of the test's time
    }
    for (const uint64_t bytes : sizes) {
      std::map<std::string, uint64_t> taken;
      fmt::print("| {} |", bytes);
      for (const auto* names : {&flat, &hierarchical}) {
        for (const std::string& name : *names) {
          taken[name] = simulated_ns(places, "allreduce:" + name, bytes);
          fmt::print(" {:.2f} |", static_cast<double>(taken[name]) / 1e3);
        }
      }
      const std::string choice = planned(places, bytes);
      fmt::print(" {} |\n", choice);
      if (bytes == 16'384) {
        EXPECT_LT(taken["rails"], fastest(taken, flat));
        EXPECT_EQ(choice, "rails");
      } else if (bytes == 8) {
        EXPECT_LT(fastest(taken, flat), fastest(taken, hierarchical));
        EXPECT_EQ(choice, "recursive_doubling");
      } else if (bytes >= 262'144 && order == Order::side_by_side) {
        EXPECT_LT(taken["ring"], fastest(taken, hierarchical));
      } else if (bytes == 262'144) {
        EXPECT_LT(taken["rails"], fastest(taken, flat));
      }
      if (bytes == 1'048'576 && order == Order::side_by_side) {
        EXPECT_EQ(choice, "ring");
      }
    }
  }
}

}  // namespace
}  // namespace tutti::tests
