// SPDX-License-Identifier: Apache-2.0
#include "algorithms/forest/spanning.hpp"

#include <algorithm>
#include <utility>

#include "algorithms/forest/forests.hpp"

namespace tutti::algorithms::forest {
namespace {

// What more trees must gain, in thousandths: each makes the others slower to begin.
constexpr uint64_t kLeastGainOfTreesPerMille = 10;

uint32_t depth_of(const std::vector<Tree>& trees) {
  uint32_t deepest = 0;
  for (const Tree& tree : trees) {
    deepest = std::max(deepest, std::ranges::max(tree.depths));
  }
  return deepest;
}

}  // namespace

std::optional<SpanningTrees> pack_spanning(const Network& network, Work& work) {
  SpanningTrees best;
  for (const Wiring& wiring : wirings_of(network)) {
    const uint64_t least = best.bytes_per_s * best.trees.size() * (1'000 + kLeastGainOfTreesPerMille) / 1'000;
    for (uint32_t count = wiring.most_trees; count != 0 && wiring.bytes_per_s * count > least && !work.is_spent(); --count) {
      Forests forests(wiring, count, work);
      if (grow(forests)) {
        flatten(forests);
        best = {.bytes_per_s = wiring.bytes_per_s, .trees_of_a_link = forests.trees_of_a_wire(), .depth = 0, .trees = forests.trees()};
        break;
      }
    }
  }
  best.depth = depth_of(best.trees);
  return best.trees.empty() ? std::nullopt : std::optional(std::move(best));
}

}  // namespace tutti::algorithms::forest
