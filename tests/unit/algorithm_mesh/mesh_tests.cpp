// SPDX-License-Identifier: Apache-2.0
#include "algorithms/mesh/mesh.hpp"

#include <gtest/gtest.h>

#include "support/grids.hpp"

namespace tutti::algorithms::mesh {
namespace {

using namespace schedule;
using tests::GridShape;

const planner::Algorithm& mesh() { return algorithms().front(); }

TEST(MeshTest, SolvesOnEveryShapeBetweenNeighboursAlone) {
  for (const GridShape& shape : {tests::mesh_of({2}), tests::mesh_of({3}), tests::mesh_of({7}), tests::mesh_of({2, 2}), tests::mesh_of({3, 2}),
                                 tests::mesh_of({4, 3}), tests::mesh_of({1, 6}), tests::mesh_of({2, 2, 2}), tests::mesh_of({2, 3, 2})}) {
    if (shape.dims.size() == 3 && tests::test_size() == tests::Size::small) {
      continue;
    }
    for (const Collective collective : {Collective::all_reduce, Collective::reduce_scatter, Collective::all_gather}) {
      ASSERT_NO_FATAL_FAILURE(tests::expect_solves_on_grid(mesh(), collective, shape));
    }
  }
  if (tests::test_size() == tests::Size::small) {
    return;
  }
  for (const GridShape& shape : {tests::mesh_of({5, 5}), tests::mesh_of({2, 2, 4}), tests::mesh_of({4, 4, 4})}) {
    ASSERT_NO_FATAL_FAILURE(tests::expect_solves_on_grid(mesh(), Collective::all_reduce, shape));
  }
}

// Nothing less would do: it has two links, and (p-1)/p of all to give.
TEST(MeshTest, ACornerSendsEachShareOnce) {
  const topology::Topology topology = tests::topology_of(tests::mesh_of({4, 4}));
  const Schedule corner = mesh().build({.rank_count = 16}, topology, 0);
  EXPECT_EQ(corner.chunk_count, 16u * 16);
  EXPECT_EQ(tests::count_chunks_sent(corner), 16u * (15 + 5)) << "to be reduced, and what it gives back";
  EXPECT_EQ(corner.scratch_slots, 0u);
}

TEST(MeshTest, LeavesWhatWrapsToOthers) {
  const Problem problem{.rank_count = 9};
  EXPECT_FALSE(mesh().applies(problem, tests::topology_of(tests::torus_of({3, 3}))));
  EXPECT_FALSE(mesh().applies(problem, topology::Topology(9)));
}

}  // namespace
}  // namespace tutti::algorithms::mesh
