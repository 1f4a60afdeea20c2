// SPDX-License-Identifier: Apache-2.0
// The runs that a composition's schedules are put together from.
#include <algorithm>
#include <cassert>
#include <optional>
#include <utility>

#include "planner/composition_structure.hpp"
#include "schedule/assembly.hpp"
#include "topology/subset.hpp"

namespace tutti::planner::composed {
namespace {

using schedule::Assembly;
using schedule::Buffer;
using schedule::Chunks;
using schedule::Collective;
using schedule::InPlace;
using schedule::Problem;
using schedule::Schedule;
using schedule::Span;

// One schedule of a rank in a group.
struct Part {
  Problem problem;
  Schedule schedule;
};

Part part_of(const Algorithm& algorithm, const Problem& problem, const topology::Topology& group, uint32_t local_rank) {
  return {.problem = problem, .schedule = algorithm.build(problem, group, local_rank)};
}

// `count` chunks from `first`, as the chunks of a group that cuts them into so many.
std::vector<std::vector<Chunks>> cut(uint32_t first, uint32_t count, uint32_t chunk_count) {
  std::vector<std::vector<Chunks>> chunks;
  for (uint32_t chunk = 0; chunk < chunk_count; ++chunk) {
    chunks.push_back({{first + chunk * (count / chunk_count), count / chunk_count}});
  }
  return chunks;
}

schedule::Homes in_slots(schedule::Buffer buffer) {
  return [buffer](uint32_t chunk) { return Span{buffer, chunk}; };
}
schedule::Homes at(schedule::Buffer buffer) {
  return [buffer](uint32_t) { return Span{buffer, 0}; };
}

// A rank's work on a vector.
class OfVector {
 public:
  using Kind = Structure::Kind;
  using Stage = Structure::Stage;
  using Group = Structure::Group;

  OfVector(const Structure& made, const Problem& problem, const topology::Topology& topology, uint32_t rank)
      : made_(made), problem_(problem), rank_(rank), width_(made.stages.front().width), assembly_(problem, {rank, width_ * made.portions, 1}) {
    for (const Stage& stage : made.stages) {
      std::vector<Work>& works = works_.emplace_back();
      for (const uint32_t index : stage.groups_of[rank]) {
        const Group& group = stage.groups[index];
        if (group.members.size() > 1) {
          works.push_back(work_of(stage, group, topology));
        }
      }
    }
  }

  Schedule make() && {
    for (uint32_t portion = 0; portion < made_.portions; ++portion) {
      first_chunk_ = portion * width_;
      begin_portion();
      const size_t count = made_.stages.size();
      for (size_t stage = 0; stage < count; ++stage) {
        bool has_run = false;  // the pieces of a stage are apart
        for (const Work& work : works_[stage]) {
          has_run |= run_out(stage, work);
        }
        has_changed_ |= has_run;
      }
      for (size_t stage = count; stage-- > 0;) {
        for (const Work& work : works_[stage]) {
          run_back(stage, work);
        }
      }
      assembly_.forget();
    }
    return std::move(assembly_).build();
  }

 private:
  struct Work {
    const Group* group = nullptr;
    topology::Topology topology;
    uint32_t local_rank = 0;
    std::optional<Part> out;        // of data that is where it is to be changed
    std::optional<Part> first_out;  // of data that is still in the input
    std::optional<Part> back;
    std::optional<Part> last_back;  // with which a broadcast's root fills its output
  };

  bool is(Collective collective) const { return problem_.collective == collective; }

  Work work_of(const Stage& stage, const Group& group, const topology::Topology& topology) {
    Work work{.group = &group, .topology = topology::subset_of(topology, group.members), .local_rank = 0, .out = {}, .first_out = {}, .back = {}, .last_back = {}};
    work.local_rank = static_cast<uint32_t>(std::ranges::find(group.members, rank_) - group.members.begin());
    const auto make = [&](const Algorithm& algorithm, Collective collective, InPlace in_place) {
      return part_of(algorithm, {.collective = collective, .rank_count = work.topology.rank_count(), .root = group.root, .in_place = in_place}, work.topology,
                     work.local_rank);
    };
    const auto make_half = [&](Way way, InPlace in_place) {
      Problem half = half_problem(problem_, way, group);
      const Algorithm& algorithm = algorithm_of(*stage.level, half, work.topology);
      half.in_place = in_place;
      return part_of(algorithm, half, work.topology, work.local_rank);
    };
    const auto make_out = [&](InPlace in_place) {
      switch (stage.kind) {
        case Kind::whole: return make(stage.level->whole, Collective::all_reduce, in_place);
        case Kind::halves: return make_half(Way::out, in_place);
        default: return make(stage.level->whole, Collective::reduce, in_place);
      }
    };
    // Only what the root's domain has is scattered, or gathered for it.
    const bool has_halves = stage.kind == Kind::halves;
    if (!is(Collective::broadcast) || (has_halves && group.has_root)) {
      work.out = make_out(InPlace::yes);
      // A group's root that is not the whole's keeps what it has reduced elsewhere.
      const bool is_apart = is(Collective::reduce) && rank_ != problem_.root;
      work.first_out = make_out(is_apart ? InPlace::no : problem_.in_place);
    }
    if (has_halves && (!is(Collective::reduce) || group.has_root)) {
      work.back = make_half(Way::back, InPlace::yes);
    } else if (stage.kind == Kind::leaders && !is(Collective::reduce)) {
      work.back = make(stage.level->whole, Collective::broadcast, InPlace::yes);
      fills_output_ = fills_output_ == nullptr ? &stage : fills_output_;
      if (is(Collective::broadcast) && rank_ == problem_.root && fills_output_ == &stage) {
        work.last_back = make(stage.level->whole, Collective::broadcast, problem_.in_place);
      }
    }
    return work;
  }

  void begin_portion() {
    has_changed_ = false;
    if (is(Collective::reduce) && rank_ != problem_.root && leads()) {
      const uint32_t scratch = assembly_.add_scratch(width_);
      result_ = [scratch, first = first_chunk_](uint32_t chunk) { return Span{Buffer::scratch, scratch + (chunk - first)}; };
    } else {
      result_ = in_slots(Buffer::output);
    }
  }
  // Whether other ranks' data come to this one.
  bool leads() const {
    for (size_t stage = 0; stage < works_.size(); ++stage) {
      for (const Work& work : works_[stage]) {
        if (made_.stages[stage].kind == Kind::halves || work.local_rank == work.group->root) {
          return true;
        }
      }
    }
    return false;
  }

  void run(size_t stage, const Work& work, const Part& part, uint32_t way, const schedule::Homes& input, const schedule::Homes& output) {
    const Stage& of = made_.stages[stage];
    const uint32_t first = first_chunk_ + work.group->piece * of.width;
    const bool is_back = way % 2 != 0;
    const bool is_last = stage + 1 == made_.stages.size();
    assembly_.add({.problem = part.problem,
                   .schedule = part.schedule,
                   .members = work.group->members,
                   .way = way,
                   .first_channel = is_back ? of.channels : 0,
                   .final = is_last && !is_back ? schedule::Final::yes : schedule::Final::no,
                   .chunks = cut(first, of.width, part.schedule.chunk_count),
                   .input = input,
                   .output = output});
  }

  bool run_out(size_t stage, const Work& work) {
    if (!work.out) {
      return false;
    }
    if (has_changed_) {
      run(stage, work, *work.out, 2 * static_cast<uint32_t>(stage), result_, result_);
    } else {
      run(stage, work, *work.first_out, 2 * static_cast<uint32_t>(stage), in_slots(Buffer::input), result_);
    }
    return true;
  }

  void run_back(size_t stage, const Work& work) {
    if (!work.back) {
      return;
    }
    const uint32_t way = 2 * static_cast<uint32_t>(stage) + 1;
    if (is(Collective::broadcast) && rank_ == problem_.root && !has_changed_) {
      const schedule::Homes own = in_slots(Buffer::input);
      run(stage, work, work.last_back ? *work.last_back : *work.back, way, own, work.last_back ? in_slots(Buffer::output) : own);
      return;
    }
    run(stage, work, *work.back, way, result_, result_);
  }

  const Structure& made_;
  const Problem& problem_;
  uint32_t rank_;
  uint32_t width_;
  Assembly assembly_;
  std::vector<std::vector<Work>> works_;  // by stage
  uint32_t first_chunk_ = 0;              // of the portion
  bool has_changed_ = false;              // whether the data have left the input
  const Stage* fills_output_ = nullptr;   // that at which a broadcast's root, if it has scattered nothing, fills its output
  schedule::Homes result_;
};

// A rank's work on blocks. At each stage the ranks of a group, one of each part of a domain, exchange blocks of ranks that stand at the group's place in
// their domains, wherever these are; a member has, or gets, those of its part of a domain, and of parts elsewhere for which it stands in.
class OfBlocks {
 public:
  using Stage = Structure::Stage;
  using Group = Structure::Group;

  OfBlocks(const Structure& made, const Problem& problem, const topology::Topology& topology, uint32_t rank)
      : made_(made), problem_(problem), topology_(topology), rank_(rank), ranks_(problem.rank_count), assembly_(problem, {rank, chunk_count(), 1}) {}

  Schedule make() && {
    switch (problem_.collective) {
      case Collective::barrier:
        for (size_t stage = 0; stage < made_.stages.size(); ++stage) {
          for_each_group(stage, [&](const Group& group) { run(stage, group, InPlace::no, Ranges{{Chunks{0, 1}}}, at(Buffer::input), at(Buffer::output)); });
        }
        break;
      case Collective::all_gather: all_gather(); break;
      case Collective::reduce_scatter: reduce_scatter(); break;
      case Collective::all_to_all: all_to_all(); break;
      case Collective::gather: gather(); break;
      default: scatter(); break;
    }
    return std::move(assembly_).build();
  }

 private:
  using Ranges = std::vector<std::vector<Chunks>>;

  uint32_t chunk_count() const {
    return problem_.collective == Collective::barrier ? 1 : problem_.collective == Collective::all_to_all ? ranks_ * ranks_ : ranks_;
  }

  // Those of several that this rank is in.
  template <typename Visit>
  void for_each_group(size_t stage, Visit visit) const {
    for (const uint32_t index : made_.stages[stage].groups_of[rank_]) {
      const Group& group = made_.stages[stage].groups[index];
      if (group.members.size() > 1) {
        visit(group);
      }
    }
  }
  uint32_t own_index(const Group& group) const {
    return static_cast<uint32_t>(std::ranges::find(group.members, rank_) - group.members.begin());
  }

  void run(size_t stage, const Group& group, InPlace in_place, const Ranges& chunks, const schedule::Homes& input, const schedule::Homes& output) {
    const topology::Topology topology = topology::subset_of(topology_, group.members);
    const Part part = part_of(made_.stages[stage].level->whole,
                              {.collective = problem_.collective, .rank_count = topology.rank_count(), .root = group.root, .in_place = in_place}, topology, own_index(group));
    assembly_.add({.problem = part.problem,
                   .schedule = part.schedule,
                   .members = group.members,
                   .way = static_cast<uint32_t>(stage),
                   .first_channel = 0,
                   .final = stage + 1 == made_.stages.size() ? schedule::Final::yes : schedule::Final::no,
                   .chunks = chunks,
                   .input = input,
                   .output = output,
                   .begins_after_all = true});
  }

  // By member: the ranks at the group's place for whom it stands.
  std::vector<std::vector<uint32_t>> ranks_by_member(size_t stage, const Group& group) const {
    std::vector<std::vector<uint32_t>> by_member(group.members.size());
    for (uint32_t rank = 0; rank < ranks_; ++rank) {
      if (made_.stands_at(rank, group.place)) {
        by_member[made_.stages[stage].part[rank] % group.members.size()].push_back(rank);
      }
    }
    return by_member;
  }
  // By member: the ranks in its part of the group's domain.
  std::vector<std::vector<uint32_t>> ranks_by_part(size_t stage, const Group& group) const {
    std::vector<std::vector<uint32_t>> by_part(group.members.size());
    for (uint32_t rank = 0; rank < ranks_; ++rank) {
      if (made_.stages[stage].partition[rank] == made_.stages[stage].partition[rank_]) {
        by_part[made_.stages[stage].part[rank]].push_back(rank);
      }
    }
    return by_part;
  }
  static Ranges blocks(const std::vector<std::vector<uint32_t>>& ranks_of_members) {
    Ranges ranges;
    for (const std::vector<uint32_t>& ranks : ranks_of_members) {
      std::vector<Chunks>& own = ranges.emplace_back();
      for (const uint32_t rank : ranks) {
        own.push_back({rank, 1});
      }
    }
    return ranges;
  }

  // Where each of some ranks comes among them.
  std::vector<uint32_t> numbered(const std::vector<uint32_t>& ranks) const {
    std::vector<uint32_t> numbers(ranks_, 0);
    for (uint32_t index = 0; index < ranks.size(); ++index) {
      numbers[ranks[index]] = index;
    }
    return numbers;
  }
  // The blocks of some ranks.
  schedule::Homes in_scratch(const std::vector<uint32_t>& ranks) {
    const uint32_t scratch = assembly_.add_scratch(static_cast<uint32_t>(ranks.size()));
    return [scratch, numbers = numbered(ranks)](uint32_t chunk) { return Span{Buffer::scratch, scratch + numbers[chunk]}; };
  }
  // After a stage this rank works for them.
  std::vector<uint32_t> kept(size_t stage) const {
    std::vector<uint32_t> ranks;
    for_each_group(stage, [&](const Group& group) {
      const std::vector<uint32_t> own = ranks_by_member(stage, group)[own_index(group)];
      ranks.insert(ranks.end(), own.begin(), own.end());
    });
    return ranks;
  }
  bool is_alone(size_t stage) const { return made_.stages[stage].groups[made_.stages[stage].groups_of[rank_].front()].members.size() == 1; }

  void all_gather() {
    for (size_t stage = made_.stages.size(); stage-- > 0;) {
      const bool is_first = stage + 1 == made_.stages.size();
      for_each_group(stage, [&](const Group& group) {
        run(stage, group, is_first ? problem_.in_place : InPlace::yes, blocks(ranks_by_member(stage, group)),
            is_first ? at(Buffer::input) : in_slots(Buffer::output), in_slots(Buffer::output));
      });
    }
  }

  void reduce_scatter() {
    schedule::Homes from = in_slots(Buffer::input);
    for (size_t stage = 0; stage < made_.stages.size(); ++stage) {
      if (is_alone(stage)) {
        continue;
      }
      const schedule::Homes to = stage + 1 == made_.stages.size() ? at(Buffer::output) : in_scratch(kept(stage));
      for_each_group(stage, [&](const Group& group) { run(stage, group, InPlace::no, blocks(ranks_by_member(stage, group)), from, to); });
      from = to;
    }
  }

  // What this rank sends, out of the way of what it receives.
  schedule::Homes put_aside(const schedule::Homes& from) {
    schedule::Builder builder({.rank = 0, .chunk_count = 1, .parts = 1});
    builder.copy(builder.add_lane(), {}, {.source = {Buffer::input, 0}, .target = {Buffer::output, 0}});
    const Part part{.problem = {.collective = Collective::all_to_all, .rank_count = 1}, .schedule = std::move(builder).build()};
    const uint32_t scratch = assembly_.add_scratch(ranks_);
    const schedule::Homes to = [scratch, p = ranks_](uint32_t chunk) { return Span{Buffer::scratch, scratch + chunk % p}; };
    Ranges own(1);
    for (uint32_t target = 0; target < ranks_; ++target) {
      own.front().push_back({rank_ * ranks_ + target, 1});
    }
    const std::vector<uint32_t> members = {rank_};
    assembly_.add({.problem = part.problem, .schedule = part.schedule, .members = members, .chunks = own, .input = from, .output = to});
    return to;
  }

  // Before a stage a rank has what those of its part of the domain send to all whom it stands for.
  void all_to_all() {
    schedule::Homes from = [p = ranks_](uint32_t chunk) { return Span{Buffer::input, chunk % p}; };
    bool is_in_input = true;
    for (size_t stage = 0; stage < made_.stages.size(); ++stage) {
      if (is_alone(stage)) {
        continue;
      }
      if (stage + 1 == made_.stages.size() && is_in_input && problem_.in_place == InPlace::yes) {
        from = put_aside(from);
      }
      is_in_input = false;
      schedule::Homes to = [p = ranks_](uint32_t chunk) { return Span{Buffer::output, chunk / p}; };
      if (stage + 1 != made_.stages.size()) {
        std::vector<uint32_t> sources;
        for (uint32_t rank = 0; rank < ranks_; ++rank) {
          if (made_.stages[stage].partition[rank] == made_.stages[stage].partition[rank_]) {
            sources.push_back(rank);
          }
        }
        const std::vector<uint32_t> targets = kept(stage);
        const auto source_count = static_cast<uint32_t>(sources.size());
        const uint32_t scratch = assembly_.add_scratch(source_count * static_cast<uint32_t>(targets.size()));
        to = [scratch, source_count, p = ranks_, sources = numbered(sources), targets = numbered(targets)](uint32_t chunk) {
          return Span{Buffer::scratch, scratch + targets[chunk % p] * source_count + sources[chunk / p]};
        };
      }
      for_each_group(stage, [&](const Group& group) {
        const std::vector<std::vector<uint32_t>> targets = ranks_by_member(stage, group);
        Ranges ranges;
        for (const std::vector<uint32_t>& of_source : ranks_by_part(stage, group)) {
          for (const std::vector<uint32_t>& of_target : targets) {
            std::vector<Chunks>& own = ranges.emplace_back();
            for (const uint32_t source : of_source) {
              for (const uint32_t target : of_target) {
                own.push_back({source * ranks_ + target, 1});
              }
            }
          }
        }
        run(stage, group, InPlace::no, ranges, from, to);
      });
      from = to;
    }
  }

  // The stages at which this rank is in a group, which it leads in all but the last one, or, the root, in all.
  std::vector<size_t> own_stages() const {
    std::vector<size_t> stages;
    for (size_t stage = 0; stage < made_.stages.size(); ++stage) {
      for_each_group(stage, [&](const Group&) { stages.push_back(stage); });
    }
    return stages;
  }
  const Group& only_group(size_t stage) const { return made_.stages[stage].groups[made_.stages[stage].groups_of[rank_].front()]; }
  // Where the blocks are that pass this rank.
  schedule::Homes in_passing(const std::vector<size_t>& stages, Buffer whole) {
    std::vector<uint32_t> ranks;
    if (rank_ == problem_.root) {
      return in_slots(whole);
    }
    for (const size_t stage : stages) {
      const Group& group = only_group(stage);
      if (own_index(group) == group.root) {
        ranks.clear();
        for (const std::vector<uint32_t>& part : ranks_by_part(stage, group)) {
          ranks.insert(ranks.end(), part.begin(), part.end());
        }
      }
    }
    return in_scratch(ranks);
  }

  void gather() {
    const std::vector<size_t> stages = own_stages();
    const schedule::Homes to = in_passing(stages, Buffer::output);
    for (const size_t stage : stages) {
      const bool is_first = stage == stages.front();
      run(stage, only_group(stage), is_first ? (rank_ == problem_.root ? problem_.in_place : InPlace::no) : InPlace::yes,
          blocks(ranks_by_part(stage, only_group(stage))), is_first ? at(Buffer::input) : to, to);
    }
  }

  void scatter() {
    std::vector<size_t> stages = own_stages();
    const schedule::Homes from = in_passing(stages, Buffer::input);
    std::ranges::reverse(stages);
    for (const size_t stage : stages) {
      const bool is_last = stage == stages.back();
      run(stage, only_group(stage), is_last ? (rank_ == problem_.root ? problem_.in_place : InPlace::no) : InPlace::yes,
          blocks(ranks_by_part(stage, only_group(stage))), from, is_last ? at(Buffer::output) : from);
    }
  }

  const Structure& made_;
  const Problem& problem_;
  const topology::Topology& topology_;
  uint32_t rank_;
  uint32_t ranks_;
  Assembly assembly_;
};

}  // namespace

Schedule schedule_of(const Structure& structure, const Problem& problem, const topology::Topology& topology, uint32_t rank) {
  Schedule schedule = is_vector(problem.collective) ? OfVector(structure, problem, topology, rank).make() : OfBlocks(structure, problem, topology, rank).make();
  assert(schedule.channel_count <= structure.channel_count());
  schedule.channel_count = structure.channel_count();
  return schedule;
}

}  // namespace tutti::planner::composed
