// SPDX-License-Identifier: Apache-2.0
#include "algorithms/forest/spanning.hpp"

#include <algorithm>
#include <cassert>
#include <numeric>
#include <set>
#include <utility>

namespace tutti::algorithms::forest {
namespace {

// Each is a chunk.
constexpr uint32_t kMostSpanningTrees = 16;
// What more trees must gain, in thousandths: each makes the others slower to begin.
constexpr uint64_t kLeastGainOfTreesPerMille = 10;
constexpr uint32_t kFree = UINT32_MAX;

// Between two chips, for both directions.
struct Wire {
  uint32_t a = 0;
  uint32_t b = 0;
  uint64_t bytes_per_s = 0;

  uint32_t other(uint32_t chip) const { return chip == a ? b : a; }
};

// The graph of wires.
struct Wiring {
  uint32_t chip_count = 0;
  std::vector<Wire> wires;
  std::vector<std::vector<uint32_t>> at;  // by chip: wires
};

Wiring wiring_of(const Network& network) {
  Wiring wiring{.chip_count = network.chip_count, .wires = {}, .at = std::vector<std::vector<uint32_t>>(network.chip_count)};
  for (uint32_t a = 0; a < network.chip_count; ++a) {
    for (uint32_t b = a + 1; b < network.chip_count; ++b) {
      if (const uint64_t bytes_per_s = std::min(network.at(a, b), network.at(b, a)); bytes_per_s != 0) {
        wiring.at[a].push_back(static_cast<uint32_t>(wiring.wires.size()));
        wiring.at[b].push_back(static_cast<uint32_t>(wiring.wires.size()));
        wiring.wires.push_back({a, b, bytes_per_s});
      }
    }
  }
  return wiring;
}

// By chip, in wires; kNobody: there is no way.
std::vector<uint32_t> distances_from(const Wiring& wiring, uint32_t from) {
  std::vector<uint32_t> distances(wiring.chip_count, kNobody);
  std::vector<uint32_t> queue = {from};
  distances[from] = 0;
  for (size_t next = 0; next < queue.size(); ++next) {
    for (const uint32_t wire : wiring.at[queue[next]]) {
      const uint32_t chip = wiring.wires[wire].other(queue[next]);
      if (distances[chip] == kNobody) {
        distances[chip] = distances[queue[next]] + 1;
        queue.push_back(chip);
      }
    }
  }
  return distances;
}

// A forest while it grows and changes: who is whose parent, over which wire. Components have roots of their own.
struct Forest {
  uint32_t root = 0;
  std::vector<bool> has;           // by wire
  std::vector<uint32_t> parents;   // by chip
  std::vector<uint32_t> upwards;   // by chip: the wire to its parent
  std::vector<uint32_t> depths;    // by chip
  std::vector<uint32_t> tops;      // by chip: the root of its component
  uint32_t size = 0;               // wires
};

// As many trees that no wire is in more of than it has room for.
class Spanning {
 public:
  Spanning(const Wiring& wiring, std::vector<uint32_t> rooms, uint32_t tree_count, Work& work)
      : wiring_(wiring), rooms_(std::move(rooms)), work_(work), used_(wiring.wires.size(), 0), forests_(tree_count) {
    const std::vector<uint32_t> middle = chips_by_distance();
    for (uint32_t tree = 0; tree < tree_count; ++tree) {
      forests_[tree].root = middle[tree % middle.size()];
      forests_[tree].has.assign(wiring.wires.size(), false);
      rebuild(tree);
    }
  }

  // False: there are none, or the work is spent.
  bool run() {
    sprout();
    for (uint32_t missing = missing_wires(); missing != 0; --missing) {
      if (!augment() || work_.is_spent()) {
        return false;
      }
    }
    for (const int round : {0, 1}) {
      flatten();
      for (uint32_t tree = 0; round == 0 && tree < forests_.size(); ++tree) {
        forests_[tree].root = middle_of(tree);
        rebuild(tree);
      }
    }
    return true;
  }

  uint32_t trees_of_a_wire() const { return std::ranges::max(used_); }
  std::vector<Tree> trees() const {
    std::vector<Tree> trees;
    for (const Forest& forest : forests_) {
      trees.push_back({.root = forest.root, .count = 1, .parents = forest.parents, .depths = forest.depths});
    }
    return trees;
  }

 private:
  uint32_t missing_wires() const {
    uint32_t missing = 0;
    for (const Forest& forest : forests_) {
      missing += wiring_.chip_count - 1 - forest.size;
    }
    return missing;
  }

  // Those first that have least far to the farthest.
  std::vector<uint32_t> chips_by_distance() const {
    std::vector<uint32_t> farthest;
    for (uint32_t chip = 0; chip < wiring_.chip_count; ++chip) {
      farthest.push_back(std::ranges::max(distances_from(wiring_, chip)));
    }
    std::vector<uint32_t> chips(wiring_.chip_count);
    std::iota(chips.begin(), chips.end(), 0u);
    std::ranges::stable_sort(chips, {}, [&](uint32_t chip) { return farthest[chip]; });
    return chips;
  }

  // Who is above whom, from which wires the forest has.
  void rebuild(uint32_t tree) {
    Forest& forest = forests_[tree];
    forest.parents.assign(wiring_.chip_count, kNobody);
    forest.upwards.assign(wiring_.chip_count, kFree);
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

  void add(uint32_t tree, uint32_t wire) {
    forests_[tree].has[wire] = true;
    ++used_[wire];
  }
  void take(uint32_t tree, uint32_t wire) {
    forests_[tree].has[wire] = false;
    --used_[wire];
  }
  bool has_room(uint32_t wire) const { return used_[wire] < rooms_[wire]; }

  // Trees take wires in turn, as near to their roots as can be, of those the one with most room left.
  void sprout() {
    for (bool grows = true; grows;) {
      grows = false;
      for (uint32_t tree = 0; tree < forests_.size(); ++tree) {
        const Forest& forest = forests_[tree];
        uint32_t best = kFree;
        std::pair<uint32_t, uint32_t> best_is{};
        for (uint32_t wire = 0; wire < wiring_.wires.size(); ++wire) {
          const auto [a, b, bytes_per_s] = wiring_.wires[wire];
          const bool reaches_a = forest.tops[a] == forest.root;
          if (!has_room(wire) || reaches_a == (forest.tops[b] == forest.root)) {
            continue;
          }
          const std::pair is{forest.depths[reaches_a ? a : b], kMostTreesOfALink - (rooms_[wire] - used_[wire])};
          if (best == kFree || is < best_is) {
            best = wire;
            best_is = is;
          }
        }
        if (best != kFree) {
          add(tree, best);
          rebuild(tree);
          grows = true;
        }
      }
    }
  }

  // A wire of a tree, or one that has room: then the tree is the last.
  struct Place {
    uint32_t wire = 0;
    uint32_t tree = 0;
  };
  size_t index_of(const Place& place) const { return size_t{place.wire} * (forests_.size() + 1) + place.tree; }

  // By the shortest chain of exchanges: a free wire comes in where another goes, which comes in elsewhere, until one closes no cycle.
  bool augment() {
    const auto nowhere = static_cast<uint32_t>(forests_.size());
    std::vector<Place> queue;
    std::vector<size_t> before(wiring_.wires.size() * (forests_.size() + 1), SIZE_MAX);  // into queue; of a free one itself
    for (uint32_t wire = 0; wire < wiring_.wires.size(); ++wire) {
      if (has_room(wire)) {
        before[index_of({wire, nowhere})] = queue.size();
        queue.push_back({wire, nowhere});
      }
    }
    for (size_t next = 0; next < queue.size(); ++next) {
      const Place from = queue[next];
      for (uint32_t tree = 0; tree < forests_.size(); ++tree) {
        const Forest& forest = forests_[tree];
        if (tree == from.tree || forest.has[from.wire]) {
          continue;
        }
        auto [a, b, bytes_per_s] = wiring_.wires[from.wire];
        if (forest.tops[a] != forest.tops[b]) {
          carry_out(queue, before, next, tree);
          return true;
        }
        for (; a != b; work_.spend(1)) {
          uint32_t& deeper = forest.depths[a] >= forest.depths[b] ? a : b;
          const Place there{forest.upwards[deeper], tree};
          if (size_t& known = before[index_of(there)]; known == SIZE_MAX) {
            known = next;
            queue.push_back(there);
          }
          deeper = forest.parents[deeper];
        }
      }
      if (work_.is_spent()) {
        return false;
      }
    }
    return false;
  }

  void carry_out(const std::vector<Place>& queue, const std::vector<size_t>& before, size_t last, uint32_t into) {
    std::set<uint32_t> changed;
    for (size_t at = last;; at = before[index_of(queue[at])]) {
      const Place& place = queue[at];
      if (place.tree != forests_.size()) {
        take(place.tree, place.wire);
      }
      add(into, place.wire);
      changed.insert(into);
      into = place.tree;
      if (into == forests_.size()) {
        break;
      }
    }
    for (const uint32_t tree : changed) {
      rebuild(tree);
    }
  }

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
    work_.spend(4 * queue.size());
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
    auto [inside, outside, bytes_per_s] = wiring_.wires[wire];
    if (marks[inside] == marks[outside]) {
      return {};
    }
    if (marks[outside]) {
      std::swap(inside, outside);
    }
    const uint64_t then = weight_below(forest, inside, without, forest.depths[outside] + 1, marks);
    return {.spans = true, .weight = static_cast<int64_t>(then) - static_cast<int64_t>(now)};
  }

  // Chips move nearer to the roots, over wires that have room or that another tree gives for the one that it gets.
  void flatten() {
    constexpr int kMostPasses = 24;
    bool improves = true;
    for (int pass = 0; improves && pass < kMostPasses && !work_.is_spent(); ++pass) {
      improves = false;
      for (uint32_t tree = 0; tree < forests_.size(); ++tree) {
        for (uint32_t chip = 0; chip < wiring_.chip_count; ++chip) {
          improves |= chip != forests_[tree].root && lift(tree, chip);
        }
      }
    }
  }

  bool lift(uint32_t tree, uint32_t chip) {
    const uint32_t old = forests_[tree].upwards[chip];
    std::vector<bool> below;
    weight_below(forests_[tree], chip, old, 0, below);
    for (uint32_t wire = 0; wire < wiring_.wires.size(); ++wire) {
      if (below[wiring_.wires[wire].a] == below[wiring_.wires[wire].b] || wire == old) {
        continue;
      }
      const Change here = change_of(tree, chip, wire);
      if (has_room(wire) && here.weight < 0) {
        exchange(tree, old, wire);
        return true;
      }
      for (uint32_t other = 0; other < forests_.size() && !has_room(wire); ++other) {
        if (other == tree || !forests_[other].has[wire] || forests_[other].has[old]) {
          continue;
        }
        const auto [a, b, bytes_per_s] = wiring_.wires[wire];
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
    take(tree, old);
    add(tree, wire);
    rebuild(tree);
  }

  // Half-way between the two that are farthest from each other.
  uint32_t middle_of(uint32_t tree) {
    std::vector<bool> marks;
    Forest& forest = forests_[tree];
    const auto deepest = [&] {
      rebuild(tree);
      return static_cast<uint32_t>(std::ranges::max_element(forest.depths) - forest.depths.begin());
    };
    forest.root = deepest();
    uint32_t chip = deepest();
    for (uint32_t up = forest.depths[chip] / 2; up != 0; --up) {
      chip = forest.parents[chip];
    }
    return chip;
  }

  const Wiring& wiring_;
  std::vector<uint32_t> rooms_;  // by wire: trees
  Work& work_;
  std::vector<uint32_t> used_;   // by wire: trees that have it
  std::vector<Forest> forests_;
};

// A tree may be so fast, so that there is room for so many on each wire.
struct Speed {
  uint64_t bytes_per_s = 0;
  std::vector<uint32_t> rooms;
  uint32_t most_trees = 0;  // that there are wires for

  uint64_t most_bytes_per_s() const { return bytes_per_s * most_trees; }
};

Speed speed_of(const Wiring& wiring, uint64_t bytes_per_s) {
  Speed speed{.bytes_per_s = bytes_per_s, .rooms = {}, .most_trees = kMostSpanningTrees};
  uint64_t all = 0;
  for (const Wire& wire : wiring.wires) {
    speed.rooms.push_back(static_cast<uint32_t>(std::min<uint64_t>(wire.bytes_per_s / bytes_per_s, kMostTreesOfALink)));
    all += speed.rooms.back();
  }
  speed.most_trees = static_cast<uint32_t>(std::min<uint64_t>(speed.most_trees, all / (wiring.chip_count - 1)));
  for (const std::vector<uint32_t>& wires : wiring.at) {
    uint32_t there = 0;
    for (const uint32_t wire : wires) {
      there += speed.rooms[wire];
    }
    speed.most_trees = std::min(speed.most_trees, there);
  }
  return speed;
}

// That fill some wire with whole trees. The fastest altogether first, of equally fast the fewest trees.
std::vector<Speed> speeds_of(const Wiring& wiring) {
  constexpr size_t kMostSpeeds = 16;
  std::set<uint64_t> tried;
  std::vector<Speed> speeds;
  for (const Wire& wire : wiring.wires) {
    for (uint32_t trees = 1; trees <= kMostTreesOfALink; ++trees) {
      if (tried.size() < kMostSpeeds && wire.bytes_per_s >= trees && tried.insert(wire.bytes_per_s / trees).second) {
        speeds.push_back(speed_of(wiring, wire.bytes_per_s / trees));
      }
    }
  }
  std::ranges::stable_sort(speeds, [](const Speed& left, const Speed& right) {
    return left.most_bytes_per_s() != right.most_bytes_per_s() ? left.most_bytes_per_s() > right.most_bytes_per_s() : left.most_trees < right.most_trees;
  });
  return speeds;
}

}  // namespace

std::optional<SpanningTrees> pack_spanning(const Network& network, Work& work) {
  const Wiring wiring = wiring_of(network);
  if (std::ranges::max(distances_from(wiring, 0)) == kNobody) {
    return std::nullopt;
  }
  SpanningTrees best;
  for (const Speed& speed : speeds_of(wiring)) {
    const uint64_t least = best.bytes_per_s * best.trees.size() * (1'000 + kLeastGainOfTreesPerMille) / 1'000;
    for (uint32_t count = speed.most_trees; count != 0 && speed.bytes_per_s * count > least && !work.is_spent(); --count) {
      Spanning spanning(wiring, speed.rooms, count, work);
      if (spanning.run()) {
        best = {.bytes_per_s = speed.bytes_per_s, .trees_of_a_link = spanning.trees_of_a_wire(), .trees = spanning.trees()};
        break;
      }
    }
  }
  return best.trees.empty() ? std::nullopt : std::optional(std::move(best));
}

}  // namespace tutti::algorithms::forest
