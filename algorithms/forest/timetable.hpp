// SPDX-License-Identifier: Apache-2.0
// In which order messages go down the trees of a packing, or up them.
#pragma once

#include <cstdint>
#include <vector>

#include "algorithms/forest/packing.hpp"

namespace tutti::algorithms::forest {

// One chunk on one link of its tree.
struct Passage {
  uint32_t chunk = 0;
  uint32_t root = 0;
  uint32_t source = 0;
  uint32_t target = 0;
  uint64_t begin = 0;  // when it would go if links knew nothing of each other, in a unit of its own
  uint64_t end = 0;
};

// In an order such that each passage comes after what it needs.
struct Timetable {
  uint32_t parts = 1;  // chunks of a root
  std::vector<Passage> down;  // each chunk from its root to everybody
  std::vector<Passage> up;    // from everybody to its root: the same, backwards
};

// Each tree carries its share in pieces, one after another: 1, 2, 4, ... until full links stand idle for no more than so much of the time that they are busy.
struct Pieces {
  uint32_t most = 16;
  uint64_t most_passages = 6'000;  // of all pieces
  uint32_t idle_per_mille = 30;
};

// The chunks of the root that is the i-th have the numbers from i * parts on.
Timetable timetable_of(const Packing& packing, const Pieces& pieces);

}  // namespace tutti::algorithms::forest
