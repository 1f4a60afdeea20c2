// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "topology/swing.hpp"

namespace tutti::algorithms::torus {

struct SwingShare {
  topology::Swing swing;
  uint32_t channel;
};

// Shares that begin with one axis have a channel. Mirrored and not, so that all links are busy.
inline std::vector<SwingShare> swing_shares_of(const topology::Grid& grid) {
  std::vector<SwingShare> shares;
  for (uint32_t first = 0; first < grid.axis_count(); ++first) {
    for (const topology::Swing::Mirror mirror : {topology::Swing::Mirror::no, topology::Swing::Mirror::yes}) {
      shares.push_back({topology::Swing(grid, first, mirror), first});
    }
  }
  return shares;
}

}  // namespace tutti::algorithms::torus
