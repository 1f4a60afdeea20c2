// SPDX-License-Identifier: Apache-2.0
#include "algorithms/forest/rooted.hpp"

#include <algorithm>
#include <utility>

namespace tutti::algorithms::forest {
namespace {

// One direction of a wire.
struct Way {
  uint32_t source = 0;
  uint32_t target = 0;
  uint32_t room = 0;  // trees
};

// Trees take ways in turn, as near to the root as can be.
class RootedGrowth {
 public:
  RootedGrowth(const Wiring& wiring, uint32_t root, uint32_t count, Work& work) : chip_count_(wiring.chip_count), work_(work) {
    for (const Wire& wire : wiring.wires) {
      ways_.push_back({wire.a, wire.b, wire.room});
      ways_.push_back({wire.b, wire.a, wire.room});
    }
    rooms_ = ways_;
    trees_.assign(count, {.root = root, .count = 1, .parents = std::vector<uint32_t>(chip_count_, kNobody), .depths = std::vector<uint32_t>(chip_count_, kNobody)});
    for (Tree& tree : trees_) {
      tree.depths[root] = 0;
    }
  }

  // False: there are no such trees, or the work is spent.
  bool run() {
    for (uint32_t size = 1; size < chip_count_; ++size) {
      for (uint32_t tree = 0; tree < trees_.size(); ++tree) {
        if (!grow(tree)) {
          return false;
        }
      }
    }
    return true;
  }

  uint32_t trees_of_a_way() const {
    uint32_t most = 0;
    for (size_t way = 0; way < ways_.size(); ++way) {
      most = std::max(most, rooms_[way].room - ways_[way].room);
    }
    return most;
  }
  std::vector<Tree> take_trees() { return std::move(trees_); }

 private:
  // Over a way that leaves the tree as near to the root as can be; of those over one with most room.
  bool grow(uint32_t index) {
    Tree& tree = trees_[index];
    std::vector<uint32_t> leaving;
    for (uint32_t way = 0; way < ways_.size(); ++way) {
      if (ways_[way].room != 0 && tree.depths[ways_[way].source] != kNobody && tree.depths[ways_[way].target] == kNobody) {
        leaving.push_back(way);
      }
    }
    work_.spend(ways_.size() / 8);
    std::ranges::stable_sort(leaving, {}, [&](uint32_t way) { return std::pair(tree.depths[ways_[way].source], kMostTreesOfALink - ways_[way].room); });
    for (const uint32_t way : leaving) {
      if (work_.is_spent()) {
        return false;
      }
      if (leaves_enough(index, ways_[way])) {
        --ways_[way].room;
        tree.parents[ways_[way].target] = ways_[way].source;
        tree.depths[ways_[way].target] = tree.depths[ways_[way].source] + 1;
        return true;
      }
    }
    return false;
  }

  // What flows to the way's target from its source, or there from chips that the other trees have reached, is more than these need.
  bool leaves_enough(uint32_t index, const Way& over) {
    MaxFlow flow(chip_count_ + static_cast<uint32_t>(trees_.size()));
    for (const Way& way : ways_) {
      flow.add(way.source, way.target, way.room);
    }
    uint64_t others = 0;
    for (uint32_t other = 0; other < trees_.size(); ++other) {
      if (other == index || trees_[other].depths[over.target] != kNobody) {
        continue;  // it needs nothing more there
      }
      ++others;
      flow.add(over.source, chip_count_ + other, 1);
      for (uint32_t chip = 0; chip < chip_count_; ++chip) {
        flow.add(chip_count_ + other, chip, trees_[other].depths[chip] == kNobody ? 0 : 1);
      }
    }
    return flow.run(over.source, over.target, others + 1, work_) > others;
  }

  uint32_t chip_count_;
  Work& work_;
  std::vector<Way> ways_;   // with the room that is left
  std::vector<Way> rooms_;  // the same, with all room
  std::vector<Tree> trees_;
};

uint32_t most_ways_to_a_chip(const Wiring& wiring) {
  uint32_t least = kMostSpanningTrees;
  for (const std::vector<uint32_t>& wires : wiring.at) {
    uint32_t ways = 0;
    for (const uint32_t wire : wires) {
      ways += wiring.wires[wire].room;
    }
    least = std::min(least, ways);
  }
  return least;
}

// As many as flow to every chip.
uint32_t most_trees_from(const Wiring& wiring, uint32_t root, Work& work) {
  uint64_t least = most_ways_to_a_chip(wiring);
  for (uint32_t chip = 0; chip < wiring.chip_count; ++chip) {
    if (chip == root) {
      continue;
    }
    MaxFlow flow(wiring.chip_count);
    for (const Wire& wire : wiring.wires) {
      flow.add(wire.a, wire.b, wire.room);
      flow.add(wire.b, wire.a, wire.room);
    }
    least = flow.run(root, chip, least, work);
  }
  return work.is_spent() ? 0 : static_cast<uint32_t>(least);
}

}  // namespace

std::optional<RootedTrees> pack_rooted(const Network& network, uint32_t root, Work& work) {
  std::vector<Wiring> wirings = wirings_of(network);
  const auto bound = [](const Wiring& wiring) { return wiring.bytes_per_s * most_ways_to_a_chip(wiring); };
  std::ranges::stable_sort(wirings, [&](const Wiring& left, const Wiring& right) {
    return bound(left) != bound(right) ? bound(left) > bound(right) : left.bytes_per_s > right.bytes_per_s;
  });
  RootedTrees best;
  for (const Wiring& wiring : wirings) {
    if (bound(wiring) <= best.bytes_per_s * best.trees.size()) {
      break;
    }
    const uint32_t count = most_trees_from(wiring, root, work);
    if (wiring.bytes_per_s * count <= best.bytes_per_s * best.trees.size()) {
      continue;
    }
    RootedGrowth growth(wiring, root, count, work);
    if (growth.run()) {
      best = {.bytes_per_s = wiring.bytes_per_s, .trees_of_a_link = growth.trees_of_a_way(), .depth = 0, .trees = growth.take_trees()};
    }
  }
  for (const Tree& tree : best.trees) {
    best.depth = std::max(best.depth, std::ranges::max(tree.depths));
  }
  return best.trees.empty() ? std::nullopt : std::optional(std::move(best));
}

}  // namespace tutti::algorithms::forest
