// SPDX-License-Identifier: Apache-2.0
// Gather and scatter in which the ranks beside the root pass on what comes from other domains, or goes there: each has an adapter, or a rail, of its own.
#pragma once

#include <cstdint>
#include <vector>

#include "algorithms/hierarchical/hierarchy.hpp"
#include "schedule/outline.hpp"
#include "schedule/schedule.hpp"

namespace tutti::algorithms::hierarchical {

// Of the root's innermost domain, who passes on what to or from whom outside of it; the root among them.
class Gateways {
 public:
  Gateways(const Hierarchy& hierarchy, uint32_t root);

  const std::vector<uint32_t>& ranks() const { return ranks_; }
  // By gateway: the ranks of other domains, each with its whole block.
  const std::vector<std::vector<uint32_t>>& behind() const { return behind_; }
  // Of the longest.
  uint32_t most_behind() const;

 private:
  std::vector<uint32_t> ranks_;
  std::vector<std::vector<uint32_t>> behind_;
};

schedule::Schedule rail_blocks(const schedule::Problem& problem, const Hierarchy& hierarchy, uint32_t rank);
void outline_of_rail_blocks(const schedule::Problem& problem, const Hierarchy& hierarchy, schedule::Outline& outline);

}  // namespace tutti::algorithms::hierarchical
