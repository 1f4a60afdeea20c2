// SPDX-License-Identifier: Apache-2.0
// A corner of a mesh of d axes has d links, so that allreduce takes at least 2(p-1)/p nb/d (algorithms/bucket.hpp for the words).
#include "algorithms/mesh/mesh.hpp"

#include <array>

#include "algorithms/bucket.hpp"

namespace tutti::algorithms::mesh {
namespace {

using schedule::Problem;
using schedule::Schedule;
using topology::Grid;

bool applies(const Problem& problem, const topology::Topology& topology) {
  if (!bucket_solves(problem)) {
    return false;
  }
  const std::optional<Grid> grid = Grid::of(topology);
  return grid && !grid->wraps();
}

Schedule build(const Problem& problem, const topology::Topology& topology, uint32_t rank) {
  const Grid grid = *Grid::of(topology);
  return Bucket(problem, grid, rank).build();
}

constexpr std::array kAlgorithms = {
    planner::Algorithm{.name = "mesh",
                       .idea = "blocks travel to both ends of the lines of one axis after another",
                       .cost = "d axes of k: 2d(k-1) a + 2(p-1)/p nb/d",
                       .source = "as torus",
                       .applies = applies,
                       .build = build,
                       .pattern = schedule::Pattern::bucket},
};

}  // namespace

std::span<const planner::Algorithm> algorithms() { return kAlgorithms; }

}  // namespace tutti::algorithms::mesh
