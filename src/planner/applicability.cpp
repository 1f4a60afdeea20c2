// SPDX-License-Identifier: Apache-2.0
#include "planner/applicability.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "topology/model.hpp"

namespace tutti::planner {
namespace {

using schedule::Collective;

// A host whose ranks reach each other's memory, in domains of four, these in pairs.
topology::Topology ordinary_topology(uint32_t rank_count) {
  auto topology = topology::Topology::uniform(rank_count, {.latency_ns = 0, .source = "", .reaches_memory = true});
  std::vector<uint32_t> fours;
  std::vector<uint32_t> pairs;
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    topology.set_host(rank, 0);
    fours.push_back(rank / 4);
    pairs.push_back(rank / 2);
  }
  topology.add_level({.name = "", .domains = fours, .source = ""});
  topology.add_level({.name = "", .domains = pairs, .source = ""});
  return topology;
}

// A level as slow as can be: algorithms do not ask how fast a machine is, but some ask what is farther off.
topology::LevelModel level_of(topology::LevelKind kind, std::vector<uint32_t> dims) {
  topology::LevelModel level;
  level.kind = kind;
  level.dims = std::move(dims);
  level.bytes_per_s = {{.value = 1, .citation = {}}};
  level.hop_ns = {.value = 1, .citation = {}};
  level.protocols.push_back({.protocol = {.name = ""}, .citation = {}, .efficiency_citation = {}});
  return level;
}

// Into `machines` the one of these levels, if there can be one.
void add_machine(std::vector<topology::LevelModel> levels, std::vector<topology::Topology>& machines) {
  if (const auto fabric = topology::make_fabric({.name = "", .title = "", .chip = "", .shapes = {}, .levels = std::move(levels)})) {
    machines.push_back(topology::Topology::of(*fabric));
  }
}

// Chips around a switch, or those of several around another, or of several such around a third, all of which reduce and copy what passes.
std::vector<topology::Topology> switched_machines(uint32_t rank_count) {
  const auto switch_of = [](uint32_t count) {
    topology::LevelModel level = level_of(topology::LevelKind::switched, {count});
    level.multicast = {.efficiency_per_mille = 1000, .citation = {}};
    level.reduction = {.efficiency_per_mille = 1000, .is_to_all = true, .citation = {}};
    return level;
  };
  std::vector<topology::Topology> machines;
  add_machine({switch_of(rank_count)}, machines);
  if (rank_count > 4 && rank_count % 4 == 0) {
    add_machine({switch_of(4), switch_of(rank_count / 4)}, machines);
    add_machine({switch_of(2), switch_of(2), switch_of(rank_count / 4)}, machines);
  }
  return machines;
}

// Packages of two chips, each package joined to each, as in a node of MI250X. Nothing for odd numbers and single packages.
std::vector<topology::Topology> machines_of_pairs(uint32_t rank_count) {
  std::vector<topology::Topology> machines;
  if (rank_count > 2 && rank_count % 2 == 0) {
    add_machine({level_of(topology::LevelKind::full_mesh, {2}), level_of(topology::LevelKind::full_mesh, {rank_count / 2})}, machines);
  }
  return machines;
}

// Chips on two axes that wrap, where they are long enough, or on two that do not. Nothing for numbers that are no product of two.
std::vector<topology::Topology> grids(uint32_t rank_count) {
  std::vector<topology::Topology> machines;
  for (const topology::Wrap wrap : {topology::Wrap::all, topology::Wrap::none}) {
    for (uint32_t length = 2; length * length <= rank_count; ++length) {
      if (rank_count % length == 0) {
        topology::LevelModel level = level_of(topology::LevelKind::torus, {length, rank_count / length});
        level.wrap = wrap;
        add_machine({std::move(level)}, machines);
      }
    }
  }
  return machines;
}

// Chips that are wired to the next. Nothing for fewer than three.
std::vector<topology::Topology> wired_rings(uint32_t rank_count) {
  std::vector<topology::Topology> machines;
  if (rank_count > 2) {
    topology::LevelModel level = level_of(topology::LevelKind::ring, {rank_count});
    level.wrap = topology::Wrap::all;
    add_machine({std::move(level)}, machines);
  }
  return machines;
}

topology::Topology reaching_topology(uint32_t rank_count) {
  return topology::Topology::uniform(rank_count, {.latency_ns = 0, .source = "", .reaches_memory = true});
}

// Each on a host of its own.
topology::Topology distant_topology(uint32_t rank_count) { return topology::Topology::uniform(rank_count, {.latency_ns = 0, .source = ""}); }

bool applies_on_pairs(const Algorithm& algorithm, Collective collective) {
  return std::ranges::any_of(machines_of_pairs(8), [&](const topology::Topology& machine) {
    return algorithm.applies({.collective = collective, .rank_count = 8, .root = 0}, machine);
  });
}

// Whether a message from the first rank takes as many hops to all others.
bool are_equally_far(const topology::Fabric& fabric) {
  topology::Route route;
  std::optional<size_t> hops;
  for (uint32_t target = 1; target < fabric.chip_count(); ++target) {
    fabric.route(0, target, 0, &route);
    if (hops.value_or(route.links.size()) != route.links.size()) {
      return false;
    }
    hops = route.links.size();
  }
  return true;
}

bool applies_on_grids_alone(const Algorithm& algorithm, Collective collective) {
  const auto applies_to = [&](const topology::Topology& topology) {
    return algorithm.applies({.collective = collective, .rank_count = topology.rank_count(), .root = 0}, topology);
  };
  return std::ranges::any_of(std::array{9u, 16u}, [&](uint32_t rank_count) {
    return !applies_to(ordinary_topology(rank_count)) && !applies_to(distant_topology(rank_count)) && std::ranges::any_of(grids(rank_count), applies_to);
  });
}

}  // namespace

std::vector<topology::Topology> sample_topologies(uint32_t rank_count) {
  std::vector<topology::Topology> topologies = {distant_topology(rank_count), reaching_topology(rank_count), ordinary_topology(rank_count)};
  std::ranges::move(wired_rings(rank_count), std::back_inserter(topologies));
  std::ranges::move(switched_machines(rank_count), std::back_inserter(topologies));
  std::ranges::move(grids(rank_count), std::back_inserter(topologies));
  std::ranges::move(machines_of_pairs(rank_count), std::back_inserter(topologies));
  return topologies;
}

bool ever_applies(const Algorithm& algorithm, Collective collective) {
  // An explanation asks for all algorithms.
  static const std::vector<topology::Topology> samples = [] {
    std::vector<topology::Topology> all;
    for (const uint32_t rank_count : {2u, 3u, 4u, 6u, 8u, 9u, 16u}) {
      std::ranges::move(sample_topologies(rank_count), std::back_inserter(all));
    }
    return all;
  }();
  return std::ranges::any_of(samples, [&](const topology::Topology& topology) {
    for (const schedule::InPlace in_place : {schedule::InPlace::no, schedule::InPlace::yes}) {
      for (const schedule::Blocks blocks : {schedule::Blocks::equal, schedule::Blocks::variable}) {
        const schedule::Problem problem{
            .collective = collective, .rank_count = topology.rank_count(), .root = 0, .in_place = in_place, .blocks = blocks};
        if (algorithm.applies(problem, topology)) {
          return true;
        }
      }
    }
    return false;
  });
}

std::string why_not_applicable(const Algorithm& algorithm, const schedule::Problem& problem, const topology::Topology& topology) {
  const std::string_view collective = schedule::name_of(problem.collective);
  if (!ever_applies(algorithm, problem.collective)) {
    return fmt::format("it does not solve {}", collective);
  }
  schedule::Problem equal = problem;
  equal.blocks = schedule::Blocks::equal;
  if (algorithm.applies(equal, topology)) {
    return "it does not solve that for blocks of different lengths";
  }
  if (algorithm.applies(problem, distant_topology(problem.rank_count))) {
    return "it needs ranks on several hosts";
  }
  if (algorithm.applies(problem, reaching_topology(problem.rank_count))) {
    return "it needs ranks that reach each other's memory";
  }
  if (algorithm.applies(problem, ordinary_topology(problem.rank_count))) {
    return "it needs ranks on several hosts, or in several domains of one, as many in each";
  }
  const bool applies_without_switches = applies_on_pairs(algorithm, problem.collective);
  if (applies_without_switches && topology.fabric() == nullptr) {
    return "it needs to know which links the machine has, as a model of it tells";
  }
  if (applies_without_switches && are_equally_far(*topology.fabric())) {
    return "it needs ranks of which some are farther off than others";
  }
  for (const topology::Topology& machine : switched_machines(8)) {
    if (!applies_without_switches && algorithm.applies({.collective = problem.collective, .rank_count = 8, .root = 0}, machine)) {
      return "it needs a machine whose switches reduce and copy what passes between these ranks, and at least three of them";
    }
  }
  if (!applies_without_switches && applies_on_grids_alone(algorithm, problem.collective)) {
    return "it needs ranks that are all chips of one torus, or of one mesh";
  }
  return fmt::format("it does not solve {} for these {} ranks", collective, problem.rank_count);
}

}  // namespace tutti::planner
