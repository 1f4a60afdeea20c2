// SPDX-License-Identifier: Apache-2.0
// Tori and meshes for tests of algorithms that go along their axes.
#pragma once

#include <gtest/gtest.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <vector>

#include "support/schedule_support.hpp"
#include "support/test_size.hpp"
#include "topology/model.hpp"

namespace tutti::tests {

struct GridShape {
  std::vector<uint32_t> dims;
  std::vector<bool> wraps;
  bool is_twisted = false;
};

inline std::string to_string(const GridShape& shape) {
  std::vector<std::string> axes;
  for (size_t axis = 0; axis < shape.dims.size(); ++axis) {
    axes.push_back(fmt::format("{}{}", shape.dims[axis], shape.wraps[axis] ? "w" : ""));
  }
  return fmt::format("{}{}", fmt::join(axes, "x"), shape.is_twisted ? " twisted" : "");
}

inline GridShape torus_of(std::vector<uint32_t> dims) {
  const size_t count = dims.size();
  return {std::move(dims), std::vector<bool>(count, true)};
}
inline GridShape mesh_of(std::vector<uint32_t> dims) {
  const size_t count = dims.size();
  return {std::move(dims), std::vector<bool>(count, false)};
}
inline GridShape twisted_torus_of(std::vector<uint32_t> dims) {
  GridShape shape = torus_of(std::move(dims));
  shape.is_twisted = true;
  return shape;
}

// A link is 50 GB/s fast and a hop takes 1 us.
inline topology::Topology topology_of(const GridShape& shape) {
  topology::LevelModel level{.name = "links",
                             .kind = topology::LevelKind::torus,
                             .dims = shape.dims,
                             .citation = {},
                             .largest = {},
                             .raw_bytes_per_s = {},
                             .bytes_per_s = {{.value = 50'000'000'000, .citation = {}}},
                             .hop_ns = {.value = 1'000, .citation = {}},
                             .protocols = {},
                             .reduction = {},
                             .multicast = {},
                             .wrap = topology::Wrap::by_axis,
                             .wraps = shape.wraps,
                             .twist = shape.is_twisted ? topology::Twist::doubled : topology::Twist::never,
                             .block = {},
                             .seam_bytes_per_s = {},
                             .bypass = {},
                             .down = {},
                             .up = {},
                             .oversubscription_per_mille = {}};
  level.protocols.push_back({.protocol = {.name = "bulk"}, .citation = {}, .efficiency_citation = {}});
  const auto fabric = topology::make_fabric({.name = "grid", .title = "", .chip = "chip", .shapes = {}, .levels = {level}});
  EXPECT_TRUE(fabric) << fabric.error().message();
  return topology::Topology::of(*fabric);
}

// A torus and a mesh of few ranks, if there are some, for what goes over all algorithms.
inline std::vector<GridShape> small_grids(uint32_t rank_count) {
  switch (rank_count) {
    case 2: return {mesh_of({2})};
    case 3: return {torus_of({3}), mesh_of({3})};
    case 4: return {torus_of({4}), mesh_of({2, 2})};
    case 6: return {torus_of({3, 2}), mesh_of({3, 2})};
    case 8: return {torus_of({2, 4}), mesh_of({2, 2, 2})};
    case 9: return {torus_of({3, 3}), mesh_of({3, 3})};
    default: return {};
  }
}

// How units of a level are joined to each other.
struct LevelShape {
  topology::LevelKind kind = topology::LevelKind::full_mesh;
  uint32_t unit_count = 1;
  uint64_t bytes_per_s = 50'000'000'000;
};
// Innermost first. A hop takes 1 us.
inline topology::Topology topology_of_levels(const std::vector<LevelShape>& shapes) {
  std::vector<topology::LevelModel> levels;
  for (const LevelShape& shape : shapes) {
    topology::LevelModel level;
    level.name = fmt::format("level {}", levels.size());
    level.kind = shape.kind;
    level.dims = {shape.unit_count};
    level.bytes_per_s = {{.value = shape.bytes_per_s, .citation = {}}};
    level.hop_ns = {.value = 1'000, .citation = {}};
    level.protocols.push_back({.protocol = {.name = "bulk"}, .citation = {}, .efficiency_citation = {}});
    levels.push_back(std::move(level));
  }
  const auto fabric = topology::make_fabric({.name = "levels", .title = "", .chip = "chip", .shapes = {}, .levels = std::move(levels)});
  EXPECT_TRUE(fabric) << fabric.error().message();
  return topology::Topology::of(*fabric);
}

// Packages of two chips, each package joined to each by a link for each chip; inside a package they are three times as fast.
inline topology::Topology topology_of_pairs(uint32_t package_count) {
  return topology_of_levels({{.unit_count = 2, .bytes_per_s = 150'000'000'000}, {.unit_count = package_count}});
}

// Where the algorithm solves the problem: on links that offer anything, or on small grids, or else on packages of two.
inline std::vector<topology::Topology> topologies_for(const planner::Algorithm& algorithm, const schedule::Problem& problem) {
  if (applies(algorithm, problem)) {
    return {reaching_topology(problem.rank_count)};
  }
  std::vector<topology::Topology> topologies;
  for (const GridShape& shape : small_grids(problem.rank_count)) {
    topologies.push_back(topology_of(shape));
    if (!algorithm.applies(problem, topologies.back())) {
      topologies.pop_back();
    }
  }
  if (topologies.empty() && (problem.rank_count == 4 || problem.rank_count == 8)) {
    topologies.push_back(topology_of_pairs(problem.rank_count / 2));
    if (!algorithm.applies(problem, topologies.back())) {
      topologies.pop_back();
    }
  }
  return topologies;
}

// Whether the schedules of all ranks solve the problem by messages between neighbours alone.
inline testing::AssertionResult solves_on_links(const planner::Algorithm& algorithm, const schedule::Problem& problem, const topology::Topology& topology) {
  const auto linked = [&](uint32_t source, uint32_t target) { return topology.fabric()->is_adjacent(source, target); };
  const std::vector<schedule::Schedule> schedules = build_all(algorithm, problem, topology);
  const Status status = schedule::verify(problem, schedules, {.has_link = linked});
  if (status.ok()) {
    return testing::AssertionSuccess();
  }
  testing::AssertionResult failure = testing::AssertionFailure() << algorithm.name << " does not solve " << to_string(problem) << ": " << status.message() << "\n";
  for (uint32_t rank = 0; problem.rank_count <= 9 && rank < problem.rank_count; ++rank) {
    failure << to_string(schedules[rank]);
  }
  return failure;
}

// Of every problem of `collective` on that grid, with one root in the middle unless all are asked for.
inline void expect_solves_on_grid(const planner::Algorithm& algorithm, schedule::Collective collective, const GridShape& shape) {
  SCOPED_TRACE(to_string(shape));
  const topology::Topology topology = topology_of(shape);
  size_t solved = 0;
  for (const schedule::Problem& problem : problems_of(collective, topology.rank_count())) {
    const bool is_one_too_many = problem.blocks == schedule::Blocks::variable && problem.rank_count > 16;  // they differ in lengths alone
    if (is_one_too_many || !algorithm.applies(problem, topology)) {
      continue;
    }
    ASSERT_TRUE(solves_on_links(algorithm, problem, topology));
    ++solved;
  }
  EXPECT_GT(solved, 0u) << algorithm.name << " applies to no problem of " << schedule::name_of(collective);
}

}  // namespace tutti::tests
