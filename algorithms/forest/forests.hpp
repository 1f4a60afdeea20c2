// SPDX-License-Identifier: Apache-2.0
// Trees that share the wires of a machine, while they grow and change: forests until they span all chips.
#pragma once

#include <cstdint>
#include <vector>

#include "algorithms/forest/max_flow.hpp"
#include "algorithms/forest/packing.hpp"
#include "algorithms/forest/wiring.hpp"

namespace tutti::algorithms::forest {

inline constexpr uint32_t kNoWire = UINT32_MAX;

// Who is whose parent, over which wire. Components have roots of their own.
struct Forest {
  uint32_t root = 0;
  std::vector<bool> has;          // by wire
  std::vector<uint32_t> parents;  // by chip
  std::vector<uint32_t> upwards;  // by chip: the wire to its parent
  std::vector<uint32_t> depths;   // by chip
  std::vector<uint32_t> tops;     // by chip: the root of its component
  uint32_t size = 0;              // wires
};

// No wire is in more of them than it has room for.
class Forests {
 public:
  // Of no wires yet. Roots are the chips that have least far to the farthest. `wiring` and `work` outlive them.
  Forests(const Wiring& wiring, uint32_t count, Work& work);

  const Wiring& wiring() const { return wiring_; }
  Work& work() { return work_; }
  uint32_t count() const { return static_cast<uint32_t>(forests_.size()); }
  const Forest& operator[](uint32_t index) const { return forests_[index]; }

  uint32_t missing_wires() const;
  uint32_t room_left(uint32_t wire) const { return wiring_.wires[wire].room - used_[wire]; }
  bool has_room(uint32_t wire) const { return room_left(wire) != 0; }
  uint32_t trees_of_a_wire() const;
  std::vector<Tree> trees() const;

  // After these who is above whom is as it was, until rebuild().
  void add(uint32_t index, uint32_t wire);
  void take(uint32_t index, uint32_t wire);
  void rebuild(uint32_t index);
  // The root comes to lie half-way between the two chips that are farthest from each other.
  void root_in_the_middle(uint32_t index);

 private:
  const Wiring& wiring_;
  Work& work_;
  std::vector<uint32_t> used_;  // by wire: forests that have it
  std::vector<Forest> forests_;
};

// Grows them until they span. False: there are no such trees, or the work is spent.
bool grow(Forests& forests);

// Makes trees that span shallower, as far as work is left.
void flatten(Forests& forests);

}  // namespace tutti::algorithms::forest
