// SPDX-License-Identifier: Apache-2.0
// That there are so many circles: A. Kotzig, "Every cartesian product of two circuits is decomposable into two Hamiltonian circuits", 1973; for three
// M. F. Foregger, "Hamiltonian decompositions of products of cycles", Discrete Math. 1978. Here they are found: the lines along each axis are circles of some
// ranks each. Where two wires of one axis and two of another make a square, each pair can take the other's place: every rank still has two wires of each
// kind, and circles that met at the square have become one. Squares change pairs until one circle of each kind is left.
#include "topology/lattice_circles.hpp"

#include <algorithm>
#include <array>

namespace tutti::topology {
namespace {

constexpr uint32_t kFewestAxesSearched = 2;
constexpr uint32_t kMostAxesSearched = 3;
constexpr uint32_t kMostRanksSearched = 512;
constexpr uint32_t kNowhere = UINT32_MAX;
// Times that all squares are looked at.
constexpr uint32_t kMostSearches = 200;

class CircleSearch {
 public:
  explicit CircleSearch(const Grid& grid) : rank_count_(grid.rank_count()), axis_count_(grid.axis_count()), up_(axis_count_), down_(axis_count_), kinds_(axis_count_) {
    for (uint32_t axis = 0; axis < axis_count_; ++axis) {
      kinds_[axis].assign(rank_count_, axis);
      for (uint32_t rank = 0; rank < rank_count_; ++rank) {
        up_[axis].push_back(grid.neighbour(rank, axis, Direction::up));
        down_[axis].push_back(grid.neighbour(rank, axis, Direction::down));
      }
    }
    for (uint32_t kind = 0; kind < axis_count_; ++kind) {
      label(kind);
    }
  }

  std::vector<std::vector<uint32_t>> run() {
    for (uint32_t round = 0; round < kMostSearches && circle_count() != axis_count_; ++round) {
      const uint32_t before = circle_count();
      look_at_all(Accept::less);
      if (circle_count() == before) {
        look_at_all(Accept::one_other);
      }
    }
    std::vector<std::vector<uint32_t>> circles;
    for (uint32_t kind = 0; kind < axis_count_ && circle_count() == axis_count_; ++kind) {
      circles.push_back(circle_from(0, kind));
    }
    return circles;
  }

 private:
  // Changes that leave fewer circles; or one that leaves as many, at another place each time.
  enum class Accept : uint8_t { less, one_other };

  // A rank, its neighbours up two axes, and the one beyond both.
  struct Square {
    uint32_t rank;
    uint32_t first;
    uint32_t second;
  };

  uint32_t circle_count() const {
    uint32_t count = 0;
    for (uint32_t kind = 0; kind < axis_count_; ++kind) {
      count += counts_[kind];
    }
    return count;
  }

  void look_at_all(Accept accept) {
    const uint32_t start = accept == Accept::less ? 0 : next_random() % rank_count_;
    for (uint32_t index = 0; index < rank_count_; ++index) {
      const uint32_t rank = (start + index) % rank_count_;
      for (uint32_t first = 0; first < axis_count_; ++first) {
        for (uint32_t second = first + 1; second < axis_count_; ++second) {
          if (try_out({rank, first, second}, accept) && (accept == Accept::one_other || circle_count() == axis_count_)) {
            return;
          }
        }
      }
    }
  }

  bool try_out(const Square& square, Accept accept) {
    const uint32_t one = kinds_[square.first][square.rank];
    const uint32_t other = kinds_[square.second][square.rank];
    const bool is_alternating = one != other && kinds_[square.first][up_[square.second][square.rank]] == one &&
                                kinds_[square.second][up_[square.first][square.rank]] == other;
    // Two circles that meet become one; what is one already may fall into two.
    const uint32_t across = up_[square.second][square.rank];
    const uint32_t beside = up_[square.first][square.rank];
    const bool may_gain = counts_[one] > 1 || counts_[other] > 1;
    if (!is_alternating || !may_gain ||
        (accept == Accept::less && labels_[one][square.rank] == labels_[one][across] && labels_[other][square.rank] == labels_[other][beside])) {
      return false;
    }
    const uint32_t before = circle_count();
    exchange(square, one, other);
    if (accept == Accept::less ? circle_count() < before : circle_count() <= before) {
      return true;
    }
    exchange(square, other, one);
    return false;
  }

  void exchange(const Square& square, uint32_t one, uint32_t other) {
    kinds_[square.first][square.rank] = kinds_[square.first][up_[square.second][square.rank]] = other;
    kinds_[square.second][square.rank] = kinds_[square.second][up_[square.first][square.rank]] = one;
    label(one);
    label(other);
  }

  // By the wire of the kind on which it has not come.
  std::vector<uint32_t> circle_from(uint32_t start, uint32_t kind) const {
    std::vector<uint32_t> circle;
    uint32_t came_from = kNowhere;
    uint32_t rank = start;
    do {
      circle.push_back(rank);
      const std::array<uint32_t, 2> both = neighbours(rank, kind);
      const uint32_t next = both[0] != came_from ? both[0] : both[1];
      came_from = rank;
      rank = next;
    } while (rank != start);
    return circle;
  }

  std::array<uint32_t, 2> neighbours(uint32_t rank, uint32_t kind) const {
    std::array<uint32_t, 2> found{};
    size_t count = 0;
    for (uint32_t axis = 0; axis < axis_count_; ++axis) {
      if (kinds_[axis][rank] == kind) {
        found[count++] = up_[axis][rank];
      }
      if (kinds_[axis][down_[axis][rank]] == kind) {
        found[count++] = down_[axis][rank];
      }
    }
    return found;
  }

  void label(uint32_t kind) {
    labels_[kind].assign(rank_count_, kNowhere);
    counts_[kind] = 0;
    for (uint32_t start = 0; start < rank_count_; ++start) {
      if (labels_[kind][start] != kNowhere) {
        continue;
      }
      uint32_t came_from = kNowhere;
      uint32_t rank = start;
      do {
        labels_[kind][rank] = counts_[kind];
        const std::array<uint32_t, 2> both = neighbours(rank, kind);
        const uint32_t next = both[0] != came_from ? both[0] : both[1];
        came_from = rank;
        rank = next;
      } while (rank != start);
      ++counts_[kind];
    }
  }

  // D. H. Lehmer's generator with the multiplier of Park and Miller, "Random number generators: good ones are hard to find", CACM 1988.
  uint32_t next_random() {
    random_ = static_cast<uint32_t>(uint64_t{random_} * 16'807 % 2'147'483'647);
    return random_;
  }

  uint32_t rank_count_;
  uint32_t axis_count_;
  std::vector<std::vector<uint32_t>> up_;    // by axis and rank
  std::vector<std::vector<uint32_t>> down_;
  std::vector<std::vector<uint32_t>> kinds_;  // by axis and rank, of the wire up
  std::array<std::vector<uint32_t>, kMostAxesSearched> labels_;  // by kind and rank: which of the kind's circles it is on
  std::array<uint32_t, kMostAxesSearched> counts_{};
  uint32_t random_ = 1;
};

}  // namespace

std::vector<std::vector<uint32_t>> circles_through(const Grid& grid) {
  if (grid.axis_count() < kFewestAxesSearched || grid.axis_count() > kMostAxesSearched || grid.rank_count() > kMostRanksSearched) {
    return {};
  }
  for (uint32_t axis = 0; axis < grid.axis_count(); ++axis) {
    if (!grid.axis(axis).wraps) {
      return {};
    }
  }
  return CircleSearch(grid).run();
}

}  // namespace tutti::topology
