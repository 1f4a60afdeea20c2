// SPDX-License-Identifier: Apache-2.0
// Who exchanges with whom in Swing (De Sensi, Bonato, Saam and Hoefler, "Swing: short-cutting rings for higher bandwidth allreduce", NSDI 2024).
//
// On a ring of 2^m chips, in step s an even chip exchanges with the one at distance rho(s) = 1 - 2 + 4 - ... +- 2^s, that is 1, -1, 3, -5, ..., an odd chip
// with the one as far the other way. After m steps everyone has heard everyone, over shorter ways than of 1, 2, 4, ... On a torus, steps take the axes
// in turn.
//
// On a ring of any other even length, ceil(log2 length) steps do, but some chips would hear a thing twice. So what each chip sends about is settled by
// going through the steps from the last to the first, as when blocks are gathered: a chip gets a block from its partner if that has it and it has not. To
// reduce, the same is done the other way about.
#pragma once

#include <array>
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
  // The same of even lengths, up to kMostEven.
  static bool fits_even(const Grid& grid);
  static constexpr uint32_t kMostEven = 64;

  uint32_t step_count() const { return static_cast<uint32_t>(steps_.size()); }
  uint32_t peer(uint32_t rank, uint32_t step) const;
  // A number below the rank count for each rank, its bits beginning with the highest those of the steps: what exchange in step s have the same bits before
  // bit s, and another bit s. So halves of a vector that is cut into a chunk for each number are ranges, when partners split it. For powers of two.
  uint32_t number_of(uint32_t rank) const;
  // The same for even lengths, of all ranks: what partners exchange are few ranges.
  std::vector<uint32_t> numbers() const;
  // The step in which `rank` gives away what is reduced for `target`; in the same one, the other way about, it gets what `target` has to be gathered;
  // step_count() if they are the same. For even lengths.
  uint32_t leaves(uint32_t rank, uint32_t target) const;

 private:
  struct Step {
    uint32_t axis = 0;
    uint32_t distance = 1;  // of even ones up the axis, modulo its length
    uint32_t remaining = 0;  // steps along this axis after it
  };
  uint32_t partner(uint32_t position, const Step& step) const;
  void settle_axis(uint32_t axis);

  const Grid& grid_;  // outlives it
  Mirror mirror_;
  std::vector<Step> steps_;
  std::array<std::vector<uint8_t>, kMostGridAxes> leaves_;  // by axis, position and target's position: the step
};

}  // namespace tutti::topology
