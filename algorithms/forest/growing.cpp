// SPDX-License-Identifier: Apache-2.0
// J. Edmonds, "Matroid partition", 1968: forests grow by one wire at a time, each passing a wire on to the next where a cycle would close.
#include <set>
#include <utility>
#include <vector>

#include "algorithms/forest/forests.hpp"

namespace tutti::algorithms::forest {
namespace {

// Trees take wires in turn, as near to their roots as can be, of those the one with most room left.
void sprout(Forests& forests) {
  const std::vector<Wire>& wires = forests.wiring().wires;
  for (bool grows = true; grows;) {
    grows = false;
    for (uint32_t tree = 0; tree < forests.count(); ++tree) {
      const Forest& forest = forests[tree];
      uint32_t best = kNoWire;
      std::pair<uint32_t, uint32_t> best_is{};
      for (uint32_t wire = 0; wire < wires.size(); ++wire) {
        const bool reaches_a = forest.tops[wires[wire].a] == forest.root;
        if (!forests.has_room(wire) || reaches_a == (forest.tops[wires[wire].b] == forest.root)) {
          continue;
        }
        const std::pair is{forest.depths[reaches_a ? wires[wire].a : wires[wire].b], kMostTreesOfALink - forests.room_left(wire)};
        if (best == kNoWire || is < best_is) {
          best = wire;
          best_is = is;
        }
      }
      if (best != kNoWire) {
        forests.add(tree, best);
        forests.rebuild(tree);
        grows = true;
      }
    }
  }
}

// Finds the shortest chain of exchanges: a free wire comes in where another goes, which comes in elsewhere, until one closes no cycle.
class Chain {
 public:
  explicit Chain(Forests& forests) : forests_(forests), before_(forests.wiring().wires.size() * (forests.count() + 1), SIZE_MAX) {}

  // False: there is none, or the work is spent.
  bool run() {
    const std::vector<Wire>& wires = forests_.wiring().wires;
    for (uint32_t wire = 0; wire < wires.size(); ++wire) {
      if (forests_.has_room(wire)) {
        before_[index_of({wire, forests_.count()})] = queue_.size();
        queue_.push_back({wire, forests_.count()});
      }
    }
    for (size_t next = 0; next < queue_.size() && !forests_.work().is_spent(); ++next) {
      for (uint32_t tree = 0; tree < forests_.count(); ++tree) {
        if (tree != queue_[next].tree && !forests_[tree].has[queue_[next].wire] && try_in(next, tree)) {
          return true;
        }
      }
    }
    return false;
  }

 private:
  // A wire of a tree, or one that has room: then the tree is the last.
  struct Place {
    uint32_t wire = 0;
    uint32_t tree = 0;
  };
  size_t index_of(const Place& place) const { return size_t{place.wire} * (forests_.count() + 1) + place.tree; }

  // Puts the wire of that place into the tree, or the wires that it closes a cycle with into the queue.
  bool try_in(size_t next, uint32_t tree) {
    const Forest& forest = forests_[tree];
    auto [a, b, room] = forests_.wiring().wires[queue_[next].wire];
    if (forest.tops[a] != forest.tops[b]) {
      carry_out(next, tree);
      return true;
    }
    for (; a != b; forests_.work().spend(1)) {
      uint32_t& deeper = forest.depths[a] >= forest.depths[b] ? a : b;
      const Place there{forest.upwards[deeper], tree};
      if (size_t& known = before_[index_of(there)]; known == SIZE_MAX) {
        known = next;
        queue_.push_back(there);
      }
      deeper = forest.parents[deeper];
    }
    return false;
  }

  void carry_out(size_t last, uint32_t into) {
    std::set<uint32_t> changed;
    for (size_t at = last; into != forests_.count(); at = before_[index_of(queue_[at])]) {
      const Place& place = queue_[at];
      if (place.tree != forests_.count()) {
        forests_.take(place.tree, place.wire);
      }
      forests_.add(into, place.wire);
      changed.insert(into);
      into = place.tree;
    }
    for (const uint32_t tree : changed) {
      forests_.rebuild(tree);
    }
  }

  Forests& forests_;
  std::vector<Place> queue_;
  std::vector<size_t> before_;  // into the queue; of a free wire itself
};

}  // namespace

bool grow(Forests& forests) {
  sprout(forests);
  for (uint32_t missing = forests.missing_wires(); missing != 0; --missing) {
    if (!Chain(forests).run() || forests.work().is_spent()) {
      return false;
    }
  }
  return true;
}

}  // namespace tutti::algorithms::forest
