// SPDX-License-Identifier: Apache-2.0
#include "algorithms/forest/forests.hpp"

#include <algorithm>
#include <numeric>

namespace tutti::algorithms::forest {
namespace {

// Those first that have least far to the farthest.
std::vector<uint32_t> chips_by_distance(const Wiring& wiring) {
  std::vector<uint32_t> farthest;
  for (uint32_t chip = 0; chip < wiring.chip_count; ++chip) {
    farthest.push_back(std::ranges::max(distances_from(wiring, chip)));
  }
  std::vector<uint32_t> chips(wiring.chip_count);
  std::iota(chips.begin(), chips.end(), 0u);
  std::ranges::stable_sort(chips, {}, [&](uint32_t chip) { return farthest[chip]; });
  return chips;
}

}  // namespace

Forests::Forests(const Wiring& wiring, uint32_t count, Work& work) : wiring_(wiring), work_(work), used_(wiring.wires.size(), 0), forests_(count) {
  const std::vector<uint32_t> middle = chips_by_distance(wiring);
  for (uint32_t index = 0; index < count; ++index) {
    forests_[index].root = middle[index % middle.size()];
    forests_[index].has.assign(wiring.wires.size(), false);
    rebuild(index);
  }
}

uint32_t Forests::missing_wires() const {
  uint32_t missing = 0;
  for (const Forest& forest : forests_) {
    missing += wiring_.chip_count - 1 - forest.size;
  }
  return missing;
}

uint32_t Forests::trees_of_a_wire() const { return std::ranges::max(used_); }

std::vector<Tree> Forests::trees() const {
  std::vector<Tree> trees;
  for (const Forest& forest : forests_) {
    trees.push_back({.root = forest.root, .count = 1, .parents = forest.parents, .depths = forest.depths});
  }
  return trees;
}

void Forests::add(uint32_t index, uint32_t wire) {
  forests_[index].has[wire] = true;
  ++used_[wire];
}

void Forests::take(uint32_t index, uint32_t wire) {
  forests_[index].has[wire] = false;
  --used_[wire];
}

void Forests::rebuild(uint32_t index) {
  Forest& forest = forests_[index];
  forest.parents.assign(wiring_.chip_count, kNobody);
  forest.upwards.assign(wiring_.chip_count, kNoWire);
  forest.depths.assign(wiring_.chip_count, kNobody);
  forest.tops.assign(wiring_.chip_count, kNobody);
  forest.size = 0;
  std::vector<uint32_t> queue;
  for (uint32_t first = 0; first <= wiring_.chip_count; ++first) {
    const uint32_t top = first == 0 ? forest.root : first - 1;
    if (forest.depths[top] != kNobody) {
      continue;
    }
    forest.depths[top] = 0;
    queue.assign(1, top);
    for (size_t next = 0; next < queue.size(); ++next) {
      const uint32_t chip = queue[next];
      forest.tops[chip] = top;
      for (const uint32_t wire : wiring_.at[chip]) {
        const uint32_t child = wiring_.wires[wire].other(chip);
        if (forest.has[wire] && forest.depths[child] == kNobody) {
          forest.depths[child] = forest.depths[chip] + 1;
          forest.parents[child] = chip;
          forest.upwards[child] = wire;
          queue.push_back(child);
          ++forest.size;
        }
      }
    }
  }
  work_.spend(wiring_.chip_count + 2 * wiring_.wires.size());
}

void Forests::root_in_the_middle(uint32_t index) {
  Forest& forest = forests_[index];
  const auto deepest = [&] {
    rebuild(index);
    return static_cast<uint32_t>(std::ranges::max_element(forest.depths) - forest.depths.begin());
  };
  forest.root = deepest();
  uint32_t chip = deepest();
  for (uint32_t up = forest.depths[chip] / 2; up != 0; --up) {
    chip = forest.parents[chip];
  }
  forest.root = chip;
  rebuild(index);
}

}  // namespace tutti::algorithms::forest
