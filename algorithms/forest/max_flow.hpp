// SPDX-License-Identifier: Apache-2.0
// How much flows from one node of a network to another.
#pragma once

#include <cstdint>
#include <vector>

namespace tutti::algorithms::forest {

// What is left of the work that a plan may take. Counted, not timed: all ranks give up alike.
struct Work {
  uint64_t left = 0;

  bool is_spent() const { return left == 0; }
  void spend(uint64_t amount) { left -= left < amount ? left : amount; }
};

// Y. Dinitz, "Algorithm for solution of a problem of maximum flow in networks with power estimation", Soviet Math. Doklady 1970.
class MaxFlow {
 public:
  explicit MaxFlow(uint32_t node_count) : nodes_(node_count) {}

  void add(uint32_t source, uint32_t target, uint64_t capacity);
  // At most `enough`. Once.
  uint64_t run(uint32_t source, uint32_t target, uint64_t enough, Work& work);
  // After a run that did not come to `enough`: the side of the source of a cut that is full.
  bool is_reached(uint32_t node) const { return nodes_[node].level != kFar; }

 private:
  static constexpr uint32_t kFar = UINT32_MAX;

  struct Arc {
    uint32_t target = 0;
    uint32_t reverse = 0;  // among the target's
    uint64_t left = 0;
  };
  struct Node {
    std::vector<Arc> arcs;
    uint32_t level = kFar;
    uint32_t next = 0;  // arcs before it lead nowhere
  };

  bool find_levels(uint32_t source, uint32_t target, Work& work);
  uint64_t push(uint32_t from, uint32_t target, uint64_t most, Work& work);

  std::vector<Node> nodes_;
};

}  // namespace tutti::algorithms::forest
