// SPDX-License-Identifier: Apache-2.0
// Simulations agree with SimGrid's of like machines, which have other code for links, ways and the sharing of them.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>

#include "cases.hpp"
#include "simulator/world.hpp"
#include "topology/model.hpp"
#include "topology/traffic.hpp"

namespace tutti::tests {
namespace {

constexpr double kTolerance = 0.15;

std::string level_of(Machine machine) {
  switch (machine) {
    case Machine::torus: return "kind = \"torus\"\ndims = [3, 5, 3]\nwrap = \"all\"\n";
    case Machine::fat_tree: return "kind = \"fat_tree\"\ndims = [16]\ndown = [4, 4]\nup = [4]\n";
    case Machine::tapered_tree: return "kind = \"fat_tree\"\ndims = [16]\ndown = [4, 4]\nup = [2]\noversubscription = [\"2:1\"]\n";
    case Machine::dragonfly: return "kind = \"dragonfly\"\ndims = [32]\ngroups = 4\nunits_per_group = 8\nswitches_per_group = 4\nlinks_per_pair = 1\n";
  }
  return {};
}

std::shared_ptr<const topology::Fabric> fabric_of(Machine machine) {
  const std::string text = fmt::format(
      "format = 1\nname = \"m\"\ntitle = \"m\"\nchip = \"chip\"\nchips = {}\n[sources]\nt = \"a test\"\n[[level]]\nname = \"l\"\nsource = \"t\"\n{}"
      "effective = {{ value = \"10 GB/s\", source = \"t\" }}\nhop_latency = {{ value = \"1 ns\", source = \"t\" }}\n[[level.protocols]]\n"
      "name = \"bulk\"\nstep = \"0 ns\"\nsource = \"t\"\nefficiency = {{ value = \"100 %\", source = \"t\" }}\n",
      chip_count(machine), level_of(machine));
  const auto model = topology::parse_model(text, "test.toml");
  EXPECT_TRUE(model.has_value()) << model.error().message();
  return *topology::make_fabric(*model);
}

// Of messages on links, without ranks.
double traffic_time(const Case& one) {
  topology::Traffic traffic(fabric_of(one.machine));
  std::vector<uint64_t> latencies_ns;
  for (const Message& message : one.messages) {
    latencies_ns.push_back(
        traffic.begin({.source = message.source, .target = message.target, .bytes = kBytes, .message_bytes = kBytes}, 0, latencies_ns.size()).latency_ns);
  }
  uint64_t end_ns = 0;
  topology::Flows::Completed completed;
  for (uint64_t next = traffic.flows().next_completion_ns(); next != topology::kNoCompletion; next = traffic.flows().next_completion_ns()) {
    while (traffic.flows().pop_completed(next, &completed)) {
      end_ns = std::max(end_ns, completed.at_ns + latencies_ns[completed.tag]);
    }
  }
  return static_cast<double>(end_ns) / 1e9;
}

// Of the collective in which every pair has a message, with ranks.
double all_to_all_time(Machine machine) {
  auto world = simulator::World::make({.topology = topology::Topology::of(fabric_of(machine)), .algorithms = "alltoall:one_shot"});
  EXPECT_TRUE(world.has_value()) << world.error().message();
  const auto outcome = (*world)->run({.collective = schedule::Collective::all_to_all, .bytes = kBytes * chip_count(machine)});
  EXPECT_TRUE(outcome.has_value()) << outcome.error().message();
  return static_cast<double>(outcome->elapsed_ns) / 1e9;
}

std::vector<Message> shifted(uint32_t count, uint32_t by) {
  std::vector<Message> messages;
  for (uint32_t chip = 0; chip < count; ++chip) {
    messages.push_back({.source = chip, .target = (chip + by) % count});
  }
  return messages;
}

}  // namespace

uint32_t chip_count(Machine machine) { return machine == Machine::torus ? 45 : machine == Machine::dragonfly ? 32 : 16; }

std::vector<Message> all_pairs(uint32_t chip_count) {
  std::vector<Message> messages;
  for (uint32_t source = 0; source < chip_count; ++source) {
    for (uint32_t target = 0; target < chip_count; ++target) {
      if (source != target) {
        messages.push_back({source, target});
      }
    }
  }
  return messages;
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  const auto add = [&](Machine machine, const char* name) {
    const uint32_t count = chip_count(machine);
    cases.push_back({fmt::format("{}: to a neighbour", name), machine, {{0, 1}}});
    cases.push_back({fmt::format("{}: across", name), machine, {{0, count - 1}}});
    cases.push_back({fmt::format("{}: from two to one", name), machine, {{0, 2}, {1, 2}}});
    cases.push_back({fmt::format("{}: from all to the next", name), machine, shifted(count, 1)});
    cases.push_back({fmt::format("{}: from all to those a third away", name), machine, shifted(count, count / 3)});
    cases.push_back({fmt::format("{}: from all to all", name), machine, all_pairs(count)});
  };
  add(Machine::torus, "torus");
  add(Machine::fat_tree, "fat tree");
  add(Machine::tapered_tree, "tapered tree");
  add(Machine::dragonfly, "dragonfly");
  return cases;
}

namespace {

TEST(SimGrid, TakesAsLongForTheSameMessages) {
  const std::vector<Case> cases = all_cases();
  const std::vector<double> theirs = simgrid_times(cases);
  ASSERT_EQ(theirs.size(), cases.size());
  for (size_t index = 0; index < cases.size(); ++index) {
    const Case& one = cases[index];
    const double ours = traffic_time(one);
    fmt::print("{:50} SimGrid {:9.3f} ms, links {:9.3f} ms\n", one.name, theirs[index] * 1e3, ours * 1e3);
    EXPECT_NEAR(ours, theirs[index], kTolerance * theirs[index]) << one.name;
    if (one.messages.size() == all_pairs(chip_count(one.machine)).size()) {
      EXPECT_NEAR(all_to_all_time(one.machine), theirs[index], kTolerance * theirs[index]) << one.name << ", by the engine";
    }
  }
}

}  // namespace
}  // namespace tutti::tests
