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
//
// On a ring of odd length all but one chip do that among themselves, as if the one were not there. It exchanges with each of them straight, what the one has to
// have for what the other has to have: with half of them in the first step, since in that one the others exchange half of all, with half of the rest in the
// next, and so on, beginning with the nearest.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
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
  // The same of lengths up to kMostLength.
  static bool fits_any(const Grid& grid);
  static constexpr uint32_t kMostLength = 64;

  uint32_t step_count() const { return static_cast<uint32_t>(steps_.size()); }
  // The one of a rank on an axis of even length.
  uint32_t peer(uint32_t rank, uint32_t step) const;
  // All of a rank, on any axis: with one after another it exchanges in this order.
  std::vector<uint32_t> peers(uint32_t rank, uint32_t step) const;
  // A number below the rank count for each rank, its bits beginning with the highest those of the steps: what exchange in step s have the same bits before
  // bit s, and another bit s. So halves of a vector that is cut into a chunk for each number are ranges, when partners split it. For powers of two.
  uint32_t number_of(uint32_t rank) const;
  // The same for any lengths, of all ranks: what partners exchange are few ranges.
  std::vector<uint32_t> numbers() const;
  // The step in which `rank` gives away what is reduced for `target`, and to whom; in the same one, the other way about, it gets what `target` has to be
  // gathered. The step is step_count() if they are the same. For any lengths.
  struct Exchange {
    uint32_t step = 0;
    uint32_t peer = 0;

    bool operator==(const Exchange&) const = default;
  };
  Exchange leaves(uint32_t rank, uint32_t target) const;

 private:
  struct Step {
    uint32_t axis = 0;
    uint32_t distance = 1;  // of even ones up the axis, modulo the length of the ring of partners
    uint32_t remaining = 0;  // steps along this axis after it
  };
  // An axis of odd length has one that has no partners, its last; mirrored, its first.
  std::optional<uint32_t> single(uint32_t axis) const;
  // The ring without it.
  uint32_t partner_count(uint32_t axis) const { return grid_.axis(axis).length / 2 * 2; }
  uint32_t partner(uint32_t position, const Step& step) const;
  uint32_t moved(uint32_t rank, uint32_t axis, uint32_t position) const;
  void settle_axis(uint32_t axis);
  void settle_single(uint32_t axis);
  size_t index_of(uint32_t axis, uint32_t position, uint32_t target) const { return size_t{position} * grid_.axis(axis).length + target; }

  const Grid& grid_;  // outlives it
  Mirror mirror_;
  std::vector<Step> steps_;
  struct Leaving {
    uint8_t step = 0;
    uint8_t position = 0;  // where to
  };
  std::array<std::vector<Leaving>, kMostGridAxes> leaves_;  // by axis, position and target's position
};

}  // namespace tutti::topology
