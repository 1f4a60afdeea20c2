// SPDX-License-Identifier: Apache-2.0
#include "algorithms/hierarchical/outline.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "algorithms/hierarchical/rail_blocks.hpp"

namespace tutti::algorithms::hierarchical {
namespace {

using schedule::Collective;
using schedule::Outline;
using schedule::Problem;

// Of a stage with more messages some are told, which stand for the rest.
constexpr uint64_t kMostMessages = 50'000;

// Towards the leaders of domains, or from them.
enum class Direction : uint8_t { up, down };

// Numbers below `count`, all or about as many as `most`, in no step with the sizes of domains.
class Some {
 public:
  Some(uint32_t count, uint64_t most) : count_(count) {
    const uint64_t taken = std::clamp<uint64_t>(most, 1, count);
    constexpr uint64_t kGolden = 0x9E3779B97F4A7C15;  // 2^64 over the golden ratio
    for (uint64_t index = 0; index < taken; ++index) {
      __extension__ using Wide = unsigned __int128;
      numbers_.push_back(taken == count ? static_cast<uint32_t>(index) : static_cast<uint32_t>(Wide{index * kGolden} * count >> 64));
    }
  }

  uint32_t count() const { return count_; }
  auto begin() const { return numbers_.begin(); }
  auto end() const { return numbers_.end(); }
  // What each stands for.
  uint64_t weight() const { return Outline::kOne * count_ / numbers_.size(); }

 private:
  uint32_t count_;
  std::vector<uint32_t> numbers_;
};

// Who leads the domains of each stage for each share.
class Leaders {
 public:
  // `choice`: but for the share.
  Leaders(const Hierarchy& hierarchy, uint32_t share_count, Hierarchy::Choice choice) : by_share_(share_count) {
    for (choice.share = 0; choice.share < share_count; ++choice.share) {
      for (uint32_t stage = 0; stage < hierarchy.stage_count(); ++stage) {
        std::vector<uint32_t>& leaders = by_share_[choice.share].emplace_back();
        for (uint32_t domain = 0; domain < hierarchy.domain_count(stage); ++domain) {
          leaders.push_back(hierarchy.leader(stage, domain, choice));
        }
      }
    }
  }

  uint32_t share_count() const { return static_cast<uint32_t>(by_share_.size()); }
  uint32_t of(uint32_t share, uint32_t stage, uint32_t domain) const { return by_share_[share][stage][domain]; }
  // Who stands for a part of a domain of `stage`: a rank for itself, a domain's leader for the domain.
  uint32_t of_part(uint32_t share, uint32_t stage, uint32_t part) const { return stage == 0 ? part : of(share, stage - 1, part); }

 private:
  std::vector<std::vector<std::vector<uint32_t>>> by_share_;  // by share, stage and domain
};

class Outliner {
 public:
  Outliner(const Hierarchy& hierarchy, Outline& outline) : hierarchy_(hierarchy), outline_(outline), top_(hierarchy.stage_count() - 1) {}

  // Vectors that are cut into shares.
  void all_reduce(const Leaders& leaders) {
    for (uint32_t stage = 0; stage < top_; ++stage) {
      pass(stage, Direction::up, leaders);
    }
    meet(leaders);
    for (uint32_t stage = top_; stage-- > 0;) {
      pass(stage, Direction::down, leaders);
    }
  }
  void reduce(const Leaders& leaders, uint32_t root) {
    for (uint32_t stage = 0; stage <= top_; ++stage) {
      pass(stage, Direction::up, leaders);
    }
    reach(root, Direction::up, leaders);
  }
  void broadcast(const Leaders& leaders, uint32_t root) {
    reach(root, Direction::down, leaders);
    for (uint32_t stage = top_ + 1; stage-- > 0;) {
      pass(stage, Direction::down, leaders, root);
    }
  }

  // Blocks, of which ranks of the same position lead for each other's. At the outermost stage all of a block's messages go at once; at
  // others several blocks go from one rank to the same other, one after another. `spread`: how what the outermost stage brings is passed on.
  void blocks(Direction direction, uint32_t part_count, Outline::Follows spread) {
    Blocks blocks(hierarchy_);
    for (uint32_t index = 0; index <= top_; ++index) {
      const uint32_t stage = direction == Direction::up ? index : top_ - index;
      const bool is_after_top = direction == Direction::down && stage + 1 == top_;
      outline_.begin_stage(part_count, stage == top_ ? Outline::Follows::all : is_after_top ? spread : Outline::Follows::each);
      pass_own(stage, direction, blocks);
      pass_others(stage, direction, blocks);
    }
  }

 private:
  struct Blocks {
    explicit Blocks(const Hierarchy& hierarchy)
        : leaders(hierarchy, position_count(hierarchy), {}), positions(hierarchy.rank_count()), count_by_position(leaders.share_count()) {
      for (uint32_t domain = 0; domain < hierarchy.domain_count(0); ++domain) {
        const std::vector<uint32_t>& members = hierarchy.parts(0, domain);
        for (uint32_t position = 0; position < members.size(); ++position) {
          positions[members[position]] = position;
          ++count_by_position[position];
        }
      }
    }
    static uint32_t position_count(const Hierarchy& hierarchy) {
      size_t most = 0;
      for (uint32_t domain = 0; domain < hierarchy.domain_count(0); ++domain) {
        most = std::max(most, hierarchy.parts(0, domain).size());
      }
      return static_cast<uint32_t>(most);
    }

    Leaders leaders;
    std::vector<uint32_t> positions;  // of the ranks in their innermost domains
    std::vector<uint64_t> count_by_position;
  };

  uint64_t part_count(uint32_t stage) const { return stage == 0 ? hierarchy_.rank_count() : hierarchy_.domain_count(stage - 1); }

  // `message`: up, from a member to a leader.
  void add(Outline::Message message, Direction direction) {
    if (direction == Direction::down) {
      std::swap(message.source, message.target);
    }
    if (message.source != message.target) {
      outline_.add(message);
    }
  }

  // Within the domains of a stage, between those who stand for their parts and their leader; but for `without`.
  void pass(uint32_t stage, Direction direction, const Leaders& leaders, std::optional<uint32_t> without = {}) {
    outline_.begin_stage(leaders.share_count(), Outline::Follows::each);
    const Some shares(leaders.share_count(), kMostMessages / part_count(stage));
    for (uint32_t domain = 0; domain < hierarchy_.domain_count(stage); ++domain) {
      const std::vector<uint32_t>& parts = hierarchy_.parts(stage, domain);
      for (uint32_t index = 0; index < parts.size(); ++index) {
        for (const uint32_t offset : shares) {
          const uint32_t share = (index + offset) % leaders.share_count();
          const uint32_t member = leaders.of_part(share, stage, parts[index]);
          if (member != without) {
            add({.source = member, .target = leaders.of(share, stage, domain), .weight = shares.weight()}, direction);
          }
        }
      }
    }
  }

  // Among all who lead the outermost domains for the same share.
  void meet(const Leaders& leaders) {
    outline_.begin_stage(leaders.share_count(), Outline::Follows::each);
    const std::vector<uint32_t>& parts = hierarchy_.parts(top_, 0);
    const auto count = static_cast<uint32_t>(parts.size());
    const Some distances(count - 1, kMostMessages / (uint64_t{count} * leaders.share_count()));
    for (uint32_t share = 0; share < leaders.share_count(); ++share) {
      for (uint32_t index = 0; index < count; ++index) {
        for (const uint32_t distance : distances) {
          outline_.add({.source = leaders.of_part(share, top_, parts[index]),
                        .target = leaders.of_part(share, top_, parts[(index + distance + 1) % count]),
                        .weight = distances.weight()});
        }
      }
    }
  }

  // Between the root and who leads everything for each share.
  void reach(uint32_t root, Direction direction, const Leaders& leaders) {
    outline_.begin_stage(leaders.share_count(), Outline::Follows::each);
    for (uint32_t share = 0; share < leaders.share_count(); ++share) {
      add({.source = leaders.of(share, top_, 0), .target = root}, direction);
    }
  }

  // Each rank's own block, for which it leads wherever it is.
  void pass_own(uint32_t stage, Direction direction, const Blocks& blocks) {
    std::optional<Some> distances;
    for (uint32_t rank = 0; rank < hierarchy_.rank_count(); ++rank) {
      const uint32_t domain = hierarchy_.domain_of(stage, rank);
      const std::vector<uint32_t>& parts = hierarchy_.parts(stage, domain);
      const auto count = static_cast<uint32_t>(parts.size());
      if (count == 1) {
        continue;
      }
      const uint32_t own = stage == 0 ? rank : hierarchy_.domain_of(stage - 1, rank);
      const auto index = static_cast<uint32_t>(std::lower_bound(parts.begin(), parts.end(), own) - parts.begin());
      if (!distances || distances->count() != count - 1) {
        distances.emplace(count - 1, kMostMessages / hierarchy_.rank_count());
      }
      for (const uint32_t distance : *distances) {
        const uint32_t member = blocks.leaders.of_part(blocks.positions[rank], stage, parts[(index + distance + 1) % count]);
        add({.source = member, .target = rank, .weight = distances->weight()}, direction);
      }
    }
  }

  // Blocks of ranks outside of each domain.
  void pass_others(uint32_t stage, Direction direction, const Blocks& blocks) {
    if (stage == top_) {
      return;
    }
    const uint32_t position_count = blocks.leaders.share_count();
    std::vector<std::vector<uint64_t>> inside(hierarchy_.domain_count(stage), std::vector<uint64_t>(position_count));
    for (uint32_t rank = 0; rank < hierarchy_.rank_count(); ++rank) {
      ++inside[hierarchy_.domain_of(stage, rank)][blocks.positions[rank]];
    }
    const Some positions(position_count, kMostMessages / part_count(stage));
    for (uint32_t domain = 0; domain < hierarchy_.domain_count(stage); ++domain) {
      const std::vector<uint32_t>& parts = hierarchy_.parts(stage, domain);
      for (uint32_t index = 0; index < parts.size(); ++index) {
        for (const uint32_t offset : positions) {
          const uint32_t position = (index + offset) % position_count;
          const uint64_t count = blocks.count_by_position[position] - inside[domain][position];
          if (count != 0) {
            add({.source = blocks.leaders.of_part(position, stage, parts[index]),
                 .target = blocks.leaders.of(position, stage, domain),
                 .count = count,
                 .weight = positions.weight()},
                direction);
          }
        }
      }
    }
  }

  const Hierarchy& hierarchy_;
  Outline& outline_;
  uint32_t top_;
};

}  // namespace

void outline(const Problem& problem, const Hierarchy& hierarchy, Leading leading, Outline& outline) {
  if (problem.collective == Collective::gather || problem.collective == Collective::scatter) {
    return outline_of_rail_blocks(problem, hierarchy, outline);
  }
  Outliner outliner(hierarchy, outline);
  if (!schedule::is_cut_vector(problem.collective) && problem.collective != Collective::barrier) {
    outliner.blocks(problem.collective == Collective::reduce_scatter ? Direction::up : Direction::down, 1, Outline::Follows::all);
    return;
  }
  const uint32_t share_count = leading == Leading::rails ? hierarchy.smallest_domain() : 1;
  Hierarchy::Choice choice;
  if (schedule::is_rooted(problem.collective)) {
    choice.near = problem.root;
    choice.first = leading == Leading::leader ? std::optional(problem.root) : std::nullopt;
  }
  const Leaders leaders(hierarchy, share_count, choice);
  switch (problem.collective) {
    case Collective::reduce:
      return outliner.reduce(leaders, problem.root);
    case Collective::broadcast:
      return outliner.broadcast(leaders, problem.root);
    default:
      return outliner.all_reduce(leaders);
  }
}

void outline_of_halves(const Problem& problem, const Hierarchy& hierarchy, Outline& outline) {
  Outliner outliner(hierarchy, outline);
  outliner.blocks(Direction::up, problem.rank_count, Outline::Follows::all);
  // The first half gives ranks their chunks one after another.
  outliner.blocks(Direction::down, problem.rank_count, Outline::Follows::each);
}

void outline_of_shots(const Hierarchy& hierarchy, Outline& outline) {
  const uint32_t share_count = hierarchy.smallest_domain();
  const uint32_t domain_count = hierarchy.domain_count(0);
  const Some leaders(domain_count * share_count, kMostMessages / hierarchy.rank_count());
  const auto send = [&](uint32_t source, uint32_t target, uint64_t weight) {
    if (source != target) {
      outline.add({.source = source, .target = target, .weight = weight});
    }
  };
  outline.begin_stage(share_count, Outline::Follows::all);
  for (uint32_t rank = 0; rank < hierarchy.rank_count(); ++rank) {
    for (const uint32_t number : leaders) {
      const uint32_t domain = (hierarchy.domain_of(0, rank) + number / share_count) % domain_count;
      send(rank, hierarchy.parts(0, domain)[number % share_count], leaders.weight());
    }
  }
  outline.begin_stage(share_count, Outline::Follows::all);
  const Some near(share_count, kMostMessages / hierarchy.rank_count());
  for (uint32_t rank = 0; rank < hierarchy.rank_count(); ++rank) {
    for (const uint32_t share : near) {
      send(hierarchy.parts(0, hierarchy.domain_of(0, rank))[share], rank, near.weight());
    }
  }
}

}  // namespace tutti::algorithms::hierarchical
