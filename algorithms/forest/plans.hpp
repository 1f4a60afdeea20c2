// SPDX-License-Identifier: Apache-2.0
// What has been planned for machines: whoever plans asks for the schedules of all ranks of one machine, one after another, of parts of it that are alike,
// and simulations for many collectives.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "algorithms/forest/network.hpp"
#include "topology/topology.hpp"

namespace tutti::algorithms::forest {

// Trees from one chip, or from all of them.
using Root = std::optional<uint32_t>;

// Of the last that were asked for. Not thread-safe.
template <typename Plan>
class Plans {
 public:
  // Nothing: there is none.
  using Make = std::optional<Plan> (*)(const std::optional<Network>& network, Root root);

  explicit Plans(Make make) : make_(make) {}

  // Valid until the next call.
  const std::optional<Plan>& of(const topology::Topology& topology, Root root) {
    const auto same = std::ranges::find_if(known_, [&](const Known& each) {
      return each.rank_count == topology.rank_count() && each.root == root && each.fabric.lock() == topology.fabric();
    });
    if (same != known_.end()) {
      return *same->plan;
    }
    std::optional<Network> network = network_of(topology);
    const auto alike = std::ranges::find_if(known_, [&](const Known& each) { return each.root == root && each.network == network; });
    std::shared_ptr<const std::optional<Plan>> plan =
        alike != known_.end() ? alike->plan : std::make_shared<const std::optional<Plan>>(make_(network, root));
    if (known_.size() == kMostKnown) {
      known_.erase(known_.begin());
    }
    known_.push_back({topology.fabric(), topology.rank_count(), root, std::move(network), std::move(plan)});
    return *known_.back().plan;
  }

 private:
  static constexpr size_t kMostKnown = 32;

  struct Known {
    std::weak_ptr<const topology::Fabric> fabric;
    uint32_t rank_count;
    Root root;
    std::optional<Network> network;
    std::shared_ptr<const std::optional<Plan>> plan;
  };

  Make make_;
  std::vector<Known> known_;
};

}  // namespace tutti::algorithms::forest
