// SPDX-License-Identifier: Apache-2.0
// How a composition divides a problem among the levels of a machine, and the schedules that come of it. Private to compositions.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "planner/algorithm.hpp"
#include "schedule/problem.hpp"
#include "schedule/schedule.hpp"
#include "topology/topology.hpp"

namespace tutti::planner::composed {

using Partition = std::vector<uint32_t>;  // the domain of each rank
// Where a rank stands: the how-manieth it is in its innermost domain, the how-manieth that is in the next one, and so on. Of domains of several sizes the
// smaller ones have places that nobody stands at; who stands for them is found by counting round.
using Place = std::vector<uint32_t>;

// Scatters and gathers a level's pieces where its algorithm does not.
inline constexpr std::string_view kStraight = "one_shot";

// The algorithm of a level, and those that stand for it in the halves of an allreduce.
struct Level {
  bool is_left_out = false;
  Algorithm whole;
  Algorithm reduce_scatter;
  Algorithm all_gather;
  Algorithm straight;
};

// What goes out from the root of a broadcast, or towards all, and what comes back, or reaches a reduce's root: the halves of a level inside of others.
enum class Way : uint8_t { out, back };
inline schedule::Collective half_of(schedule::Collective collective, Way way) {
  using schedule::Collective;
  if (way == Way::out) {
    return collective == Collective::broadcast ? Collective::scatter : Collective::reduce_scatter;
  }
  return collective == Collective::reduce ? Collective::gather : Collective::all_gather;
}
// `half` is one of them, of a group.
const Algorithm& algorithm_of(const Level& level, const schedule::Problem& half, const topology::Topology& group);

// Without a barrier, which has no bytes to cut.
inline bool is_vector(schedule::Collective collective) { return schedule::is_cut_vector(collective) && collective != schedule::Collective::barrier; }

// What follows from the problem and the machine, for all ranks.
struct Structure {
  enum class Kind : uint8_t {
    halves,   // reducescatter, or a broadcast's scatter, on the way out, allgather, or a reduce's gather, on the way back
    leaders,  // reduce and broadcast
    whole,    // the outermost level alone: an allreduce
  };
  // Ranks that work together at a level: on one of a vector's pieces, or for the blocks of those ranks that stand at one place in the domains inside.
  struct Group {
    std::vector<uint32_t> members;
    uint32_t piece = 0;
    uint32_t root = 0;  // which member
    bool has_root = false;  // whether that is who has the group's piece from the root, or brings it there
    Place place = {};       // of blocks: as deep as there are stages before
  };
  struct Stage {
    const Level* level = nullptr;
    Partition partition;  // the domain of each rank
    Kind kind = Kind::whole;
    std::vector<Group> groups;
    std::vector<std::vector<uint32_t>> groups_of;  // by rank
    uint32_t width = 1;                            // chunks of a piece of this stage in one portion
    uint32_t channels = 1;                         // of the way out
    uint32_t channels_back = 0;
    std::vector<uint32_t> part;  // of blocks: by rank, the how-manieth part of its domain it is in; a rank by itself is one at the first stage
  };

  bool is_solved = false;
  std::vector<Stage> stages;
  uint32_t portions = 1;

  // Of all ranks' schedules: calls take channels in turn, which ranks that have nobody beside them in their domains count as well.
  uint32_t channel_count() const {
    uint32_t count = 1;
    for (const Stage& stage : stages) {
      count = std::max(count, stage.channels + stage.channels_back);
    }
    return count;
  }
  // Of blocks: whether `rank` stands at `place`.
  bool stands_at(uint32_t rank, const Place& place) const {
    for (size_t stage = 0; stage < place.size(); ++stage) {
      if (stages[stage].part[rank] != place[stage]) {
        return false;
      }
    }
    return true;
  }
};

schedule::Problem half_problem(const schedule::Problem& whole, Way way, const Structure::Group& group);

// Innermost first; `levels` outlive it. It does not depend on who is in place.
std::shared_ptr<const Structure> structure_of(std::span<const Level> levels, uint32_t portions, const schedule::Problem& problem,
                                              const topology::Topology& topology);

// Of a structure that is solved, made for the same problem and topology.
schedule::Schedule schedule_of(const Structure& structure, const schedule::Problem& problem, const topology::Topology& topology, uint32_t rank);

}  // namespace tutti::planner::composed
