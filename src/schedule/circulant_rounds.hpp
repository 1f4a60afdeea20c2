// SPDX-License-Identifier: Apache-2.0
// Who hears which chunk in which round of a broadcast on a circulant graph, where in round i everybody sends to the rank skip(i mod q) ahead: with p ranks,
// q = ceil(log2 p) and m chunks m-1+q rounds, the fewest in which each rank sends and receives one chunk a round (Träff, "Optimal broadcast schedules in
// logarithmic time with applications to broadcast, all-broadcast, reduction and all-reduction", arXiv 2407.18004, 2024).
#pragma once

#include <cstdint>
#include <vector>

namespace tutti::schedule {

// Positions are steps ahead of the root.
class CirculantSkips {
 public:
  // At least two.
  explicit CirculantSkips(uint32_t rank_count);

  // Of q + 1: 1, ..., p.
  uint32_t operator[](uint32_t index) const { return skips_[index]; }
  uint32_t count() const { return static_cast<uint32_t>(skips_.size()) - 1; }
  // Enough that the q - 1 rounds in which a rank has nothing to do are few beside them.
  uint32_t chunk_count() const { return 2 * count() * count(); }

 private:
  std::vector<uint32_t> skips_;
};

struct CirculantArrival {
  uint32_t round = 0;
  uint32_t chunk = 0;
};

// What a position other than the root's gets in all rounds, in their order: every chunk once, in round r from skips[r mod q] behind.
std::vector<CirculantArrival> circulant_arrivals(const CirculantSkips& skips, uint32_t chunk_count, uint32_t position);

}  // namespace tutti::schedule
