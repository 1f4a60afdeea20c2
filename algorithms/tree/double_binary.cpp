// SPDX-License-Identifier: Apache-2.0
// Broadcast and reduce cost nb + O(log p) a, allreduce 2nb + O(log p) a, when sliced finely: an inner node of a binary
// tree sends twice what it receives, so of two trees with different inner nodes each carries half (Sanders, Speck and
// Traeff, "Two-tree algorithms for full bandwidth broadcast, reduction and scan", Parallel Computing 2009).
#include "algorithms/tree/double_binary.hpp"

#include <bit>
#include <optional>
#include <utility>
#include <vector>

#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::tree {
namespace {

using namespace schedule;

// The binary tree over positions 0 .. size-1 whose order is that of the positions: odd positions are leaves, position 0
// is the root and has one child. A node with lowest bit b has its children at distance b/2; on the right, where
// positions end, at the next smaller one that exists.
struct OrderedTree {
  uint32_t size;

  uint32_t parent(uint32_t position) const {
    const uint32_t bit = lowest_bit(position);
    const uint32_t above = (position ^ bit) | (bit << 1);
    return above < size ? above : position ^ bit;
  }
  std::vector<uint32_t> children(uint32_t position) const {
    if (position == 0) {
      return {std::bit_ceil(size) / 2};
    }
    const uint32_t half = lowest_bit(position) / 2;
    if (half == 0) {
      return {};
    }
    std::vector<uint32_t> found = {position - half};
    for (uint32_t distance = half; distance > 0; distance /= 2) {
      if (position + distance < size) {
        found.push_back(position + distance);
        break;
      }
    }
    return found;
  }
};

// Which rank stands at which position of tree 0 or 1. In tree 1 odd and even are exchanged, by reversing the order
// where that does it, else by moving everybody on by one.
class Placement {
 public:
  // With a root, both trees have it as theirs. Without, they have different ones.
  Placement(const Problem& problem, uint32_t tree)
      : circle_{problem.rank_count}, rooted_(is_rooted(problem.collective)), root_(rooted_ ? problem.root : 0), tree_(tree) {}

  uint32_t position_of(uint32_t rank) const {
    const uint32_t ahead = circle_.distance(root_, rank);
    if (tree_ == 0 || (rooted_ && ahead == 0)) {
      return ahead;
    }
    return reverses() ? reversed(ahead) : first() + moved().behind(ahead - first(), 1);
  }
  uint32_t rank_at(uint32_t position) const {
    if (tree_ == 0 || (rooted_ && position == 0)) {
      return circle_.ahead(root_, position);
    }
    return circle_.ahead(root_, reverses() ? reversed(position) : first() + moved().ahead(position - first(), 1));
  }

 private:
  uint32_t first() const { return rooted_ ? 1 : 0; }  // of the positions that are exchanged
  Circle moved() const { return {circle_.size - first()}; }
  bool reverses() const { return moved().size % 2 == 0; }
  uint32_t reversed(uint32_t position) const { return circle_.size - 1 + first() - position; }

  Circle circle_;
  bool rooted_;
  uint32_t root_;
  uint32_t tree_;
};

// One rank's part in one tree, which carries the chunk and uses the channel of the same number. Each neighbour has
// lanes of its own, so that slices flow through all of them at once.
class Node {
 public:
  Node(Builder& builder, const Problem& problem, uint32_t rank, uint32_t tree) : builder_(builder), rank_(rank), tree_(tree) {
    const OrderedTree shape{problem.rank_count};
    const Placement placement(problem, tree);
    const uint32_t position = placement.position_of(rank);
    if (position != 0) {
      parent_ = placement.rank_at(shape.parent(position));
    }
    for (const uint32_t child : shape.children(position)) {
      children_.push_back(placement.rank_at(child));
    }
  }

  bool is_root() const { return !parent_; }
  bool is_leaf() const { return children_.empty(); }

  // The vector's half at this node and who put it there.
  struct Value {
    Span place;
    std::vector<WaitFor> written;
  };

  // Adds the children's vectors to the input, in `place`, which a leaf does not need.
  Value reduce_children(Span place) {
    Value value{.place = input(tree_), .written = {}};
    for (const uint32_t child : children_) {
      const bool completes = is_root() && child == children_.back();
      const StepId reduced = builder_.receive_reduce(builder_.add_lane(tree_), child, {tree_},
                                                     {.source = value.place, .target = place},
                                                     {.operands = operands_of(rank_, child),
                                                      .final = completes ? Final::yes : Final::no,
                                                      .waits = value.written});
      value = {.place = place, .written = {{reduced, WaitMode::streaming}}};
    }
    return value;
  }

  void send_to_parent(const Value& value) {
    builder_.send(builder_.add_lane(tree_), *parent_, {tree_}, value.place, {.waits = value.written});
  }

  Value receive_from_parent() {
    const StepId received = builder_.receive(builder_.add_lane(tree_), *parent_, {tree_}, output(tree_));
    return {.place = output(tree_), .written = {{received, WaitMode::streaming}}};
  }

  void send_to_children(const Value& value) {
    for (const uint32_t child : children_) {
      builder_.send(builder_.add_lane(tree_), child, {tree_}, value.place, {.waits = value.written});
    }
  }

 private:
  Builder& builder_;
  uint32_t rank_;
  uint32_t tree_;
  std::optional<uint32_t> parent_;
  std::vector<uint32_t> children_;
};

// What comes down replaces in the output what has gone up; it comes because that has gone up, so nothing waits for that.
void all_reduce(Node node, uint32_t tree) {
  Node::Value value = node.reduce_children(output(tree));
  if (!node.is_root()) {
    node.send_to_parent(value);
    value = node.receive_from_parent();
  }
  node.send_to_children(value);
}

void reduce(Builder& builder, Node node, uint32_t tree) {
  if (node.is_root()) {
    node.reduce_children(output(tree));
  } else {
    node.send_to_parent(node.reduce_children(node.is_leaf() ? Span{} : scratch(builder.add_scratch(1))));
  }
}

void broadcast(Builder& builder, const Problem& problem, Node node, uint32_t tree) {
  if (!node.is_root()) {
    node.send_to_children(node.receive_from_parent());
    return;
  }
  node.send_to_children({.place = input(tree), .written = {}});
  if (problem.in_place == InPlace::no) {
    builder.copy(builder.add_lane(tree), {tree}, {.source = input(tree), .target = output(tree)});
  }
}

// From a root to one other rank both trees are the same link.
uint32_t tree_count(const Problem& problem) { return problem.rank_count == 2 && is_rooted(problem.collective) ? 1 : 2; }

}  // namespace

bool double_binary_solves(const Problem& problem) {
  return problem.blocks == Blocks::equal &&
         (problem.collective == Collective::all_reduce || problem.collective == Collective::broadcast ||
          problem.collective == Collective::reduce);
}

Schedule double_binary(const Problem& problem, uint32_t rank) {
  Builder builder({.rank = rank, .chunk_count = tree_count(problem), .parts = 1});
  for (uint32_t tree = 0; tree < tree_count(problem); ++tree) {
    const Node node(builder, problem, rank, tree);
    switch (problem.collective) {
      case Collective::reduce:
        reduce(builder, node, tree);
        break;
      case Collective::broadcast:
        broadcast(builder, problem, node, tree);
        break;
      default:
        all_reduce(node, tree);
        break;
    }
  }
  return std::move(builder).build();
}

}  // namespace tutti::algorithms::tree
