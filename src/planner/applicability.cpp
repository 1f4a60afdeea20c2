// SPDX-License-Identifier: Apache-2.0
#include "planner/applicability.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <vector>

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

topology::Topology reaching_topology(uint32_t rank_count) {
  return topology::Topology::uniform(rank_count, {.latency_ns = 0, .source = "", .reaches_memory = true});
}

}  // namespace

bool ever_applies(const Algorithm& algorithm, Collective collective) {
  for (uint32_t rank_count : {2u, 3u, 4u, 6u, 8u, 9u, 16u}) {
    const topology::Topology topology = ordinary_topology(rank_count);
    for (schedule::InPlace in_place : {schedule::InPlace::no, schedule::InPlace::yes}) {
      for (schedule::Blocks blocks : {schedule::Blocks::equal, schedule::Blocks::variable}) {
        const schedule::Problem problem{
            .collective = collective, .rank_count = rank_count, .root = 0, .in_place = in_place, .blocks = blocks};
        if (algorithm.applies(problem, topology)) {
          return true;
        }
      }
    }
  }
  return false;
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
  if (algorithm.applies(problem, reaching_topology(problem.rank_count))) {
    return "it needs ranks that reach each other's memory";
  }
  if (algorithm.applies(problem, ordinary_topology(problem.rank_count))) {
    return "it needs ranks on several hosts, or in several domains of one, as many in each";
  }
  return fmt::format("it does not solve {} for these {} ranks", collective, problem.rank_count);
}

}  // namespace tutti::planner
