// SPDX-License-Identifier: Apache-2.0
#include "planner/composition_structure.hpp"

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "planner/composition.hpp"
#include "schedule/assembly.hpp"
#include "topology/subset.hpp"

namespace tutti::planner::composed {
namespace {

using schedule::Collective;
using schedule::Problem;
using schedule::Schedule;

// Of a schedule; finer ones are of no use.
constexpr uint64_t kMostChunks = uint64_t{1} << 16;
// In which domains of different sizes cut a vector.
constexpr uint32_t kMostPieces = 64;
// That a rank of a small domain stands at for ranks of larger ones.
constexpr size_t kMostPlacesOfRank = 16;
// Of so many ranks all groups are looked at, of more the first and the last of each level.
constexpr uint32_t kMostRanksLookedAt = 256;

// Domains numbered in the order of their first ranks.
Partition renumbered(const Partition& partition) {
  std::unordered_map<uint32_t, uint32_t> numbers;
  Partition result;
  for (const uint32_t domain : partition) {
    result.push_back(numbers.try_emplace(domain, static_cast<uint32_t>(numbers.size())).first->second);
  }
  return result;
}

uint32_t domain_count(const Partition& partition) { return *std::ranges::max_element(partition) + 1; }

// The parts of `ranks` that are in one domain, in the order of their first ranks.
std::vector<std::vector<uint32_t>> split(const std::vector<uint32_t>& ranks, const Partition& partition) {
  std::unordered_map<uint32_t, size_t> numbers;
  std::vector<std::vector<uint32_t>> groups;
  for (const uint32_t rank : ranks) {
    const size_t number = numbers.try_emplace(partition[rank], groups.size()).first->second;
    groups.resize(numbers.size());
    groups[number].push_back(rank);
  }
  return groups;
}

// Finds out what each level does, and for whom.
class Maker {
 public:
  Maker(std::span<const Level> levels, uint32_t portions, const Problem& problem, const topology::Topology& topology)
      : levels_(levels), portions_(portions), problem_(problem), topology_(topology) {}

  std::shared_ptr<const Structure> structure() const {
    auto made = std::make_shared<Structure>();
    if (problem_.blocks != schedule::Blocks::equal || problem_.rank_count != topology_.rank_count()) {
      return made;
    }
    made->stages = stages();
    if (!made->stages.empty()) {
      made->is_solved = is_vector(problem_.collective) ? lay_out_vector(*made) : lay_out_blocks(*made);
    }
    return made;
  }

 private:
  using Kind = Structure::Kind;
  using Stage = Structure::Stage;
  using Group = Structure::Group;

  static bool is_looked_at(size_t index, size_t count, uint32_t rank_count) { return rank_count <= kMostRanksLookedAt || index == 0 || index + 1 == count; }

  // Whether it applies to a group and can be put together; notes in how many chunks it cuts a vector, or a block, and its channels.
  struct Cut {
    uint32_t chunks = 1;
    uint32_t channels = 1;
  };
  static bool takes_part(const Algorithm& algorithm, Collective collective, const topology::Topology& group, uint32_t root, Cut* cut) {
    const Problem problem{.collective = collective, .rank_count = group.rank_count(), .root = root};
    if (algorithm.build.is_empty() || !algorithm.applies(problem, group)) {
      return false;
    }
    for (const uint32_t rank : {0u, root, group.rank_count() / 2, group.rank_count() - 1}) {
      const Schedule schedule = algorithm.build(problem, group, rank);
      if (!schedule::can_be_assembled(problem, schedule)) {
        return false;
      }
      cut->chunks = is_vector(collective) ? schedule.chunk_count : schedule.parts;
      cut->channels = std::max(cut->channels, schedule.channel_count);
    }
    return true;
  }

  // The stages that the name asks for; none if the machine has too few.
  std::vector<Stage> stages() const {
    const std::vector<Partition> divisions = divisions_of(topology_);
    if (levels_.size() > divisions.size() + 1) {
      return {};
    }
    std::vector<Stage> made;
    for (size_t index = 0; index < levels_.size(); ++index) {
      if (levels_[index].is_left_out) {
        continue;
      }
      Stage& stage = made.emplace_back();
      stage.level = &levels_[index];
      stage.partition = index + 1 == levels_.size() ? Partition(topology_.rank_count(), 0) : divisions[index];
    }
    return made;
  }

  // ---- Vectors

  bool lay_out_vector(Structure& made) const {
    std::vector<uint32_t> all(topology_.rank_count());
    std::iota(all.begin(), all.end(), 0u);
    std::vector<std::vector<uint32_t>> sets = {std::move(all)};  // by piece: who has it
    std::vector<uint32_t> nearest = {problem_.root};             // by piece: of those the root, or who has it from there
    std::vector<uint64_t> needs;   // by stage: chunks that a piece of it consists of a multiple of
    std::vector<uint64_t> counts;  // by stage: pieces of the one before
    needs.push_back(1);
    counts.push_back(1);
    for (size_t index = 0; index < made.stages.size(); ++index) {
      Stage& stage = made.stages[index];
      const bool is_last = index + 1 == made.stages.size();
      for (uint32_t piece = 0; piece < sets.size(); ++piece) {
        for (std::vector<uint32_t>& members : split(sets[piece], stage.partition)) {
          stage.groups.push_back({.members = std::move(members), .piece = piece, .root = 0});
        }
      }
      find_roots(stage, nearest);
      uint64_t inner = 1;
      const uint64_t piece_count = choose_kind(stage, is_last, &inner);
      if (piece_count == 0 || sets.size() * piece_count > kMostChunks) {
        return false;
      }
      if (is_last) {
        needs[index] = std::lcm(needs[index], inner);
        break;
      }
      needs.push_back(inner);
      counts.push_back(piece_count);
      sets = holders(stage, sets.size(), static_cast<uint32_t>(piece_count), &nearest);
    }
    uint64_t width = 1;
    uint64_t before = 1;
    for (size_t index = 0; index < made.stages.size(); ++index) {
      before *= counts[index];
      width = std::lcm(width, before * needs[index]);
      if (width > kMostChunks) {
        return false;
      }
    }
    made.portions = portions_;
    for (size_t index = 0; index < made.stages.size(); ++index) {
      width /= counts[index];
      made.stages[index].width = static_cast<uint32_t>(width);
      number_groups(made.stages[index]);
    }
    return uint64_t{made.stages.front().width} * made.portions <= kMostChunks;
  }

  void number_groups(Stage& stage) const {
    stage.groups_of.resize(topology_.rank_count());
    for (uint32_t group = 0; group < stage.groups.size(); ++group) {
      for (const uint32_t rank : stage.groups[group].members) {
        stage.groups_of[rank].push_back(group);
      }
    }
  }

  // Who is nearest to the root, and in groups without it those who stand where it does.
  void find_roots(Stage& stage, const std::vector<uint32_t>& nearest) const {
    if (!schedule::is_rooted(problem_.collective)) {
      return;
    }
    uint32_t place = 0;
    for (Group& group : stage.groups) {
      const auto found = std::ranges::find(group.members, nearest[group.piece]);
      group.has_root = found != group.members.end();
      place = group.has_root ? static_cast<uint32_t>(found - group.members.begin()) : place;
      group.root = place;
    }
    for (Group& group : stage.groups) {
      group.root = group.has_root ? group.root : place % static_cast<uint32_t>(group.members.size());
    }
  }

  // Returns into how many pieces the stage cuts what it is given, 0 if it cannot; and of how many chunks one is a multiple, of the last stage all.
  uint64_t choose_kind(Stage& stage, bool is_last, uint64_t* chunks) const {
    const auto try_kind = [&](Kind kind, auto takes) -> bool {
      stage.channels = 1;
      stage.channels_back = 0;
      size_t seen = 1;  // of so many members one has been looked at, whichever was last
      for (size_t index = 0; index < stage.groups.size(); ++index) {
        const Group& group = stage.groups[index];
        const bool is_known = group.members.size() == std::exchange(seen, group.members.size());
        if (group.members.size() > 1 && (!is_known || is_looked_at(index, stage.groups.size(), topology_.rank_count())) &&
            !takes(topology::subset_of(topology_, group.members), group)) {
          return false;
        }
      }
      stage.kind = kind;
      return true;
    };
    const auto adds = [&](uint64_t count) { *chunks = std::lcm(*chunks, count); };
    uint64_t pieces = 1;
    for (const Group& group : stage.groups) {
      pieces = std::lcm(pieces, group.members.size());
      if (!is_last && pieces > kMostPieces && pieces > group.members.size()) {
        return 0;
      }
    }
    const auto takes_half = [&](Way way, const topology::Topology& group, const Group& of, Cut* cut) {
      const Problem half = half_problem(problem_, way, of);
      return takes_part(algorithm_of(*stage.level, half, group), half.collective, group, half.root, cut);
    };
    const auto halves = [&](const topology::Topology& group, const Group& of) {
      Cut first;
      Cut second;
      if (!takes_half(Way::out, group, of, &first) || !takes_half(Way::back, group, of, &second) || first.channels + second.channels > schedule::kMaxChannels) {
        return false;
      }
      stage.channels = std::max(stage.channels, first.channels);
      stage.channels_back = std::max(stage.channels_back, second.channels);
      const uint64_t cut = std::lcm(uint64_t{first.chunks}, uint64_t{second.chunks});
      const uint64_t own = is_last ? 1 : pieces / of.members.size();
      adds(is_last ? cut * of.members.size() : cut / std::gcd(cut, own));
      return true;
    };
    const auto leaders = [&](const topology::Topology& group, const Group& of) {
      Cut first;
      Cut second;
      const bool reduces = problem_.collective != Collective::broadcast;
      const bool spreads = problem_.collective != Collective::reduce;
      if ((reduces && !takes_part(stage.level->whole, Collective::reduce, group, of.root, &first)) ||
          (spreads && !takes_part(stage.level->whole, Collective::broadcast, group, of.root, &second)) ||
          first.channels + second.channels > schedule::kMaxChannels) {
        return false;
      }
      stage.channels = std::max(stage.channels, first.channels);
      stage.channels_back = spreads ? std::max(stage.channels_back, second.channels) : 0;
      adds(first.chunks);
      adds(second.chunks);
      return true;
    };
    const auto whole = [&](const topology::Topology& group, const Group&) {
      Cut cut;
      const bool takes = takes_part(stage.level->whole, Collective::all_reduce, group, 0, &cut);
      stage.channels = std::max(stage.channels, cut.channels);
      adds(cut.chunks);
      return takes;
    };
    if (problem_.collective != Collective::all_reduce) {
      if (!is_last && try_kind(Kind::halves, halves)) {
        return pieces;
      }
      *chunks = 1;
      return try_kind(Kind::leaders, leaders) ? 1 : 0;
    }
    // The halves of several portions pass each other.
    if (is_last && portions_ == 1 && try_kind(Kind::whole, whole)) {
      return 1;
    }
    *chunks = 1;
    if (try_kind(Kind::halves, halves)) {
      return is_last ? 1 : pieces;
    }
    *chunks = 1;
    if (is_last && try_kind(Kind::whole, whole)) {
      return 1;
    }
    *chunks = 1;
    return try_kind(Kind::leaders, leaders) ? 1 : 0;
  }

  // Who has each piece when the stage has cut those before; `nearest` of them likewise.
  static std::vector<std::vector<uint32_t>> holders(const Stage& stage, size_t set_count, uint32_t piece_count, std::vector<uint32_t>* nearest) {
    std::vector<std::vector<uint32_t>> sets(set_count * piece_count);
    nearest->assign(sets.size(), 0);
    for (const Group& group : stage.groups) {
      const auto size = static_cast<uint32_t>(group.members.size());
      for (uint32_t piece = 0; piece < piece_count; ++piece) {
        const uint32_t holder = group.members[stage.kind == Kind::halves ? piece / (piece_count / size) : group.root];
        const size_t set = size_t{group.piece} * piece_count + piece;
        sets[set].push_back(holder);
        (*nearest)[set] = group.has_root ? holder : (*nearest)[set];
      }
    }
    return sets;
  }

  // ---- Blocks

  bool lay_out_blocks(Structure& made) const {
    const std::optional<Parts> parts = number_parts(made);
    if (!parts) {
      return false;
    }
    for (size_t index = 0; index < made.stages.size(); ++index) {
      Stage& stage = made.stages[index];
      const std::set<Place> places = places_before(made, index);
      for (const std::vector<uint32_t>& own : (*parts)[index]) {
        for (const Place& place : places) {
          Group& group = stage.groups.emplace_back();
          group.place = place;
          for (const uint32_t part : own) {
            group.members.push_back(stand_in(*parts, index, part, place));
          }
          group.root = schedule::is_rooted(problem_.collective) ? stage.part[problem_.root] % static_cast<uint32_t>(own.size()) : 0;
        }
      }
      number_groups(stage);
      if (std::ranges::any_of(stage.groups_of, [](const auto& groups) { return groups.size() > kMostPlacesOfRank; }) || !takes_blocks(stage)) {
        return false;
      }
    }
    return true;
  }

  // By stage and domain: what that is made of, ranks at the first stage and domains of the one before at others.
  using Parts = std::vector<std::vector<std::vector<uint32_t>>>;

  // Of domains that nest; nothing of others.
  std::optional<Parts> number_parts(Structure& made) const {
    Parts parts;
    std::vector<uint32_t> part_of(topology_.rank_count());  // by rank: its domain of the stage before
    std::iota(part_of.begin(), part_of.end(), 0u);
    for (Stage& stage : made.stages) {
      struct Found {
        uint32_t domain = 0;
        uint32_t index = 0;
      };
      std::unordered_map<uint32_t, Found> found;  // by part
      std::vector<std::vector<uint32_t>>& domains = parts.emplace_back(domain_count(stage.partition));
      for (uint32_t rank = 0; rank < topology_.rank_count(); ++rank) {
        const uint32_t domain = stage.partition[rank];
        const auto [at, is_new] = found.try_emplace(part_of[rank], Found{domain, static_cast<uint32_t>(domains[domain].size())});
        if (is_new) {
          domains[domain].push_back(part_of[rank]);
        }
        if (at->second.domain != domain) {
          return std::nullopt;
        }
        stage.part.push_back(at->second.index);
      }
      part_of = stage.partition;
    }
    return parts;
  }

  // The places that ranks stand at before a stage; of gather and scatter the root's, where others pass their domains' blocks.
  std::set<Place> places_before(const Structure& made, size_t index) const {
    std::set<Place> places;
    const auto add = [&](uint32_t rank) {
      Place place;
      for (size_t stage = 0; stage < index; ++stage) {
        place.push_back(made.stages[stage].part[rank]);
      }
      places.insert(std::move(place));
    };
    if (schedule::is_rooted(problem_.collective)) {
      add(problem_.root);
      return places;
    }
    for (uint32_t rank = 0; rank < topology_.rank_count(); ++rank) {
      add(rank);
    }
    return places;
  }

  // The rank of a part of stage `index` that stands at `place`, or for it.
  static uint32_t stand_in(const Parts& parts, size_t index, uint32_t part, const Place& place) {
    while (index-- > 0) {
      const std::vector<uint32_t>& own = parts[index][part];
      part = own[place[index] % own.size()];
    }
    return part;
  }

  bool takes_blocks(Stage& stage) const {
    size_t seen = 1;  // of so many members one has been looked at, whichever was last
    for (size_t index = 0; index < stage.groups.size(); ++index) {
      const Group& group = stage.groups[index];
      const bool is_known = group.members.size() == std::exchange(seen, group.members.size());
      if (group.members.size() == 1 || (is_known && !is_looked_at(index, stage.groups.size(), topology_.rank_count()))) {
        continue;
      }
      Cut cut;
      if (!takes_part(stage.level->whole, problem_.collective, topology::subset_of(topology_, group.members), group.root, &cut) || cut.chunks != 1) {
        return false;
      }
      stage.channels = std::max(stage.channels, cut.channels);
    }
    return true;
  }

  std::span<const Level> levels_;
  uint32_t portions_;
  const Problem& problem_;
  const topology::Topology& topology_;
};

}  // namespace

const Algorithm& algorithm_of(const Level& level, const Problem& half, const topology::Topology& group) {
  switch (half.collective) {
    case Collective::reduce_scatter:
      return level.reduce_scatter;
    case Collective::all_gather:
      return level.all_gather;
    default:
      return level.whole.applies(half, group) ? level.whole : level.straight;
  }
}

Problem half_problem(const Problem& whole, Way way, const Structure::Group& group) {
  const Collective collective = half_of(whole.collective, way);
  return {.collective = collective, .rank_count = static_cast<uint32_t>(group.members.size()), .root = schedule::is_rooted(collective) ? group.root : 0};
}

std::shared_ptr<const Structure> structure_of(std::span<const Level> levels, uint32_t portions, const Problem& problem, const topology::Topology& topology) {
  return Maker(levels, portions, problem, topology).structure();
}

}  // namespace tutti::planner::composed

namespace tutti::planner {

std::vector<std::vector<uint32_t>> divisions_of(const topology::Topology& topology) {
  std::vector<std::vector<uint32_t>> divisions;
  const auto add = [&](const std::vector<uint32_t>& partition) {
    std::vector<uint32_t> own = composed::renumbered(partition);
    const uint32_t count = composed::domain_count(own);
    if (count > 1 && count < own.size() && (divisions.empty() || divisions.back() != own)) {
      divisions.push_back(std::move(own));
    }
  };
  for (auto level = topology.levels().rbegin(); level != topology.levels().rend(); ++level) {
    add(level->domains);
  }
  std::vector<uint32_t> hosts;
  for (uint32_t rank = 0; rank < topology.rank_count(); ++rank) {
    hosts.push_back(topology.host(rank));
  }
  add(hosts);
  return divisions;
}

}  // namespace tutti::planner
