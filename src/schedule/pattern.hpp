// SPDX-License-Identifier: Apache-2.0
// Who sends what to whom in an algorithm whose schedules follow one pattern: what its price at scale can be worked out from without building them. For
// compositions of stages that differ, schedule/outline.hpp.
#pragma once

#include <cstdint>

namespace tutti::schedule {

enum class Pattern : uint8_t {
  other,
  ring,                // chunks around a ring of all ranks, or a chain of them from the root or to it
  rings,               // the same with several rings at once (topology/circles.hpp), each for a share
  one_shot,            // every block goes straight to where it is needed
  far_first,           // likewise an allreduce, the farthest ranks' first
  two_shot,            // the vector is cut among all ranks, then put together again
  pairwise,            // one partner after another
  recursive_doubling,  // partners at distances 1, 2, 4, ...
  recursive_halving,   // the same, each time with half of what is left, and back
  circulant,           // half of what is left to the rank p/2, p/4, ... ahead, and back
  dissemination,       // tokens to the ranks 1, 2, 4, ... ahead
  bruck,               // bundles of blocks travel distances 1, 2, 4, ...
  bruck_four,          // of an alltoall: distances 1, 2, 3, then 4, 8, 12, ...
  bruck_eight,         // of an alltoall: distances 1, 2, ... 7, then 8, 16, ...
  parallel_trees,      // single blocks travel distances 2^k, ..., 4, 2, 1
  neighbour_exchange,  // two blocks at a time to the next and to the previous rank in turn
  circulant_pipeline,  // chunk after chunk, each round to the rank p/2, p/4, ... 1 ahead
  flat_tree,           // everybody speaks with rank 0
  bucket,              // blocks along the axes of a torus or mesh, one after another
  swing,               // halves of the vector between partners that are near each other on a torus
  swing_whole,         // all of it
  axis_exchange,       // everybody hears everybody along one axis after another
  axis_trees,          // down trees along the axes of a torus, or up
};

}  // namespace tutti::schedule
