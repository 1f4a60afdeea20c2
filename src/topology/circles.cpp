// SPDX-License-Identifier: Apache-2.0
// Through a full mesh: E. Walecki's circles, as told by B. Alspach, "The wonderful Walecki construction", Bull. Inst. Combin. Appl. 2008. That
// directed links fall into circles for every even number of chips but 4 and 6: T. W. Tillson, "A Hamiltonian decomposition of K*_2m, 2m >= 8", JCT B
// 1980; the one for 8 was found by search. Of a torus: M. M. Bae and B. Bose, "Edge disjoint Hamiltonian cycles in k-ary n-cubes and hypercubes", IEEE Trans.
// Computers 2003. Through units of an even number of chips: E. J. Williams, "Experimental designs balanced for the estimation of residual effects of
// treatments", Austral. J. Sci. Res. 1949, whose rows have every ordered pair of chips as neighbours just once.
#include "topology/circles.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>

#include "topology/fitting.hpp"
#include "topology/lattice_circles.hpp"
#include "topology/link_circles.hpp"

namespace tutti::topology {
namespace {

using Circle = std::vector<uint32_t>;
using Circles = std::vector<Circle>;

constexpr uint32_t kMostCircles = 16;
constexpr uint32_t kMostRanks = 1024;

constexpr std::array<std::array<uint32_t, 8>, 7> kThroughEight = {{{0, 5, 6, 3, 7, 2, 1, 4},
                                                                   {0, 4, 2, 3, 5, 7, 1, 6},
                                                                   {0, 3, 2, 7, 5, 4, 6, 1},
                                                                   {0, 7, 6, 2, 4, 1, 5, 3},
                                                                   {0, 6, 7, 4, 3, 1, 2, 5},
                                                                   {0, 2, 6, 5, 1, 3, 4, 7},
                                                                   {0, 1, 7, 3, 6, 4, 5, 2}}};

void add_both_directions(Circles& circles, Circle circle) {
  circles.push_back(circle);
  std::reverse(circle.begin(), circle.end());
  circles.push_back(std::move(circle));
}

// first, first + 1, first - 1, first + 2, ... modulo `size`: all of them.
Circle zigzag(uint32_t first, uint32_t size) {
  Circle path = {first % size};
  for (uint32_t step = 1; step < size; ++step) {
    const uint32_t away = (step + 1) / 2;
    path.push_back((first + (step % 2 == 1 ? away : size - away)) % size);
  }
  return path;
}

// Zigzags on 2h points, with one more point where they begin and end; the differences of neighbours on a zigzag are 1, 2, 3, ... An even number of
// chips has yet another, put between the two whose difference is h: in h circles those are all 2h points.
Circles through_full_mesh(uint32_t chip_count) {
  Circles circles;
  if (chip_count == kThroughEight.front().size()) {
    for (const auto& circle : kThroughEight) {
      circles.emplace_back(circle.begin(), circle.end());
    }
    return circles;
  }
  const uint32_t half = (chip_count - 1) / 2;
  for (uint32_t first = 0; first < half; ++first) {
    Circle circle = zigzag(first, 2 * half);
    if (chip_count % 2 == 0) {
      circle.insert(circle.begin() + half, 2 * half + 1);
    }
    circle.push_back(2 * half);
    add_both_directions(circles, std::move(circle));
  }
  return circles;
}

// A circle of the torus of n columns and kn rows goes along each row but for its last link, then to the next row; what it leaves is another circle if
// n - 1 and k have no common divisor.
Circles through_torus(uint32_t columns, uint32_t rows) {
  Circle along_rows;
  for (uint32_t row = 0; row < rows; ++row) {
    for (uint32_t step = 0; step < columns; ++step) {
      along_rows.push_back(row * columns + (step + row * (columns - 1)) % columns);
    }
  }
  Circle along_columns;
  uint32_t row = 0;  // of column 0 the one after a link that the other circle takes
  for (uint32_t segment = 0; segment < rows; ++segment) {
    for (uint32_t step = 0; step < columns; ++step) {
      along_columns.push_back((row + step) % rows * columns + segment % columns);
    }
    row = (row + columns - 1) % rows;
  }
  Circles circles;
  add_both_directions(circles, std::move(along_rows));
  add_both_directions(circles, std::move(along_columns));
  return circles;
}

bool is_known_torus(uint32_t columns, uint32_t rows) {
  return columns >= 3 && rows % columns == 0 && std::gcd(columns - 1, rows / columns) == 1;
}

// The same circles with the other axis as columns: chip numbers go along the first axis.
Circles transposed(Circles circles, uint32_t columns, uint32_t rows) {
  for (Circle& circle : circles) {
    for (uint32_t& chip : circle) {
      chip = chip % columns * rows + chip / columns;
    }
  }
  return circles;
}

// What a search found for a machine: whoever plans asks for each rank of one.
class Remembered {
 public:
  template <typename Find>
  const Circles& of(const Topology& topology, Find find) {
    if (fabric_.lock() != topology.fabric() || rank_count_ != topology.rank_count()) {
      circles_ = find();
      fabric_ = topology.fabric();
      rank_count_ = topology.rank_count();
    }
    return circles_;
  }

 private:
  std::weak_ptr<const Fabric> fabric_;
  uint32_t rank_count_ = 0;
  Circles circles_;
};

const Circles& found_through(const Topology& topology) {
  thread_local Remembered remembered;
  return remembered.of(topology, [&] {
    Circles circles;
    if (const std::optional<Grid> grid = Grid::of(topology)) {
      for (Circle& circle : circles_through(*grid)) {
        add_both_directions(circles, std::move(circle));
      }
    }
    return circles;
  });
}

Circles through_lattice(const Topology& topology, const FabricLevel& level) {
  if (level.dims.size() == 2 && level.wraps[0] && level.wraps[1] && !level.is_twisted) {
    const uint32_t columns = level.dims[0];
    const uint32_t rows = level.dims[1];
    if (is_known_torus(columns, rows)) {
      return through_torus(columns, rows);
    }
    if (is_known_torus(rows, columns)) {
      return transposed(through_torus(rows, columns), rows, columns);
    }
  }
  if (const Circles& found = found_through(topology); !found.empty()) {
    return found;
  }
  const auto longest = std::max_element(level.dims.begin(), level.dims.end());
  const bool is_ring = *longest == level.unit_count && level.wraps[static_cast<size_t>(longest - level.dims.begin())];
  Circle circle = circle_of(topology);
  if (!is_ring && std::is_sorted(circle.begin(), circle.end())) {
    return {};  // there is no circle
  }
  Circles circles;
  add_both_directions(circles, std::move(circle));
  return circles;
}

// A zigzag through a unit of g chips ends g / 2 away from its first.
Circles by_rails(uint32_t rank_count, uint32_t chips_of_unit) {
  Circles circles(chips_of_unit);
  for (uint32_t rail = 0; rail < chips_of_unit; ++rail) {
    uint32_t enters = rail;
    for (uint32_t unit = 0; unit < rank_count; unit += chips_of_unit) {
      for (const uint32_t chip : zigzag(enters, chips_of_unit)) {
        circles[rail].push_back(unit + chip);
      }
      enters = (enters + chips_of_unit / 2) % chips_of_unit;
    }
  }
  return circles;
}

// What circles that share a vector equally bring in all, in bytes per second, where each message takes its first way.
uint64_t bandwidth_of(const Fabric& fabric, const Circles& circles) {
  std::map<LinkId, uint64_t> loads;
  Route route;
  for (const Circle& circle : circles) {
    for (size_t place = 0; place < circle.size(); ++place) {
      fabric.route(circle[place], circle[(place + 1) % circle.size()], 0, &route);
      for (const LinkId link : route.links) {
        ++loads[link];
      }
    }
  }
  uint64_t least = UINT64_MAX;
  for (const auto& [link, load] : loads) {
    least = std::min(least, fabric.bytes_per_s(link) / load);
  }
  return circles.empty() ? 0 : least * circles.size();
}

// Of units that are joined by links, either their rails or what a search finds.
const Circles& by_rails_or_links(const Topology& topology, uint32_t chips_of_unit) {
  thread_local Remembered remembered;
  return remembered.of(topology, [&] {
    Circles rails;
    if (chips_of_unit != 0 && topology.rank_count() % chips_of_unit == 0) {
      rails = by_rails(topology.rank_count(), chips_of_unit);
    }
    Circles found = circles_over_links(topology);
    if (found.empty() || bandwidth_of(*topology.fabric(), found) <= bandwidth_of(*topology.fabric(), rails)) {
      return rails;
    }
    return found;
  });
}

}  // namespace

std::vector<std::vector<uint32_t>> circles_of(const Topology& topology) {
  const uint32_t rank_count = topology.rank_count();
  if (topology.fabric() == nullptr || topology.fabric()->levels().empty() || rank_count < 3 || rank_count > kMostRanks) {
    return {};
  }
  const FabricLevel& inner = topology.fabric()->levels().front();
  const bool is_mesh = inner.kind == LevelKind::full_mesh;
  if (rank_count <= inner.unit_count) {
    const bool is_lattice = inner.kind == LevelKind::ring || inner.kind == LevelKind::torus || inner.kind == LevelKind::mesh;
    if (is_mesh && rank_count - 1 <= kMostCircles) {
      return through_full_mesh(rank_count);
    }
    return is_lattice && rank_count == inner.unit_count ? through_lattice(topology, inner) : Circles{};
  }
  const bool has_rails = (is_mesh || inner.kind == LevelKind::switched) && inner.unit_count % 2 == 0 && inner.unit_count <= kMostCircles;
  return by_rails_or_links(topology, has_rails ? inner.unit_count : 0);
}

}  // namespace tutti::topology
