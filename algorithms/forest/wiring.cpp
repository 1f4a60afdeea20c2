// SPDX-License-Identifier: Apache-2.0
#include "algorithms/forest/wiring.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

namespace tutti::algorithms::forest {
namespace {

constexpr uint32_t kNoWay = UINT32_MAX;
constexpr size_t kMostSpeeds = 24;

// Chips that a switch joins, each to it with the same speed.
struct Crossbar {
  std::vector<uint32_t> chips;
  std::vector<size_t> distances;  // in the circle of chips: at which all may send to each other this way, to half-way round
  uint64_t bytes_per_s = 0;

  bool is_opposite(size_t distance) const { return 2 * distance == chips.size(); }
};

// What wires can be made of.
struct Parts {
  struct Pair {
    uint32_t a = 0;
    uint32_t b = 0;
    uint64_t bytes_per_s = 0;
  };
  std::vector<Pair> pairs;  // that a link joins
  std::vector<Crossbar> crossbars;
};

uint64_t slower_of(const Network& network, uint32_t a, uint32_t b) { return std::min(network.at(a, b), network.at(b, a)); }

bool may_send_at(const Network& network, uint32_t node, const std::vector<uint32_t>& chips, size_t distance) {
  for (size_t place = 0; place < chips.size(); ++place) {
    const uint32_t other = chips[(place + distance) % chips.size()];
    if (!network.may_pass(chips[place], node, other) || !network.may_pass(other, node, chips[place])) {
      return false;
    }
  }
  return true;
}

// Nothing: it joins switches.
std::optional<Crossbar> crossbar_of(const Network& network, uint32_t node) {
  Crossbar crossbar;
  for (uint32_t other = 0; other < network.node_count; ++other) {
    if (network.at(node, other) == 0 && network.at(other, node) == 0) {
      continue;
    }
    if (other >= network.chip_count) {
      return std::nullopt;
    }
    const uint64_t bytes_per_s = slower_of(network, node, other);
    crossbar.bytes_per_s = crossbar.chips.empty() ? bytes_per_s : std::min(crossbar.bytes_per_s, bytes_per_s);
    crossbar.chips.push_back(other);
  }
  for (size_t distance = 1; distance <= crossbar.chips.size() / 2; ++distance) {
    if (may_send_at(network, node, crossbar.chips, distance)) {
      crossbar.distances.push_back(distance);
    }
  }
  return crossbar;
}

std::optional<Parts> parts_of(const Network& network) {
  Parts parts;
  for (uint32_t a = 0; a < network.chip_count; ++a) {
    for (uint32_t b = a + 1; b < network.chip_count; ++b) {
      if (const uint64_t bytes_per_s = slower_of(network, a, b); bytes_per_s != 0) {
        parts.pairs.push_back({a, b, bytes_per_s});
      }
    }
  }
  for (uint32_t node = network.chip_count; node < network.node_count; ++node) {
    std::optional<Crossbar> crossbar = crossbar_of(network, node);
    if (!crossbar) {
      return std::nullopt;
    }
    parts.crossbars.push_back(std::move(*crossbar));
  }
  return parts;
}

using Rooms = std::map<std::pair<uint32_t, uint32_t>, uint64_t>;

void add_at(const Crossbar& crossbar, size_t distance, uint64_t room, Rooms& rooms) {
  const size_t count = crossbar.chips.size();
  for (size_t place = 0; place < (crossbar.is_opposite(distance) ? distance : count); ++place) {
    const auto [a, b] = std::minmax(crossbar.chips[place], crossbar.chips[(place + distance) % count]);
    rooms[{a, b}] += room;
  }
}

// Each chip gets `ends` of wires: one to each of the others as often as may be, and the rest at distances that are spread over the circle.
void add_circle(const Crossbar& crossbar, uint64_t ends, Rooms& rooms) {
  if (crossbar.distances.empty()) {
    return;
  }
  const bool has_opposite = crossbar.is_opposite(crossbar.distances.back());
  const size_t in_pairs = crossbar.distances.size() - (has_opposite ? 1 : 0);  // distances at which each chip has two others
  const uint64_t round = 2 * in_pairs + (has_opposite ? 1 : 0);
  for (const size_t distance : crossbar.distances) {
    add_at(crossbar, distance, ends / round, rooms);
  }
  const uint64_t rest = ends % round;
  for (uint64_t pair = 0; pair < rest / 2; ++pair) {
    add_at(crossbar, crossbar.distances[pair * in_pairs / (rest / 2)], 1, rooms);
  }
  if (rest % 2 == 1 && has_opposite) {
    add_at(crossbar, crossbar.distances.back(), 1, rooms);
  }
}

Wiring wiring_of(const Parts& parts, uint32_t chip_count, uint64_t bytes_per_s) {
  Rooms rooms;
  for (const Parts::Pair& pair : parts.pairs) {
    rooms[{pair.a, pair.b}] += pair.bytes_per_s / bytes_per_s;
  }
  for (const Crossbar& crossbar : parts.crossbars) {
    add_circle(crossbar, crossbar.bytes_per_s / bytes_per_s, rooms);
  }
  Wiring wiring{.bytes_per_s = bytes_per_s, .chip_count = chip_count, .most_trees = 0, .wires = {}, .at = std::vector<std::vector<uint32_t>>(chip_count)};
  uint64_t all = 0;
  std::vector<uint64_t> around(chip_count, 0);
  for (const auto& [pair, room] : rooms) {
    if (room == 0) {
      continue;  // the link is slower than a tree
    }
    const Wire wire{pair.first, pair.second, static_cast<uint32_t>(std::min<uint64_t>(room, kMostTreesOfALink))};
    for (const uint32_t chip : {wire.a, wire.b}) {
      wiring.at[chip].push_back(static_cast<uint32_t>(wiring.wires.size()));
      around[chip] += wire.room;
    }
    all += wire.room;
    wiring.wires.push_back(wire);
  }
  wiring.most_trees = static_cast<uint32_t>(std::min({uint64_t{kMostSpanningTrees}, all / (chip_count - 1), std::ranges::min(around)}));
  return wiring;
}

}  // namespace

std::vector<Wiring> wirings_of(const Network& network) {
  const std::optional<Parts> parts = parts_of(network);
  if (!parts) {
    return {};
  }
  std::set<uint64_t> links;
  for (const Parts::Pair& pair : parts->pairs) {
    links.insert(pair.bytes_per_s);
  }
  for (const Crossbar& crossbar : parts->crossbars) {
    links.insert(crossbar.bytes_per_s);
  }
  std::set<uint64_t> speeds;
  for (const uint64_t link : links) {
    for (uint32_t trees = 1; trees <= kMostTreesOfALink && link >= trees && speeds.size() < kMostSpeeds; ++trees) {
      speeds.insert(link / trees);
    }
  }
  std::vector<Wiring> wirings;
  for (const uint64_t speed : speeds) {
    wirings.push_back(wiring_of(*parts, network.chip_count, speed));
  }
  std::ranges::stable_sort(wirings, [](const Wiring& left, const Wiring& right) {
    return left.most_bytes_per_s() != right.most_bytes_per_s() ? left.most_bytes_per_s() > right.most_bytes_per_s() : left.most_trees < right.most_trees;
  });
  return wirings;
}

std::vector<uint32_t> distances_from(const Wiring& wiring, uint32_t from) {
  std::vector<uint32_t> distances(wiring.chip_count, kNoWay);
  std::vector<uint32_t> queue = {from};
  distances[from] = 0;
  for (size_t next = 0; next < queue.size(); ++next) {
    for (const uint32_t wire : wiring.at[queue[next]]) {
      const uint32_t chip = wiring.wires[wire].other(queue[next]);
      if (distances[chip] == kNoWay) {
        distances[chip] = distances[queue[next]] + 1;
        queue.push_back(chip);
      }
    }
  }
  return distances;
}

}  // namespace tutti::algorithms::forest
