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

Part part_of(const Algorithm& algorithm, Collective collective, const topology::Topology& group, uint32_t local_rank, uint32_t root, InPlace in_place) {
  Part part{.problem = {.collective = collective, .rank_count = group.rank_count(), .root = root, .in_place = in_place}, .schedule = {}};
  part.schedule = algorithm.build(part.problem, group, local_rank);
  return part;
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
        for (const Work& work : works_[stage]) {
          run_out(stage, work);
        }
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
      return part_of(algorithm, collective, work.topology, work.local_rank, group.root, in_place);
    };
    const auto make_out = [&](InPlace in_place) {
      switch (stage.kind) {
        case Kind::whole: return make(stage.level->whole, Collective::all_reduce, in_place);
        case Kind::halves: return make(stage.level->reduce_scatter, Collective::reduce_scatter, in_place);
        default: return make(stage.level->whole, Collective::reduce, in_place);
      }
    };
    if (!is(Collective::broadcast)) {
      work.out = make_out(InPlace::yes);
      // A group's root that is not the whole's keeps what it has reduced elsewhere.
      const bool is_apart = is(Collective::reduce) && rank_ != problem_.root;
      work.first_out = make_out(is_apart ? InPlace::no : problem_.in_place);
    }
    if (stage.kind != Kind::whole && !is(Collective::reduce)) {
      work.back = stage.kind == Kind::halves ? make(stage.level->all_gather, Collective::all_gather, InPlace::yes)
                                             : make(stage.level->whole, Collective::broadcast, InPlace::yes);
      if (is(Collective::broadcast) && rank_ == problem_.root && !std::exchange(has_last_back_, true)) {
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
    return std::ranges::any_of(works_, [&](const std::vector<Work>& works) {
      return std::ranges::any_of(works, [&](const Work& work) { return work.local_rank == work.group->root; });
    });
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

  void run_out(size_t stage, const Work& work) {
    if (!work.out) {
      return;
    }
    if (has_changed_) {
      run(stage, work, *work.out, 2 * static_cast<uint32_t>(stage), result_, result_);
    } else {
      run(stage, work, *work.first_out, 2 * static_cast<uint32_t>(stage), in_slots(Buffer::input), result_);
    }
    if (&work == &works_[stage].back()) {  // the pieces of a stage are apart
      has_changed_ = true;
    }
  }

  void run_back(size_t stage, const Work& work) {
    if (!work.back) {
      return;
    }
    const uint32_t way = 2 * static_cast<uint32_t>(stage) + 1;
    if (is(Collective::broadcast) && rank_ == problem_.root) {
      const schedule::Homes own = in_slots(Buffer::input);
      run(stage, work, work.last_back ? *work.last_back : *work.back, way, own, work.last_back ? in_slots(Buffer::output) : own);
      return;
    }
    run(stage, work, *work.back, way, in_slots(Buffer::output), in_slots(Buffer::output));
  }

  const Structure& made_;
  const Problem& problem_;
  uint32_t rank_;
  uint32_t width_;
  Assembly assembly_;
  std::vector<std::vector<Work>> works_;  // by stage
  uint32_t first_chunk_ = 0;              // of the portion
  bool has_changed_ = false;              // whether the data have left the input
  bool has_last_back_ = false;
  schedule::Homes result_;
};

// A rank's work on blocks. At stage i the ranks whose places differ in digit i alone exchange; a block is known by its rank's place.
class OfBlocks {
 public:
  OfBlocks(const Structure& made, const Problem& problem, const topology::Topology& topology, uint32_t rank)
      : made_(made), problem_(problem), topology_(topology), rank_(rank), ranks_(problem.rank_count), assembly_(problem, {rank, chunk_count(), 1}) {}

  Schedule make() && {
    const size_t count = made_.stages.size();
    switch (problem_.collective) {
      case Collective::barrier:
        for (size_t stage = 0; stage < count; ++stage) {
          run(stage, InPlace::no, Ranges{std::vector<Chunks>{Chunks{0, 1}}}, at(Buffer::input), at(Buffer::output));
        }
        break;
      case Collective::all_gather:
        for (size_t stage = count; stage-- > 0;) {
          const bool is_first = stage + 1 == count;
          run(stage, is_first ? problem_.in_place : InPlace::yes, blocks_by_digit(stage), is_first ? at(Buffer::input) : in_slots(Buffer::output),
              in_slots(Buffer::output));
        }
        break;
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
  uint32_t place() const { return made_.place_of[rank_]; }

  void run(size_t stage, InPlace in_place, const Ranges& chunks, const schedule::Homes& input, const schedule::Homes& output) {
    const std::vector<uint32_t> members = made_.members_of(rank_, stage);
    if (members.size() == 1) {
      return;
    }
    const uint32_t root = schedule::is_rooted(problem_.collective) ? made_.digit(problem_.root, stage) : 0;
    const Part part = part_of(made_.stages[stage].level->whole, problem_.collective, topology::subset_of(topology_, members), made_.digit(rank_, stage), root, in_place);
    assembly_.add({.problem = part.problem,
                   .schedule = part.schedule,
                   .members = members,
                   .way = static_cast<uint32_t>(stage),
                   .first_channel = 0,
                   .final = stage + 1 == made_.stages.size() ? schedule::Final::yes : schedule::Final::no,
                   .chunks = chunks,
                   .input = input,
                   .output = output,
                   .begins_after_all = true});
  }

  // Of places with the digit `value` at `stage`: the ranks with this rank's lower digits and any higher ones, or the other way round.
  enum class Free : uint8_t { lower, higher };
  std::vector<uint32_t> places(size_t stage, uint32_t value, Free free) const {
    const uint32_t stride = made_.stages[stage].stride;
    const uint32_t next = stride * made_.stages[stage].size;
    const uint32_t lower = place() % stride;
    const uint32_t higher = place() / next * next;
    std::vector<uint32_t> found;
    for (uint32_t at = 0; at < (free == Free::lower ? stride : ranks_ / next); ++at) {
      found.push_back((free == Free::lower ? at : lower) + value * stride + (free == Free::lower ? higher : at * next));
    }
    return found;
  }
  // By digit at `stage`: its blocks.
  Ranges blocks(size_t stage, Free free) const {
    Ranges ranges;
    for (uint32_t value = 0; value < made_.stages[stage].size; ++value) {
      std::vector<Chunks>& own = ranges.emplace_back();
      for (const uint32_t place : places(stage, value, free)) {
        own.push_back({made_.rank_at[place], 1});
      }
    }
    return ranges;
  }
  Ranges blocks_by_digit(size_t stage) const { return blocks(stage, Free::higher); }

  // Blocks of ranks in scratch, by a number that is made from their places.
  template <typename Number>
  schedule::Homes in_scratch(uint32_t count, Number number) {
    const uint32_t scratch = assembly_.add_scratch(count);
    return [this, scratch, number](uint32_t chunk) { return Span{Buffer::scratch, scratch + number(made_.place_of[chunk])}; };
  }

  void reduce_scatter() {
    schedule::Homes from = in_slots(Buffer::input);
    for (size_t stage = 0; stage < made_.stages.size(); ++stage) {
      const uint32_t next = made_.stages[stage].stride * made_.stages[stage].size;
      const schedule::Homes to = stage + 1 == made_.stages.size()
                                     ? at(Buffer::output)
                                     : in_scratch(ranks_ / next, [next](uint32_t place) { return place / next; });
      const bool is_alone = made_.stages[stage].size == 1;
      run(stage, made_.stages.size() == 1 ? problem_.in_place : InPlace::no, blocks_by_digit(stage), from, to);
      from = is_alone ? from : to;
    }
  }

  // Before stage i a rank has what those with its higher digits, i among them, send to those with its lower ones.
  void all_to_all() {
    schedule::Homes from = [](uint32_t) { return Span{}; };
    from = [p = ranks_](uint32_t chunk) { return Span{Buffer::input, chunk % p}; };
    for (size_t stage = 0; stage < made_.stages.size(); ++stage) {
      const uint32_t next = made_.stages[stage].stride * made_.stages[stage].size;
      schedule::Homes to = [p = ranks_](uint32_t chunk) { return Span{Buffer::output, chunk / p}; };
      if (stage + 1 != made_.stages.size()) {
        const uint32_t scratch = assembly_.add_scratch(ranks_);
        to = [this, scratch, next](uint32_t chunk) {
          const uint32_t source = made_.place_of[chunk / ranks_];
          const uint32_t target = made_.place_of[chunk % ranks_];
          return Span{Buffer::scratch, scratch + source % next + target / next * next};
        };
      }
      Ranges ranges;
      const uint32_t size = made_.stages[stage].size;
      for (uint32_t source = 0; source < size; ++source) {
        for (uint32_t target = 0; target < size; ++target) {
          std::vector<Chunks>& own = ranges.emplace_back();
          for (const uint32_t from_place : places(stage, source, Free::lower)) {
            for (const uint32_t to_place : places(stage, target, Free::higher)) {
              own.push_back({made_.rank_at[from_place] * ranks_ + made_.rank_at[to_place], 1});
            }
          }
        }
      }
      run(stage, InPlace::no, ranges, from, to);
      from = to;
    }
  }

  // Whether this rank's digits below `stage` are the root's.
  bool stands_by_root(size_t stage) const {
    const uint32_t stride = made_.stages[stage].stride;
    return place() % stride == made_.place_of[problem_.root] % stride;
  }
  // The lowest stage from which on this rank is no group's root.
  size_t first_stage_below() const {
    size_t stage = 0;
    while (stage < made_.stages.size() && made_.digit(rank_, stage) == made_.digit(problem_.root, stage)) {
      ++stage;
    }
    return stage;
  }
  // For who leads up to a stage: the blocks of all that stand below it.
  schedule::Homes in_scratch_of_leader() {
    const size_t last = first_stage_below();
    const uint32_t count = made_.stages[last].stride;
    return in_scratch(count, [count](uint32_t place) { return place % count; });
  }

  void gather() {
    const bool is_root = rank_ == problem_.root;
    schedule::Homes to = in_slots(Buffer::output);
    if (!is_root && first_stage_below() > 0) {
      to = in_scratch_of_leader();
    }
    for (size_t stage = 0; stage < made_.stages.size() && stands_by_root(stage); ++stage) {
      const bool is_first = stage == 0;
      run(stage, is_first ? (is_root ? problem_.in_place : InPlace::no) : InPlace::yes, blocks(stage, Free::lower), is_first ? at(Buffer::input) : to, to);
    }
  }

  void scatter() {
    const bool is_root = rank_ == problem_.root;
    schedule::Homes from = in_slots(Buffer::input);
    if (!is_root && first_stage_below() > 0) {
      from = in_scratch_of_leader();
    }
    for (size_t stage = made_.stages.size(); stage-- > 0;) {
      if (!stands_by_root(stage)) {
        continue;
      }
      const bool is_last = stage == 0;
      run(stage, is_last ? (is_root ? problem_.in_place : InPlace::no) : InPlace::yes, blocks(stage, Free::lower), from, is_last ? at(Buffer::output) : from);
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
