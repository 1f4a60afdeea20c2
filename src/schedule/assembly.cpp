// SPDX-License-Identifier: Apache-2.0
#include "schedule/assembly.hpp"

#include <algorithm>
#include <cassert>
#include <numeric>
#include <set>
#include <utility>

namespace tutti::schedule {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

// The group's chunk whose place a slot of the input or output is.
uint32_t chunk_at(const Problem& problem, const Schedule& schedule, const Span& span) {
  const uint32_t own = schedule.rank * schedule.parts;
  const bool is_input = span.buffer == Buffer::input;
  switch (problem.collective) {
    case Collective::all_gather:
    case Collective::gather:
      return is_input ? own + span.slot : span.slot;
    case Collective::reduce_scatter:
    case Collective::scatter:
      return is_input ? span.slot : own + span.slot;
    case Collective::all_to_all:
      return is_input ? own * problem.rank_count + span.slot
                      : (span.slot / schedule.parts * problem.rank_count + schedule.rank) * schedule.parts + span.slot % schedule.parts;
    default:
      return span.slot;
  }
}

// By range: chunks of the whole in a chunk of the group.
std::vector<uint32_t> widths_of(const std::vector<std::vector<Chunks>>& chunks) {
  std::vector<uint32_t> widths;
  for (const std::vector<Chunks>& ranges : chunks) {
    widths.resize(std::max(widths.size(), ranges.size()));
    for (size_t range = 0; range < ranges.size(); ++range) {
      widths[range] = ranges[range].count;
    }
  }
  return widths;
}

// Of the steps of a group's schedule, some of which have no pieces: those pieces that are done last.
class Ends {
 public:
  Ends(const Schedule& group, const std::vector<uint32_t>& first_piece) : group_(group), first_piece_(first_piece) {
    is_first_.resize(group.steps.size());
    for (const Lane& lane : group.lanes) {
      is_first_[lane.first_step] = true;
    }
  }

  // Of the step before it in its lane, if there is one.
  template <typename Visit>
  void before(uint32_t step, Visit visit) {
    if (!is_first_[step]) {
      of(step - 1, visit);
    }
  }
  // A step without pieces stands for all that it waits for.
  template <typename Visit>
  void of(uint32_t step, Visit visit) {
    if (first_piece_[step] != first_piece_[step + 1]) {
      visit(first_piece_[step + 1] - 1);
      return;
    }
    const std::vector<uint32_t>& found = of_empty(step);
    std::ranges::for_each(found, visit);
  }

 private:
  const std::vector<uint32_t>& of_empty(uint32_t step) {
    if (const auto known = known_.find(step); known != known_.end()) {
      return known->second;
    }
    std::set<uint32_t> ends;
    const auto add = [&](uint32_t piece) { ends.insert(piece); };
    before(step, add);
    for (const Wait& wait : group_.waits_of(group_.steps[step])) {
      of(wait.step, add);
    }
    return known_[step] = {ends.begin(), ends.end()};
  }

  const Schedule& group_;
  const std::vector<uint32_t>& first_piece_;
  std::vector<bool> is_first_;  // in its lane, by step
  std::map<uint32_t, std::vector<uint32_t>> known_;
};

bool is_message(const Step& step) {
  return step.kind == StepKind::send || step.kind == StepKind::receive || step.kind == StepKind::receive_reduce;
}

}  // namespace

bool can_be_assembled(const Problem& problem, const Schedule& schedule) {
  const auto lies_well = [&](const Step& step, const Span& span) {
    if (span.rank != kOwnRank) {
      return false;
    }
    if (span.buffer != Buffer::input && span.buffer != Buffer::output) {
      return true;
    }
    for (uint32_t index = 0; index < step.chunk_count; ++index) {
      if (chunk_at(problem, schedule, {span.buffer, span.slot + index}) != (step.first_chunk + index) % schedule.chunk_count) {
        return false;
      }
    }
    return true;
  };
  return std::ranges::all_of(schedule.steps, [&](const Step& step) {
    if (step.kind == StepKind::signal || step.kind == StepKind::await || step.target_count != 0 || step.if_private) {
      return false;
    }
    return problem.collective == Collective::barrier || (lies_well(step, step.source) && lies_well(step, step.target) &&
           std::ranges::all_of(schedule.sources_of(step), [&](const Span& source) { return lies_well(step, source); }));
  });
}

Assembly::Assembly(const Problem& problem, const Builder::Shape& shape) : problem_(problem), slot_count_(shape.chunk_count) {
  schedule_.rank = shape.rank;
  schedule_.chunk_count = shape.chunk_count;
  schedule_.parts = shape.parts;
}

uint32_t Assembly::add_scratch(uint32_t count) { return std::exchange(schedule_.scratch_slots, schedule_.scratch_slots + count); }

// In place the input and the output share memory as NCCL has it.
size_t Assembly::location(Span span) const {
  const uint32_t own = schedule_.rank * schedule_.parts;
  if (problem_.in_place == InPlace::yes && span.buffer != Buffer::scratch) {
    switch (problem_.collective) {
      case Collective::all_gather:
      case Collective::gather:
        span.slot += span.buffer == Buffer::input ? own : 0;
        break;
      case Collective::reduce_scatter:
      case Collective::scatter:
        span.slot += span.buffer == Buffer::output ? own : 0;
        break;
      default:
        break;
    }
    span.buffer = Buffer::input;
  }
  switch (span.buffer) {
    case Buffer::input:
      return span.slot;
    case Buffer::output:
      return size_t{slot_count_} + span.slot;
    default:
      return 2 * size_t{slot_count_} + span.slot;
  }
}

template <typename Visit>
void Assembly::for_each_slot(const Span& span, uint32_t count, Visit visit) {
  if (span.buffer == Buffer::none) {
    return;
  }
  const size_t first = location(span);
  if (slots_.size() < first + count) {
    slots_.resize(first + count);
  }
  for (size_t index = first; index < first + count; ++index) {
    visit(slots_[index]);
  }
}

// Slice by slice, if both have the same chunks.
void Assembly::wait_for(uint32_t waiting, uint32_t other) {
  if (waited_by_[other] == waiting) {
    return;
  }
  waited_by_[other] = waiting;
  const Step& step = steps_[waiting].step;
  const Step& before = steps_[other].step;
  const bool are_alike = step.first_chunk == before.first_chunk && step.chunk_count == before.chunk_count;
  steps_[waiting].waits.push_back({other, are_alike ? WaitMode::streaming : WaitMode::complete});
}

void Assembly::wait_for_accesses(uint32_t index) {
  const auto look = [&](const Span& span, bool writes) {
    for_each_slot(span, steps_[index].step.chunk_count, [&](const Slot& slot) {
      for (uint32_t at = slot.first; at != kNone; at = accesses_[at].next) {
        if (writes || accesses_[at].writes) {
          wait_for(index, accesses_[at].step);
        }
      }
    });
  };
  look(steps_[index].step.source, false);
  for (const Span& source : steps_[index].sources) {
    look(source, false);
  }
  look(steps_[index].step.target, true);
}

// What a run writes comes after all that runs before it have done there.
void Assembly::note_accesses(uint32_t index, bool writes) {
  const auto note = [&](const Span& span) {
    for_each_slot(span, steps_[index].step.chunk_count, [&](Slot& slot) {
      if (writes && slot.written_in != run_count_) {
        slot.first = kNone;
        slot.written_in = run_count_;
      }
      accesses_.push_back({.step = index, .writes = writes, .next = slot.first});
      slot.first = static_cast<uint32_t>(accesses_.size() - 1);
    });
  };
  if (writes) {
    note(steps_[index].step.target);
    return;
  }
  note(steps_[index].step.source);
  for (const Span& source : steps_[index].sources) {
    note(source);
  }
}

void Assembly::forget() {
  slots_.clear();
  accesses_.clear();
}

// A step of the group is one of the whole for each of the ranges that its chunks are; those of a vector that follow one another are one.
void Assembly::add_pieces(const Run& run, const std::vector<uint32_t>& widths, const Step& step, uint32_t lane, uint32_t channel) {
  const Schedule& group = run.schedule;
  const Key key = is_message(step) ? Key{.way = run.way,
                                         .does = step.kind == StepKind::send ? Does::send : Does::receive,
                                         .channel = channel,
                                         .other = run.members[step.peer]}
                                   : Key{.way = run.way, .does = Does::work, .channel = 0, .other = lane};
  std::vector<uint32_t>& steps = lanes_[key];
  const uint32_t scratch = schedule_.scratch_slots - group.scratch_slots * std::accumulate(widths.begin(), widths.end(), 0u);
  uint32_t before = 0;  // chunks of the ranges before
  for (size_t range = 0; range < widths.size(); ++range) {
    const uint32_t width = widths[range];
    const auto moved = [&](const Span& span, uint32_t index) {
      switch (span.buffer) {
        case Buffer::input:
        case Buffer::output: {
          const uint32_t chunk = chunk_at(run.problem, group, {span.buffer, span.slot + index});
          const uint32_t first = run.chunks[chunk][range].first;
          return span.buffer == Buffer::input ? run.input(first) : run.output(first);
        }
        case Buffer::scratch:
          return Span{Buffer::scratch, scratch + before * group.scratch_slots + (span.slot + index) * width};
        default:
          return span;
      }
    };
    uint32_t end = kNone;  // of the piece before
    for (uint32_t index = 0; index < step.chunk_count; ++index) {
      const std::vector<Chunks>& ranges = run.chunks[(step.first_chunk + index) % group.chunk_count];
      if (range >= ranges.size()) {
        continue;
      }
      const Chunks& chunks = ranges[range];
      if (chunks.first == end && is_cut_vector(problem_.collective)) {
        steps_.back().step.chunk_count += chunks.count;
      } else {
        Pending pending{.step = step, .waits = {}, .sources = {}};
        pending.step.first_chunk = chunks.first;
        pending.step.chunk_count = chunks.count;
        pending.step.peer = is_message(step) ? run.members[step.peer] : 0;
        pending.step.source = moved(step.source, index);
        pending.step.target = moved(step.target, index);
        pending.step.final = run.final == Final::yes ? step.final : Final::no;
        for (const Span& source : group.sources_of(step)) {
          pending.sources.push_back(moved(source, index));
        }
        if (step.gang.exists()) {
          // As all its ranks find it; there are no more numbers than fit.
          const uint64_t number = (uint64_t{run.way} * problem_.rank_count + run.members.front()) * schedule_.chunk_count + chunks.first;
          pending.step.gang = number <= UINT32_MAX ? Gang{.number = static_cast<uint32_t>(number), .message_count = step.gang.message_count} : Gang{};
        }
        steps.push_back(static_cast<uint32_t>(steps_.size()));
        steps_.push_back(std::move(pending));
      }
      end = chunks.first + chunks.count;
    }
    before += width;
  }
}

void Assembly::wait_in_run(const Run& run, const std::vector<uint32_t>& first_piece) {
  const auto pieces_of = [&](uint32_t step) { return first_piece[step + 1] - first_piece[step]; };
  Ends ends(run.schedule, first_piece);
  for (uint32_t step = 0; step < run.schedule.steps.size(); ++step) {
    if (pieces_of(step) == 0) {
      continue;
    }
    const uint32_t first = first_piece[step];
    // The step before it in the group's lane may be in another here.
    ends.before(step, [&](uint32_t other) {
      waited_by_[other] = first;
      steps_[first].waits.push_back({other, WaitMode::complete});
    });
    for (const Wait& wait : run.schedule.waits_of(run.schedule.steps[step])) {
      const bool is_piecewise = wait.mode == WaitMode::streaming && pieces_of(wait.step) == pieces_of(step);
      for (uint32_t piece = 0; piece < pieces_of(step); ++piece) {
        if (is_piecewise) {
          steps_[first + piece].waits.push_back({first_piece[wait.step] + piece, wait.mode});
          continue;
        }
        ends.of(wait.step, [&](uint32_t other) { steps_[first + piece].waits.push_back({other, WaitMode::complete}); });
      }
    }
  }
}

void Assembly::add(const Run& run) {
  assert(!run.chunks.empty());
  ++run_count_;
  const std::vector<uint32_t> widths = widths_of(run.chunks);
  add_scratch(run.schedule.scratch_slots * std::accumulate(widths.begin(), widths.end(), 0u));
  const auto first_of_run = static_cast<uint32_t>(steps_.size());
  std::vector<uint32_t> first_piece;  // by step of the group
  for (uint32_t lane = 0; lane < run.schedule.lanes.size(); ++lane) {
    const Lane& one = run.schedule.lanes[lane];
    assert(first_piece.size() == one.first_step);
    for (const Step& step : run.schedule.steps_of(one)) {
      first_piece.push_back(static_cast<uint32_t>(steps_.size()));
      add_pieces(run, widths, step, lane, run.first_channel + one.channel);
    }
    schedule_.channel_count = std::max(schedule_.channel_count, run.first_channel + one.channel + 1);
  }
  const auto end_of_run = static_cast<uint32_t>(steps_.size());
  first_piece.push_back(end_of_run);
  waited_by_.resize(steps_.size(), kNone);
  wait_in_run(run, first_piece);
  for (uint32_t step = first_of_run; step < end_of_run; ++step) {
    if (problem_.collective != Collective::barrier) {
      wait_for_accesses(step);
      continue;
    }
    for (uint32_t other = 0; run.begins_after_all && other < first_of_run; ++other) {
      if (steps_[step].step.kind == StepKind::send && steps_[other].step.kind == StepKind::receive) {
        steps_[step].waits.push_back({other, WaitMode::complete});
      }
    }
  }
  if (problem_.collective != Collective::barrier) {
    for (const bool writes : {true, false}) {
      for (uint32_t step = first_of_run; step < end_of_run; ++step) {
        note_accesses(step, writes);
      }
    }
  }
}

Schedule Assembly::build() && {
  std::vector<uint32_t> place(steps_.size());
  uint32_t next = 0;
  for (const auto& [key, steps] : lanes_) {
    for (const uint32_t step : steps) {
      place[step] = next++;
    }
  }
  schedule_.steps.reserve(steps_.size());
  std::erase_if(lanes_, [](const auto& lane) { return lane.second.empty(); });
  for (const auto& [key, steps] : lanes_) {
    schedule_.lanes.push_back({.channel = key.channel, .first_step = static_cast<uint32_t>(schedule_.steps.size()), .step_count = static_cast<uint32_t>(steps.size())});
    for (const uint32_t index : steps) {
      const Pending& pending = steps_[index];
      Step step = pending.step;
      step.first_wait = static_cast<uint32_t>(schedule_.waits.size());
      step.first_source = static_cast<uint32_t>(schedule_.sources.size());
      step.first_target = 0;
      for (const Wait& wait : pending.waits) {
        // The step before it in its lane is done anyway.
        if (place[wait.step] + 1 != place[index] || index == steps.front()) {
          schedule_.waits.push_back({place[wait.step], wait.mode});
        }
      }
      step.wait_count = static_cast<uint32_t>(schedule_.waits.size()) - step.first_wait;
      schedule_.sources.insert(schedule_.sources.end(), pending.sources.begin(), pending.sources.end());
      schedule_.steps.push_back(step);
    }
  }
  return std::move(schedule_);
}

}  // namespace tutti::schedule
