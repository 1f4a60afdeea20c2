// SPDX-License-Identifier: Apache-2.0
// Ring, torus and mesh: endpoints at the points of a grid, joined to their neighbours along each axis.
//
// A way is a displacement, walked axis by axis. Where axes wrap, several displacements lead to the same endpoint; those with the fewest hops are the
// ways to choose from.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdlib>
#include <numeric>
#include <span>

#include "topology/network.hpp"

namespace tutti::topology {
namespace {

constexpr size_t kMostLatticeAxes = 8;
constexpr uint32_t kMostTabled = 16'384;  // points of a twisted torus
using Vector = std::array<int64_t, kMostLatticeAxes>;  // of which the first axis_count() are used

// Links by axis: from a point to the next along the axis, and back, then the next point. Then the bypass: to the adapters, back, from the adapters
// to the switch, back. Points are numbered with the first axis running fastest.
class LatticeNetwork : public Network {
 public:
  explicit LatticeNetwork(Lattice lattice)
      : Network(std::accumulate(lattice.dims.begin(), lattice.dims.end(), uint32_t{1}, std::multiplies<>())), lattice_(std::move(lattice)) {
    assert(axis_count() <= kMostLatticeAxes);
    for (size_t axis = 0; axis < axis_count(); ++axis) {
      if (lattice_.dims[axis] <= 2) {
        lattice_.wraps[axis] = false;  // the two are neighbours as it is
      }
      bases_.push_back(link_count_);
      link_count_ += uint64_t{2} * (endpoint_count() / lattice_.dims[axis]) * steps(axis);
    }
    bases_.push_back(link_count_);
    if (lattice_.is_twisted && endpoint_count() <= kMostTabled) {
      fill_twisted_ways();
    }
    if (lattice_.bypass) {
      adapter_count_ = 1;
      for (size_t axis = 0; axis < axis_count(); ++axis) {
        adapter_count_ *= blocks(axis);
      }
      link_count_ += uint64_t{2} * (endpoint_count() + adapter_count_);
    }
  }

  uint64_t link_count() const override { return link_count_; }
  uint64_t switch_count() const override { return adapter_count_ == 0 ? 0 : adapter_count_ + 1; }

  uint64_t bytes_per_s(uint32_t link) const override {
    const size_t axis = axis_of(link);
    if (axis == axis_count()) {
      return link - bases_[axis] < uint64_t{2} * endpoint_count() ? lattice_.bytes_per_s.front() : lattice_.bypass->bytes_per_s;
    }
    if (!lattice_.block.empty() && lattice_.seam_bytes_per_s != 0) {
      const Vector source = start_of(axis, link);
      if (source[axis] % lattice_.block[axis] == lattice_.block[axis] - 1) {
        return lattice_.seam_bytes_per_s;
      }
    }
    return lattice_.bytes_per_s[axis];
  }

  LinkEnds ends(uint32_t link) const override {
    const size_t axis = axis_of(link);
    if (axis == axis_count()) {
      return ends_of_bypass(static_cast<uint32_t>(link - bases_[axis]));
    }
    Vector point = start_of(axis, link);
    const uint32_t first = number(point);
    move(point, axis, 1);
    const uint32_t second = number(point);
    return (link - bases_[axis]) % 2 == 0 ? LinkEnds{.source = first, .target = second} : LinkEnds{.source = second, .target = first};
  }

  std::string node_name(NodeId node) const override {
    if (node >= endpoint_count()) {
      return node == endpoint_count() + adapter_count_ ? "plane" : fmt::format("adapter {}", node - endpoint_count());
    }
    const Vector at = point(node);
    return fmt::format("({})", fmt::join(at.begin(), at.begin() + static_cast<ptrdiff_t>(axis_count()), ","));
  }

  uint32_t way_count(uint32_t source, uint32_t target) const override {
    Ways ways = find(source, target, UINT32_MAX);
    return takes_bypass(source, target, ways) ? 1 : ways.count;
  }

  void add_way(uint32_t source, uint32_t target, uint32_t choice, LinkId base, Route* route) const override {
    const Ways ways = find(source, target, choice);
    if (takes_bypass(source, target, ways)) {
      add_bypass(source, target, base, route);
      return;
    }
    Vector at = point(source);
    for (size_t axis = 0; axis < axis_count(); ++axis) {
      const int direction = ways.chosen[axis] > 0 ? 1 : -1;
      for (int64_t hop = std::abs(ways.chosen[axis]); hop > 0; --hop) {
        if (direction < 0) {
          move(at, axis, -1);
        }
        const uint64_t link = bases_[axis] + 2 * step_number(at, axis) + (direction < 0 ? 1 : 0);
        route->links.push_back(base + static_cast<LinkId>(link));
        if (direction > 0) {
          move(at, axis, 1);
        }
      }
    }
    route->latency_ns += ways.hop_count * lattice_.hop_ns;
  }

  bool is_adjacent(uint32_t source, uint32_t target) const override {
    const Ways ways = find(source, target, 0);
    return ways.hop_count == 1 || takes_bypass(source, target, ways);
  }

 private:
  struct Ways {
    uint32_t count = 0;
    uint64_t hop_count = UINT64_MAX;
    Vector chosen{};
  };

  size_t axis_count() const { return lattice_.dims.size(); }
  // Links along one line of an axis, each direction.
  uint32_t steps(size_t axis) const { return lattice_.wraps[axis] ? lattice_.dims[axis] : lattice_.dims[axis] - 1; }
  uint32_t blocks(size_t axis) const { return (lattice_.dims[axis] + lattice_.bypass->block[axis] - 1) / lattice_.bypass->block[axis]; }

  Vector point(uint32_t number) const {
    Vector result{};
    for (size_t axis = 0; axis < axis_count(); ++axis) {
      result[axis] = number % lattice_.dims[axis];
      number /= lattice_.dims[axis];
    }
    return result;
  }

  uint32_t number(const Vector& point) const {
    uint64_t result = 0;
    for (size_t axis = axis_count(); axis-- > 0;) {
      result = result * lattice_.dims[axis] + static_cast<uint64_t>(point[axis]);
    }
    return static_cast<uint32_t>(result);
  }

  // Of the step from `point` along `axis`, among all such steps.
  uint64_t step_number(const Vector& point, size_t stepped) const {
    uint64_t result = 0;
    for (size_t axis = axis_count(); axis-- > 0;) {
      result = result * (axis == stepped ? steps(axis) : lattice_.dims[axis]) + static_cast<uint64_t>(point[axis]);
    }
    return result;
  }

  size_t axis_of(uint32_t link) const {
    size_t axis = 0;
    while (axis < axis_count() && link >= bases_[axis + 1]) {
      ++axis;
    }
    return axis;
  }

  // Where the step of a link along `axis`, taken forwards, begins.
  Vector start_of(size_t stepped, uint32_t link) const {
    uint64_t index = (link - bases_[stepped]) / 2;
    Vector result{};
    for (size_t axis = 0; axis < axis_count(); ++axis) {
      const uint32_t size = axis == stepped ? steps(axis) : lattice_.dims[axis];
      result[axis] = static_cast<int64_t>(index % size);
      index /= size;
    }
    return result;
  }

  // How far crossing the wrap of `axis` moves along `other`.
  int64_t shift(size_t axis, size_t other) const {
    return lattice_.is_twisted && lattice_.dims[other] == 2 * lattice_.dims[axis] ? lattice_.dims[axis] : 0;
  }

  void move(Vector& point, size_t axis, int direction) const {
    const int64_t size = lattice_.dims[axis];
    point[axis] += direction;
    if (point[axis] >= 0 && point[axis] < size) {
      return;
    }
    point[axis] -= direction * size;
    for (size_t other = 0; other < axis_count(); ++other) {
      if (other != axis) {
        const int64_t length = lattice_.dims[other];
        point[other] = (point[other] + direction * shift(axis, other) + length) % length;
      }
    }
  }

  // The shortest displacements in a fixed order, and number `choice` of them.
  Ways find(uint32_t source, uint32_t target, uint32_t choice) const {
    const Vector from = point(source);
    const Vector to = point(target);
    Vector difference{};
    for (size_t axis = 0; axis < axis_count(); ++axis) {
      difference[axis] = to[axis] - from[axis];
    }
    if (!lattice_.is_twisted) {
      return shortest(difference, choice);
    }
    reduce(difference);
    if (twisted_firsts_.empty()) {
      return chosen(shortest_twisted(difference), choice);
    }
    const uint32_t at = number(difference);
    return chosen(std::span(twisted_ways_).subspan(twisted_firsts_[at], twisted_firsts_[at + 1] - twisted_firsts_[at]), choice);
  }

  Ways chosen(std::span<const Vector> all, uint32_t choice) const {
    Ways ways{.count = static_cast<uint32_t>(all.size()), .hop_count = 0, .chosen = all[choice < all.size() ? choice : 0]};
    for (size_t axis = 0; axis < axis_count(); ++axis) {
      ways.hop_count += static_cast<uint64_t>(std::abs(ways.chosen[axis]));
    }
    return ways;
  }

  // To the displacement within the torus that leads to the same point.
  void reduce(Vector& difference) const {
    for (size_t axis = 0; axis < axis_count(); ++axis) {
      add_rounds(difference, axis, difference[axis] < 0 ? 1 : 0);
    }
    // What short axes have done to long ones.
    for (size_t axis = 0; axis < axis_count(); ++axis) {
      const int64_t size = lattice_.dims[axis];
      difference[axis] = (difference[axis] % size + size) % size;
    }
  }

  void fill_twisted_ways() {
    twisted_firsts_.push_back(0);
    for (uint32_t target = 0; target < endpoint_count(); ++target) {
      const std::vector<Vector> ways = shortest_twisted(point(target));
      twisted_ways_.insert(twisted_ways_.end(), ways.begin(), ways.end());
      twisted_firsts_.push_back(static_cast<uint32_t>(twisted_ways_.size()));
    }
  }

  // Each axis by itself; bit i of `choice` is the direction on the ith axis of which half must be gone.
  Ways shortest(const Vector& difference, uint32_t choice) const {
    Ways ways{.count = 1, .hop_count = 0, .chosen = difference};
    for (size_t axis = 0; axis < axis_count(); ++axis) {
      int64_t& way = ways.chosen[axis];
      const int64_t size = lattice_.dims[axis];
      if (lattice_.wraps[axis] && 2 * std::abs(way) == size) {
        way = (choice & ways.count) != 0 ? -std::abs(way) : std::abs(way);
        ways.count *= 2;
      } else if (lattice_.wraps[axis] && 2 * std::abs(way) > size) {
        way -= way > 0 ? size : -size;
      }
      ways.hop_count += static_cast<uint64_t>(std::abs(way));
    }
    return ways;
  }

  // Tries -2 to 2 rounds of each axis: a round moves along other axes as well, so that two can be shorter than one.
  std::vector<Vector> shortest_twisted(const Vector& difference) const {
    uint64_t count = 1;
    for (size_t axis = 0; axis < axis_count(); ++axis) {
      count *= 5;
    }
    std::vector<Vector> ways;
    uint64_t least = UINT64_MAX;
    for (uint64_t number = 0; number < count; ++number) {
      Vector way = difference;
      uint64_t rest = number;
      for (size_t axis = 0; axis < axis_count(); ++axis) {
        add_rounds(way, axis, static_cast<int64_t>(rest % 5) - 2);
        rest /= 5;
      }
      uint64_t hop_count = 0;
      for (size_t axis = 0; axis < axis_count(); ++axis) {
        hop_count += static_cast<uint64_t>(std::abs(way[axis]));
      }
      if (hop_count < least) {
        ways.clear();
        least = hop_count;
      }
      if (hop_count == least) {
        ways.push_back(way);
      }
    }
    return ways;
  }

  // Leads to the same point as before.
  void add_rounds(Vector& way, size_t axis, int64_t rounds) const {
    way[axis] += rounds * lattice_.dims[axis];
    for (size_t other = 0; other < axis_count(); ++other) {
      way[other] -= other == axis ? 0 : rounds * shift(axis, other);
    }
  }

  bool takes_bypass(uint32_t source, uint32_t target, const Ways& ways) const {
    return lattice_.bypass && ways.hop_count > lattice_.bypass->hop_count && adapter(source) != adapter(target);
  }

  uint32_t adapter(uint32_t endpoint) const {
    const Vector at = point(endpoint);
    uint32_t result = 0;
    for (size_t axis = axis_count(); axis-- > 0;) {
      result = result * blocks(axis) + static_cast<uint32_t>(at[axis]) / lattice_.bypass->block[axis];
    }
    return result;
  }

  LinkEnds ends_of_bypass(uint32_t index) const {
    const NodeId adapters = endpoint_count();
    const NodeId plane = adapters + adapter_count_;
    if (index < 2 * endpoint_count()) {
      const uint32_t endpoint = index % endpoint_count();
      const NodeId its = adapters + adapter(endpoint);
      return index < endpoint_count() ? LinkEnds{.source = endpoint, .target = its} : LinkEnds{.source = its, .target = endpoint};
    }
    index -= 2 * endpoint_count();
    const NodeId one = adapters + index % adapter_count_;
    return index < adapter_count_ ? LinkEnds{.source = one, .target = plane} : LinkEnds{.source = plane, .target = one};
  }

  void add_bypass(uint32_t source, uint32_t target, LinkId base, Route* route) const {
    const LinkId to_adapters = base + static_cast<LinkId>(bases_.back());
    const LinkId to_plane = to_adapters + 2 * endpoint_count();
    route->links.push_back(to_adapters + source);
    route->links.push_back(to_plane + adapter(source));
    route->links.push_back(to_plane + adapter_count_ + adapter(target));
    route->links.push_back(to_adapters + endpoint_count() + target);
    route->latency_ns += lattice_.bypass->latency_ns;
  }

  Lattice lattice_;
  std::vector<uint64_t> bases_;  // the first link of each axis, then of the bypass
  // Of a twisted torus, whose chips all see the same: the shortest displacements to each point from point 0, and where those of a point begin. Empty:
  // worked out each time.
  std::vector<Vector> twisted_ways_;
  std::vector<uint32_t> twisted_firsts_;
  uint64_t link_count_ = 0;
  uint32_t adapter_count_ = 0;
};

}  // namespace

std::unique_ptr<Network> make_lattice(Lattice lattice) { return std::make_unique<LatticeNetwork>(std::move(lattice)); }

}  // namespace tutti::topology
