// SPDX-License-Identifier: Apache-2.0
// With d domains of g ranks, n bytes, a latency and b seconds per byte: allreduce takes, with one leader a domain, 3 hops and (2(g-1) + d-1) nb at the
// leader; on rails 3 hops and (2(g-1) + d-1)/g nb at each rank. Either way (d-1) n bytes leave a domain, where a two-shot allreduce of all ranks lets
// 2 (d-1)/d g n out (the scheme of UCC's and of HCCL's hierarchical collectives).
#include "algorithms/hierarchical/collectives.hpp"

#include <utility>
#include <vector>

#include "algorithms/hierarchical/rail_blocks.hpp"
#include "algorithms/hierarchical/weaver.hpp"

namespace tutti::algorithms::hierarchical {
namespace {

using namespace schedule;

using Path = std::vector<Group>;  // the groups that this rank is in for one chunk

// Of a vector that is cut into shares.
std::vector<Path> paths_of_shares(const Problem& problem, const Hierarchy& hierarchy, Leading leading, uint32_t rank) {
  const uint32_t share_count = leading == Leading::rails ? hierarchy.smallest_domain() : 1;
  std::vector<Path> paths;
  for (uint32_t share = 0; share < share_count; ++share) {
    Hierarchy::Choice choice{.share = share};
    if (is_rooted(problem.collective)) {
      choice.near = problem.root;
      choice.first = leading == Leading::leader ? std::optional(problem.root) : std::nullopt;
    }
    paths.push_back(hierarchy.groups_of(rank, choice));
  }
  return paths;
}

// Of blocks: a block's rank leads for it wherever it is, and in other domains the rank at its position does.
std::vector<Path> paths_of_blocks(const Problem& problem, const Hierarchy& hierarchy, uint32_t rank) {
  std::vector<Path> paths;
  for (uint32_t block = 0; block < problem.rank_count; ++block) {
    paths.push_back(hierarchy.groups_of(rank, {.share = hierarchy.position(block), .first = block, .near = block}));
  }
  return paths;
}

// The leader among the leaders, for a rank whose path leads there.
uint32_t top_of(const Path& path) { return path.back().leader; }

// The gangs of an allreduce: of a chunk, from the members of a group to its leader, back, or from each to each.
class Gangs {
 public:
  Gangs(Travel travel, uint32_t rank_count, uint32_t chunk_count) : travel_(travel), rank_count_(rank_count), chunk_count_(chunk_count) {}

  Gang up(uint32_t stage, const Group& group, uint32_t chunk) const { return gang(2 * stage, group, chunk, size(group) - 1); }
  Gang down(uint32_t stage, const Group& group, uint32_t chunk) const { return gang(2 * stage + 1, group, chunk, size(group) - 1); }
  Gang across(uint32_t stage, const Group& group, uint32_t chunk) const { return gang(2 * stage, group, chunk, size(group) * (size(group) - 1)); }

 private:
  static uint32_t size(const Group& group) { return static_cast<uint32_t>(group.members.size()); }
  // No two groups of a stage have the same leader.
  Gang gang(uint32_t turn, const Group& group, uint32_t chunk, uint32_t message_count) const {
    return travel_ == Travel::alone || size(group) <= 2
               ? Gang{}
               : Gang{.number = (turn * rank_count_ + group.leader) * chunk_count_ + chunk, .message_count = message_count};
  }

  Travel travel_;
  uint32_t rank_count_;
  uint32_t chunk_count_;
};

// What comes down takes the place in the output of what has gone up from there; it comes because that has gone up, so nothing waits for that.
Schedule all_reduce(const Problem& problem, const Hierarchy& hierarchy, const Manner& manner, uint32_t rank) {
  const std::vector<Path> paths = paths_of_shares(problem, hierarchy, manner.leading, rank);
  const auto chunk_count = static_cast<uint32_t>(paths.size());
  const Gangs gangs(manner.travel, problem.rank_count, chunk_count);
  const uint32_t top = hierarchy.stage_count() - 1;
  // What switches have reduced comes as fast as its parts go up, the other way along the same wires: so one chunk comes down while others go up.
  const uint32_t down = manner.travel == Travel::in_gangs ? 1 : 0;
  Weaver weaver({.rank = rank, .chunk_count = chunk_count, .parts = 1});
  std::vector<Value> values;
  for (uint32_t chunk = 0; chunk < chunk_count; ++chunk) {
    values.push_back({.place = input(chunk)});
  }
  for (uint32_t stage = 0; stage < top; ++stage) {
    for (uint32_t chunk = 0; chunk < chunk_count; ++chunk) {
      if (stage >= paths[chunk].size()) {
        continue;
      }
      const Group& group = paths[chunk][stage];
      if (group.leader != rank) {
        weaver.send(group.leader, chunk, values[chunk], {.gang = gangs.up(stage, group, chunk)});
      } else if (group.members.size() > 1) {
        values[chunk] = weaver.reduce(group, chunk, values[chunk], {.target = scratch(weaver.builder().add_scratch(1)), .stage = stage});
      }
    }
  }
  for (uint32_t chunk = 0; chunk < chunk_count; ++chunk) {
    if (top < paths[chunk].size()) {
      const Group& group = paths[chunk][top];
      const bool overwrites = values[chunk].place == input(chunk) && problem.in_place == InPlace::yes;
      std::vector<WaitFor> sent = weaver.spread(group, chunk, values[chunk], {.gang = gangs.across(top, group, chunk)});
      values[chunk] = weaver.reduce(group, chunk, values[chunk],
                                    {.target = output(chunk), .stage = top, .final = Final::yes, .before_writing = overwrites ? sent : std::vector<WaitFor>{}});
    }
  }
  for (uint32_t stage = top; stage-- > 0;) {
    for (uint32_t chunk = 0; chunk < chunk_count; ++chunk) {
      if (stage >= paths[chunk].size()) {
        continue;
      }
      const Group& group = paths[chunk][stage];
      if (group.leader != rank) {
        values[chunk] = weaver.receive(group.leader, chunk, output(chunk), down);
      } else {
        weaver.spread(group, chunk, values[chunk], {.gang = gangs.down(stage, group, chunk), .channel = down});
      }
    }
  }
  return std::move(weaver).build();
}

// Each chunk goes up to the top's leader, and from there to `owner_of(chunk)`, in its output's slot `slot_of(chunk)`, if that is not the same rank.
template <typename Owner, typename Slot>
Schedule reduce_up(const std::vector<Path>& paths, Weaver& weaver, uint32_t stage_count, Owner owner_of, Slot slot_of) {
  const auto chunk_count = static_cast<uint32_t>(paths.size());
  const uint32_t rank = weaver.rank();
  std::vector<Value> values;
  for (uint32_t chunk = 0; chunk < chunk_count; ++chunk) {
    values.push_back({.place = input(chunk)});
  }
  for (uint32_t stage = 0; stage < stage_count; ++stage) {
    for (uint32_t chunk = 0; chunk < chunk_count; ++chunk) {
      if (stage >= paths[chunk].size()) {
        continue;
      }
      const Group& group = paths[chunk][stage];
      const bool is_last = stage + 1 == stage_count;
      if (group.leader != rank) {
        weaver.send(group.leader, chunk, values[chunk]);
      } else if (group.members.size() > 1) {
        const bool is_mine = is_last && owner_of(chunk) == rank;
        const Span target = is_mine ? output(slot_of(chunk)) : scratch(weaver.builder().add_scratch(1));
        values[chunk] = weaver.reduce(group, chunk, values[chunk], {.target = target, .stage = stage, .final = is_last ? Final::yes : Final::no});
      }
    }
  }
  for (uint32_t chunk = 0; chunk < chunk_count; ++chunk) {
    const uint32_t owner = owner_of(chunk);
    const bool is_top = paths[chunk].size() == stage_count && top_of(paths[chunk]) == rank;
    if (is_top && owner != rank) {
      weaver.send(owner, chunk, values[chunk]);
    } else if (!is_top && owner == rank) {
      weaver.receive(paths[chunk].front().leader, chunk, output(slot_of(chunk)));  // the owner's domain's leader leads everywhere
    }
  }
  return std::move(weaver).build();
}

Schedule reduce(const Problem& problem, const Hierarchy& hierarchy, Leading leading, uint32_t rank) {
  const std::vector<Path> paths = paths_of_shares(problem, hierarchy, leading, rank);
  Weaver weaver({.rank = rank, .chunk_count = static_cast<uint32_t>(paths.size()), .parts = 1});
  return reduce_up(
      paths, weaver, hierarchy.stage_count(), [&](uint32_t) { return problem.root; }, [](uint32_t chunk) { return chunk; });
}

Schedule reduce_scatter(const Problem& problem, const Hierarchy& hierarchy, uint32_t rank) {
  Weaver weaver({.rank = rank, .chunk_count = problem.rank_count, .parts = 1});
  return reduce_up(
      paths_of_blocks(problem, hierarchy, rank), weaver, hierarchy.stage_count(), [](uint32_t chunk) { return chunk; },
      [](uint32_t) { return 0u; });
}

// Each chunk comes down from the top's leader, who has it in `values` or gets it from another stage; `owner` knows it already.
void spread_down(const std::vector<Path>& paths, Weaver& weaver, uint32_t stage_count, std::vector<Value>& values, std::optional<uint32_t> owner) {
  const auto chunk_count = static_cast<uint32_t>(paths.size());
  for (uint32_t stage = stage_count; stage-- > 0;) {
    for (uint32_t chunk = 0; chunk < chunk_count; ++chunk) {
      if (stage >= paths[chunk].size()) {
        continue;
      }
      const Group& group = paths[chunk][stage];
      if (group.leader == weaver.rank()) {
        weaver.spread(group, chunk, values[chunk], {.but = owner});
      } else if (weaver.rank() != owner) {
        values[chunk] = weaver.receive(group.leader, chunk, output(chunk));
      }
    }
  }
}

Schedule broadcast(const Problem& problem, const Hierarchy& hierarchy, Leading leading, uint32_t rank) {
  const std::vector<Path> paths = paths_of_shares(problem, hierarchy, leading, rank);
  const auto chunk_count = static_cast<uint32_t>(paths.size());
  Weaver weaver({.rank = rank, .chunk_count = chunk_count, .parts = 1});
  std::vector<Value> values(chunk_count);
  for (uint32_t chunk = 0; chunk < chunk_count; ++chunk) {
    const bool is_top = paths[chunk].size() == hierarchy.stage_count() && top_of(paths[chunk]) == rank;
    if (rank == problem.root) {
      values[chunk] = {.place = input(chunk)};
      if (!is_top) {
        weaver.send(paths[chunk].front().leader, chunk, values[chunk]);
      }
    } else if (is_top) {
      values[chunk] = weaver.receive(problem.root, chunk, output(chunk));
    }
  }
  spread_down(paths, weaver, hierarchy.stage_count(), values, problem.root);
  if (rank == problem.root && problem.in_place == InPlace::no) {
    weaver.builder().copy(weaver.builder().add_lane(), {0, chunk_count}, {.source = input(0), .target = output(0)});
  }
  return std::move(weaver).build();
}

Schedule all_gather(const Problem& problem, const Hierarchy& hierarchy, uint32_t rank) {
  Weaver weaver({.rank = rank, .chunk_count = problem.rank_count, .parts = 1});
  std::vector<Value> values(problem.rank_count);
  values[rank] = {.place = input(0)};
  spread_down(paths_of_blocks(problem, hierarchy, rank), weaver, hierarchy.stage_count(), values, std::nullopt);
  if (problem.in_place == InPlace::no) {
    weaver.builder().copy(weaver.builder().add_lane(), {rank}, {.source = input(0), .target = output(rank)});
  }
  return std::move(weaver).build();
}

// Messages say what they say by arriving, so waits are for whole steps: a streaming one might not wait for a message without bytes.
Schedule barrier(const Problem& problem, const Hierarchy& hierarchy, uint32_t rank) {
  const Path path = paths_of_shares(problem, hierarchy, Leading::leader, rank).front();
  const uint32_t top = hierarchy.stage_count() - 1;
  Builder builder({.rank = rank, .chunk_count = 1, .parts = 1});
  const LaneId receives = builder.add_lane();
  const LaneId sends = builder.add_lane();
  std::vector<WaitFor> heard;
  const auto tell = [&](uint32_t peer) { builder.send(sends, peer, {}, input(0), {.waits = heard}); };
  const auto hear = [&](uint32_t peer) { heard = {{builder.receive(receives, peer, {}, output(0)), WaitMode::complete}}; };
  const auto for_others = [&](const Group& group, auto act) {
    for (const uint32_t member : group.members) {
      if (member != rank) {
        act(member);
      }
    }
  };
  for (uint32_t stage = 0; stage < path.size(); ++stage) {
    const Group& group = path[stage];
    if (stage == top) {
      for_others(group, tell);
      for_others(group, hear);
    } else if (group.leader == rank) {
      for_others(group, hear);
    } else {
      tell(group.leader);
    }
  }
  for (uint32_t stage = std::min(static_cast<uint32_t>(path.size()), top); stage-- > 0;) {
    if (path[stage].leader == rank) {
      for_others(path[stage], tell);
    } else {
      hear(path[stage].leader);
    }
  }
  return std::move(builder).build();
}

}  // namespace

bool solves(const Problem& problem, const Manner& manner) {
  if (manner.travel == Travel::in_gangs) {
    return problem.collective == Collective::all_reduce && problem.blocks == Blocks::equal;
  }
  switch (problem.collective) {
    case Collective::all_reduce:
    case Collective::reduce:
    case Collective::broadcast:
      return problem.blocks == Blocks::equal;
    case Collective::barrier:
      return manner.leading == Leading::leader;
    case Collective::all_gather:
    case Collective::reduce_scatter:
      return manner.leading == Leading::rails;
    case Collective::gather:
    case Collective::scatter:
      return manner.leading == Leading::rails && problem.blocks == Blocks::equal;  // others' lengths the root alone knows
    default:
      return false;
  }
}

Schedule solve(const Problem& problem, const Hierarchy& hierarchy, const Manner& manner, uint32_t rank) {
  switch (problem.collective) {
    case Collective::reduce:
      return reduce(problem, hierarchy, manner.leading, rank);
    case Collective::broadcast:
      return broadcast(problem, hierarchy, manner.leading, rank);
    case Collective::all_gather:
      return all_gather(problem, hierarchy, rank);
    case Collective::reduce_scatter:
      return reduce_scatter(problem, hierarchy, rank);
    case Collective::gather:
    case Collective::scatter:
      return rail_blocks(problem, hierarchy, rank);
    case Collective::barrier:
      return barrier(problem, hierarchy, rank);
    default:
      return all_reduce(problem, hierarchy, manner, rank);
  }
}

}  // namespace tutti::algorithms::hierarchical
