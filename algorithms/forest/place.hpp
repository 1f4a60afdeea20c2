// SPDX-License-Identifier: Apache-2.0
// Where a rank is in a tree.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "algorithms/forest/packing.hpp"

namespace tutti::algorithms::forest {

struct Place {
  std::optional<uint32_t> parent;  // none of the root
  std::vector<uint32_t> children;  // those first below which there is least far to the leaves
};

// By chip: links from it to the farthest leaf below.
inline std::vector<uint32_t> heights_of(const Tree& tree) {
  std::vector<uint32_t> heights(tree.parents.size(), 0);
  for (uint32_t chip = 0; chip < heights.size(); ++chip) {
    uint32_t links = 0;
    for (uint32_t at = chip; at != kNobody; at = tree.parents[at]) {
      heights[at] = std::max(heights[at], links++);
    }
  }
  return heights;
}

inline Place place_in(const Tree& tree, uint32_t rank) {
  const auto chip_count = static_cast<uint32_t>(tree.parents.size());
  const std::vector<uint32_t> heights = heights_of(tree);
  Place place;
  for (uint32_t chip = 0; chip < chip_count; ++chip) {
    if (tree.parents[chip] == rank) {
      place.children.push_back(chip);
    }
  }
  std::ranges::stable_sort(place.children, {}, [&](uint32_t chip) { return heights[chip]; });
  if (tree.parents[rank] != kNobody) {
    place.parent = tree.parents[rank];
  }
  return place;
}

}  // namespace tutti::algorithms::forest
