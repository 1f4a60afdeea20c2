// SPDX-License-Identifier: Apache-2.0
#include "topology/link_circles.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <tuple>
#include <utility>

#include "base/hash.hpp"

namespace tutti::topology {
namespace {

using Circle = std::vector<uint32_t>;
using Circles = std::vector<Circle>;

constexpr uint32_t kFewestSearchedRanks = 3;
constexpr uint32_t kMostSearchedRanks = 16;
constexpr size_t kMostFoundCircles = 16;
constexpr uint64_t kMostOnALink = 4;
// Orders in which the search tries the ways on from a rank, and how many ranks it comes to for one circle before it gives up.
constexpr uint32_t kAttempts = 64;
constexpr uint32_t kMostVisits = 2048;

// By two ranks: what one is to the other.
class Table {
 public:
  explicit Table(uint32_t rank_count) : rank_count_(rank_count), values_(size_t{rank_count} * rank_count) {}

  uint32_t rank_count() const { return rank_count_; }
  uint64_t& at(uint32_t source, uint32_t target) { return values_[size_t{source} * rank_count_ + target]; }
  uint64_t at(uint32_t source, uint32_t target) const { return values_[size_t{source} * rank_count_ + target]; }
  const std::vector<uint64_t>& values() const { return values_; }

 private:
  uint32_t rank_count_;
  std::vector<uint64_t> values_;
};

// The bandwidth of all links from a chip to another.
Table links_of(const Topology& topology) {
  const Fabric& fabric = *topology.fabric();
  Table links(topology.rank_count());
  Route route;
  for (uint32_t source = 0; source < links.rank_count(); ++source) {
    for (uint32_t target = 0; target < links.rank_count(); ++target) {
      std::set<LinkId> direct;
      const uint32_t ways = source == target || !fabric.is_adjacent(source, target) ? 0 : fabric.route_count(source, target);
      for (uint32_t way = 0; way < ways; ++way) {
        fabric.route(source, target, way, &route);
        if (route.links.size() == 1 && direct.insert(route.links.front()).second) {
          links.at(source, target) += fabric.bytes_per_s(route.links.front());
        }
      }
    }
  }
  return links;
}

// Circles that use each hop at most as often as `uses` says, one after another.
class Search {
 public:
  Search(const Table& uses, uint32_t attempt) : left_(uses), attempt_(attempt) {}

  Circles run() {
    Circles circles;
    while (circles.size() < kMostFoundCircles && find()) {
      take();
      circles.push_back(path_);
      std::reverse(path_.begin(), path_.end());
      if (circles.size() < kMostFoundCircles && is_left()) {
        take();
        circles.push_back(path_);
      }
    }
    return circles;
  }

 private:
  // A path from rank 0 that comes back to it, in `path_`.
  bool find() {
    path_ = {0};
    is_on_path_.assign(left_.rank_count(), false);
    is_on_path_[0] = true;
    visits_ = 0;
    return go_on();
  }

  bool go_on() {
    if (++visits_ > kMostVisits) {
      return false;
    }
    const uint32_t here = path_.back();
    if (path_.size() == left_.rank_count()) {
      return left_.at(here, 0) != 0;
    }
    for (const uint32_t next : ways_from(here)) {
      path_.push_back(next);
      is_on_path_[next] = true;
      if (go_on()) {
        return true;
      }
      path_.pop_back();
      is_on_path_[next] = false;
    }
    return false;
  }

  // Of even attempts those with the most uses left come first.
  std::vector<uint32_t> ways_from(uint32_t here) const {
    std::vector<uint32_t> ways;
    for (uint32_t next = 0; next < left_.rank_count(); ++next) {
      if (left_.at(here, next) != 0 && !is_on_path_[next]) {
        ways.push_back(next);
      }
    }
    const auto place_of = [&](uint32_t next) {
      const uint64_t uses = attempt_ % 2 == 0 ? kMostOnALink - left_.at(here, next) : 0;
      const uint64_t shuffled = attempt_ == 0 ? next : hash_combine(hash_combine(attempt_, here), next);
      return std::tuple(uses, shuffled, next);
    };
    std::sort(ways.begin(), ways.end(), [&](uint32_t left, uint32_t right) { return place_of(left) < place_of(right); });
    return ways;
  }

  template <typename Visit>
  void for_each_hop(Visit visit) const {
    for (size_t place = 0; place < path_.size(); ++place) {
      visit(path_[place], path_[(place + 1) % path_.size()]);
    }
  }

  bool is_left() const {
    bool all = true;
    for_each_hop([&](uint32_t source, uint32_t target) { all = all && left_.at(source, target) != 0; });
    return all;
  }

  void take() {
    for_each_hop([&](uint32_t source, uint32_t target) { --left_.at(source, target); });
  }

  Table left_;
  const uint32_t attempt_;
  Circle path_;
  std::vector<bool> is_on_path_;
  uint32_t visits_ = 0;
};

// As many circles of `bytes_per_s` as are found.
Circles circles_of_speed(const Table& links, uint64_t bytes_per_s) {
  const uint32_t rank_count = links.rank_count();
  Table uses(rank_count);
  uint64_t most = kMostFoundCircles;  // no rank has more ways in or out
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    uint64_t out = 0;
    uint64_t in = 0;
    for (uint32_t other = 0; other < rank_count; ++other) {
      uses.at(rank, other) = std::min(links.at(rank, other) / bytes_per_s, kMostOnALink);
      out += uses.at(rank, other);
      in += std::min(links.at(other, rank) / bytes_per_s, kMostOnALink);
    }
    most = std::min({most, out, in});
  }
  Circles best;
  for (uint32_t attempt = 0; attempt < kAttempts && best.size() < most; ++attempt) {
    if (Circles found = Search(uses, attempt).run(); found.size() > best.size()) {
      best = std::move(found);
    }
  }
  return best;
}

}  // namespace

std::vector<std::vector<uint32_t>> circles_over_links(const Topology& topology) {
  if (topology.fabric() == nullptr || topology.rank_count() < kFewestSearchedRanks || topology.rank_count() > kMostSearchedRanks) {
    return {};
  }
  const Table links = links_of(topology);
  std::set<uint64_t, std::greater<>> speeds(links.values().begin(), links.values().end());
  speeds.erase(0);
  Circles best;
  uint64_t best_bytes_per_s = 0;
  for (const uint64_t bytes_per_s : speeds) {
    Circles circles = circles_of_speed(links, bytes_per_s);
    if (circles.size() * bytes_per_s > best_bytes_per_s) {
      best_bytes_per_s = circles.size() * bytes_per_s;
      best = std::move(circles);
    }
  }
  return best;
}

}  // namespace tutti::topology
