// SPDX-License-Identifier: Apache-2.0
#include "algorithms/forest/packing.hpp"

#include <algorithm>
#include <cassert>
#include <numeric>
#include <utility>

namespace tutti::algorithms::forest {
namespace {

__extension__ using Wide = unsigned __int128;

// For how many trees there is room on each link, `most` at most, if as many as `count` times a root's weight share the rate less the slack.
Network rooms_for(uint64_t count, const Network& network, const Rate& rate, uint32_t slack_per_mille, uint64_t most) {
  Network rooms = network;
  for (uint64_t& capacity : rooms.capacities) {
    const Wide room = Wide{capacity} * rate.weight * count * (1'000 + slack_per_mille) / (Wide{rate.capacity} * 1'000);
    capacity = static_cast<uint64_t>(std::min<Wide>(room, most));
  }
  return rooms;
}

// Takes out the nodes that only pass on: room on the way into one and on the way out of it becomes room past it, as far as all roots still reach all
// chips. What is left beside a node when nothing more can be moved nobody needs.
//
// Room goes first to pairs of nodes whose numbers are 1 apart, then 2, and so on, which leaves it in few and wide links, all alike where nodes are. The trees
// of one root are shallower if each node first gets an equal part of the room that its neighbour has.
class Bypass {
 public:
  Bypass(Network network, const Weights& weights, uint64_t count, Work& work)
      : network_(std::move(network)), weights_(weights), count_(count), work_(work), has_one_root_(std::ranges::count(weights, 0u) + 1 == std::ssize(weights)) {}

  std::optional<Network> run() {
    for (uint32_t node = network_.chip_count; node < network_.node_count && !work_.is_spent(); ++node) {
      if (has_one_root_) {
        move_past(node, Share::equal);
      }
      move_past(node, Share::all);
      for (uint32_t other = 0; other < network_.node_count; ++other) {
        network_.at(node, other) = network_.at(other, node) = 0;
      }
    }
    if (deficit(network_, weights_, count_, work_) != 0 || work_.is_spent()) {
      return std::nullopt;
    }
    Network chips(network_.chip_count, network_.chip_count);
    for (uint32_t source = 0; source < chips.node_count; ++source) {
      for (uint32_t target = 0; target < chips.node_count; ++target) {
        chips.at(source, target) = network_.at(source, target);
      }
    }
    return chips;
  }

 private:
  enum class Share : uint8_t { equal, all };

  void move_past(uint32_t node, Share share) {
    uint64_t neighbours = 0;
    for (uint32_t other = 0; other < network_.node_count; ++other) {
      neighbours += network_.at(other, node) != 0 ? 1 : 0;
    }
    for (uint32_t ahead = 1; ahead < network_.node_count; ++ahead) {
      for (uint32_t source = 0; source < network_.node_count; ++source) {
        const uint32_t target = (source + ahead) % network_.node_count;
        const uint64_t room = std::min(network_.at(source, node), network_.at(node, target));
        if (room != 0 && may_pass(source, node, target)) {
          move(source, node, target, share == Share::all ? room : std::min(room, std::max<uint64_t>(1, network_.at(node, target) / neighbours)));
        }
      }
    }
  }

  bool may_pass(uint32_t source, uint32_t node, uint32_t target) const {
    return source >= network_.chip_count || target >= network_.chip_count || network_.may_pass(source, node, target);
  }

  // A set of nodes that loses room by this loses all that is moved, so that what is missing then is what was too much.
  void move(uint32_t source, uint32_t node, uint32_t target, uint64_t room) {
    network_.at(source, node) -= room;
    network_.at(node, target) -= room;
    network_.at(source, target) += room;
    const uint64_t missing = std::min(deficit(network_, weights_, count_, work_), room);
    network_.at(source, node) += missing;
    network_.at(node, target) += missing;
    network_.at(source, target) -= missing;
  }

  Network network_;
  const Weights& weights_;
  uint64_t count_;
  Work& work_;
  bool has_one_root_;
};

// Grows trees link by link, as many alike as can be, so that the room that is left always suffices for the rest.
class Growth {
 public:
  Growth(Network network, const Weights& weights, uint64_t count, Work& work) : network_(std::move(network)), work_(work) {
    for (uint32_t chip = 0; chip < network_.chip_count; ++chip) {
      if (weights[chip] != 0) {
        growing_.push_back({.root = chip,
                            .count = weights[chip] * count,
                            .parents = std::vector<uint32_t>(network_.chip_count, kNobody),
                            .depths = std::vector<uint32_t>(network_.chip_count, kNobody)});
        growing_.back().depths[chip] = 0;
      }
    }
  }

  // False: the work is spent.
  bool run(std::vector<Tree>* trees) {
    for (size_t at = 0; at < growing_.size(); ++at) {  // it grows
      while (!spans(growing_[at])) {
        if (!grow(at)) {
          return false;
        }
      }
    }
    *trees = std::move(growing_);
    std::stable_sort(trees->begin(), trees->end(), [](const Tree& left, const Tree& right) { return left.root < right.root; });
    return !work_.is_spent();
  }

 private:
  bool spans(const Tree& tree) const { return std::ranges::find(tree.depths, kNobody) == tree.depths.end(); }

  // By a link that leads away from a chip as near to the root as can be, of those the one with most room.
  bool grow(size_t index) {
    struct Link {
      uint32_t depth;
      uint64_t room;
      uint32_t source;
      uint32_t target;
    };
    std::vector<Link> links;
    for (uint32_t source = 0; source < network_.chip_count; ++source) {
      for (uint32_t target = 0; target < network_.chip_count; ++target) {
        const Tree& tree = growing_[index];
        if (tree.depths[source] != kNobody && tree.depths[target] == kNobody && network_.at(source, target) != 0) {
          links.push_back({tree.depths[source], network_.at(source, target), source, target});
        }
      }
    }
    std::stable_sort(links.begin(), links.end(), [](const Link& left, const Link& right) {
      return left.depth != right.depth ? left.depth < right.depth : left.room > right.room;
    });
    for (const Link& link : links) {
      if (const uint64_t count = count_over(index, link.source, link.target)) {
        add(index, link.source, link.target, count);
        return !work_.is_spent();
      }
      if (work_.is_spent()) {
        return false;
      }
    }
    return false;
  }

  void add(size_t index, uint32_t source, uint32_t target, uint64_t count) {
    if (count < growing_[index].count) {
      Tree rest = growing_[index];
      rest.count -= count;
      growing_[index].count = count;
      growing_.push_back(std::move(rest));
    }
    Tree& tree = growing_[index];
    tree.parents[target] = source;
    tree.depths[target] = tree.depths[source] + 1;
    network_.at(source, target) -= count;
  }

  // How many of the trees may take the link: what flows to its target from its source, or there from the other trees, beyond what these need.
  uint64_t count_over(size_t index, uint32_t source, uint32_t target) {
    const uint64_t most = std::min(growing_[index].count, network_.at(source, target));
    MaxFlow flow(network_.chip_count + static_cast<uint32_t>(growing_.size()));
    for (uint32_t from = 0; from < network_.chip_count; ++from) {
      for (uint32_t to = 0; to < network_.chip_count; ++to) {
        flow.add(from, to, network_.at(from, to));
      }
    }
    uint64_t others = 0;
    for (size_t other = index + 1; other < growing_.size(); ++other) {  // those before it are done
      const Tree& tree = growing_[other];
      const auto node = network_.chip_count + static_cast<uint32_t>(other);
      others += tree.count;
      flow.add(source, node, tree.count);
      for (uint32_t chip = 0; chip < network_.chip_count; ++chip) {
        flow.add(node, chip, tree.depths[chip] == kNobody ? 0 : tree.count);
      }
    }
    const uint64_t flows = flow.run(source, target, others + most, work_);
    return flows <= others ? 0 : std::min(most, flows - others);
  }

  Network network_;
  Work& work_;
  std::vector<Tree> growing_;  // by now; those that a part of the trees leaves come last
};

}  // namespace

std::optional<Packing> pack(const Network& network, const Weights& weights, const Effort& effort, Work& work) {
  const Rate rate = best_rate(network, weights, work);
  if (rate.capacity == 0) {
    return std::nullopt;
  }
  const uint64_t all = std::accumulate(weights.begin(), weights.end(), uint64_t{0});
  for (const uint32_t slack_per_mille : effort.slacks_per_mille) {
    for (uint64_t count = 1; count <= effort.most_trees; ++count) {
      Network rooms = rooms_for(count, network, rate, slack_per_mille, all * count);
      if (deficit(rooms, weights, count, work) != 0 || work.is_spent()) {
        continue;
      }
      const std::optional<Network> chips = Bypass(std::move(rooms), weights, count, work).run();
      Packing packing{.best = rate, .slack_per_mille = slack_per_mille, .trees_per_weight = count, .rooms = {}, .trees = {}};
      if (!chips || !Growth(*chips, weights, count, work).run(&packing.trees)) {
        continue;  // only by ways that messages do not take
      }
      packing.rooms = chips->capacities;
      return packing;
    }
  }
  return std::nullopt;
}

}  // namespace tutti::algorithms::forest
