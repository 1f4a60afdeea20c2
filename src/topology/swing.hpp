// SPDX-License-Identifier: Apache-2.0
// Who exchanges with whom in Swing (De Sensi, Bonato, Saam and Hoefler, "Swing: short-cutting rings for higher bandwidth allreduce", NSDI 2024).
//
// On a ring of 2^m chips, in step s an even chip exchanges with the one at distance rho(s) = 1 - 2 + 4 - ... +- 2^s, that is 1, -1, 3, -5, ..., an odd chip
// with the one as far the other way. After m steps everyone has heard everyone, over shorter ways than of 1, 2, 4, ... On a torus, steps take the axes
// in turn.
#pragma once

#include <cstdint>
#include <vector>

#include "topology/grid.hpp"

namespace tutti::topology {

class Swing {
 public:
  enum class Mirror : uint8_t { no, yes };

  // Begins with the axis `first`. Mirrored, chips exchange with those at the same distances the other way, over the links that are free meanwhile.
  Swing(const Grid& grid, uint32_t first, Mirror mirror);

  // All axes wrap, or have two chips, and are powers of two.
  static bool fits(const Grid& grid);

  uint32_t step_count() const { return static_cast<uint32_t>(steps_.size()); }
  uint32_t peer(uint32_t rank, uint32_t step) const;
  // A number below the rank count for each rank, its bits beginning with the highest those of the steps: what exchange in step s have the same bits before
  // bit s, and another bit s. So halves of a vector that is cut into a chunk for each number are ranges, when partners split it.
  uint32_t number_of(uint32_t rank) const;

 private:
  struct Step {
    uint32_t axis = 0;
    uint32_t distance = 1;  // of even ones up the axis, modulo its length
    uint32_t remaining = 0;  // steps along this axis after it
  };
  uint32_t partner(uint32_t position, const Step& step) const;

  const Grid& grid_;  // outlives it
  Mirror mirror_;
  std::vector<Step> steps_;
};

}  // namespace tutti::topology
