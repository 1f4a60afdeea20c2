// SPDX-License-Identifier: Apache-2.0
// Chips move nearer to the roots, over wires that have room or that another tree gives for the one that it gets.
#include <utility>
#include <vector>

#include "algorithms/forest/forests.hpp"

namespace tutti::algorithms::forest {
namespace {

class Flattening {
 public:
  explicit Flattening(Forests& forests) : forests_(forests), wiring_(forests.wiring()) {}

  void run() {
    constexpr int kMostPasses = 24;
    bool improves = true;
    for (int pass = 0; improves && pass < kMostPasses; ++pass) {
      improves = false;
      for (uint32_t tree = 0; tree < forests_.count(); ++tree) {
        for (uint32_t chip = 0; chip < wiring_.chip_count && !forests_.work().is_spent(); ++chip) {
          improves |= chip != forests_[tree].root && lift(tree, chip);
        }
      }
    }
  }

 private:
  // How deep a part of a tree is: the deepest chips say most.
  static uint64_t weight_of(uint64_t depth) { return depth * depth * depth * depth; }

  // Of what hangs below `top` if `without` is cut, were it so deep; marks what that is.
  uint64_t weight_below(const Forest& forest, uint32_t top, uint32_t without, uint32_t depth, std::vector<bool>& marks) {
    struct Hanging {
      uint32_t chip;
      uint32_t wire;
      uint32_t depth;
    };
    marks.assign(wiring_.chip_count, false);
    std::vector<Hanging> queue = {{top, without, depth}};
    uint64_t weight = 0;
    for (size_t next = 0; next < queue.size(); ++next) {
      const Hanging at = queue[next];
      marks[at.chip] = true;
      weight += weight_of(at.depth);
      for (const uint32_t wire : wiring_.at[at.chip]) {
        if (forest.has[wire] && wire != at.wire && wire != without) {
          queue.push_back({wiring_.wires[wire].other(at.chip), wire, at.depth + 1});
        }
      }
    }
    forests_.work().spend(4 * queue.size());
    return weight;
  }

  // What it comes to if a tree has another wire in the place of the one above `chip`.
  struct Change {
    bool spans = false;
    int64_t weight = 0;  // more than now
  };
  Change change_of(uint32_t tree, uint32_t chip, uint32_t wire) {
    const Forest& forest = forests_[tree];
    std::vector<bool> marks;
    const uint32_t without = forest.upwards[chip];
    const uint64_t now = weight_below(forest, chip, without, forest.depths[chip], marks);
    auto [inside, outside, room] = wiring_.wires[wire];
    if (marks[inside] == marks[outside]) {
      return {};
    }
    if (marks[outside]) {
      std::swap(inside, outside);
    }
    const uint64_t then = weight_below(forest, inside, without, forest.depths[outside] + 1, marks);
    return {.spans = true, .weight = static_cast<int64_t>(then) - static_cast<int64_t>(now)};
  }

  // Of two trees that exchange wires one gains by itself: the other is looked at for that one only.
  bool lift(uint32_t tree, uint32_t chip) {
    const Forest& forest = forests_[tree];
    const uint32_t old = forest.upwards[chip];
    std::vector<bool> below;
    weight_below(forest, chip, old, 0, below);
    for (uint32_t wire = 0; wire < wiring_.wires.size(); ++wire) {
      const auto& [a, b, room] = wiring_.wires[wire];
      if (below[a] == below[b] || wire == old || forest.depths[below[a] ? b : a] + 1 >= forest.depths[below[a] ? a : b]) {
        continue;
      }
      const Change here = change_of(tree, chip, wire);
      if (here.weight >= 0) {
        continue;
      }
      if (forests_.has_room(wire)) {
        exchange(tree, old, wire);
        return true;
      }
      for (uint32_t other = 0; other < forests_.count(); ++other) {
        if (other == tree || !forests_[other].has[wire] || forests_[other].has[old]) {
          continue;
        }
        const Change there = change_of(other, forests_[other].upwards[a] == wire ? a : b, old);
        if (there.spans && here.weight + there.weight < 0) {
          exchange(other, wire, old);
          exchange(tree, old, wire);
          return true;
        }
      }
    }
    return false;
  }

  void exchange(uint32_t tree, uint32_t old, uint32_t wire) {
    forests_.take(tree, old);
    forests_.add(tree, wire);
    forests_.rebuild(tree);
  }

  Forests& forests_;
  const Wiring& wiring_;
};

}  // namespace

void flatten(Forests& forests) {
  Flattening(forests).run();
  for (uint32_t tree = 0; tree < forests.count(); ++tree) {
    forests.root_in_the_middle(tree);
  }
  Flattening(forests).run();
}

}  // namespace tutti::algorithms::forest
