// SPDX-License-Identifier: Apache-2.0
#include "msccl/export.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "msccl/places.hpp"
#include "schedule/names.hpp"

namespace tutti::msccl {
namespace {

using schedule::Buffer;
using schedule::Collective;
using schedule::Schedule;
using schedule::Span;
using schedule::StepKind;

// Of one rank's schedule.
class Writer {
 public:
  explicit Writer(const Schedule& schedule) : schedule_(schedule), position_(schedule.steps.size()) {}

  Result<Gpu> run();

 private:
  // A step of the schedule in a threadblock, or what of it comes there.
  struct Position {
    uint32_t block = 0;
    uint32_t ordinal = 0;  // among the schedule's steps there
  };
  struct Entry {
    uint32_t step = 0;
    std::vector<std::pair<uint32_t, uint32_t>> awaited;  // block and ordinal
    uint32_t last_index = 0;                             // of its last step in the threadblock
  };

  Status check(uint32_t index) const;
  void place(uint32_t lane_index);
  void find_awaited(uint32_t lane_index);
  std::vector<Step> steps_for(const schedule::Step& step) const;
  std::vector<Step> steps_of(const Entry& entry) const;
  static Place place_of(const Span& span) {
    return {.memory = span.buffer == Buffer::input    ? Memory::input
                      : span.buffer == Buffer::output ? Memory::output
                                                      : Memory::scratch,
            .slot = span.slot};
  }

  const Schedule& schedule_;
  Gpu gpu_;
  std::vector<Position> position_;  // by step
  std::vector<std::vector<Entry>> entries_;  // by block
  std::map<std::tuple<StepKind, uint32_t, uint32_t>, uint32_t> block_of_;
};

Status Writer::check(uint32_t index) const {
  const schedule::Step& step = schedule_.steps[index];
  const auto error = [&](std::string_view why) {
    return unsupported_error("rank {} step {} ({}) {}, for which MSCCL has no word", schedule_.rank, index, name_of(step.kind), why);
  };
  const auto is_own = [](const Span& span) { return span.rank == schedule::kOwnRank; };
  if (step.kind == StepKind::signal || step.kind == StepKind::await || step.if_private || step.target_count > 0 || !is_own(step.source) ||
      !is_own(step.target) || !std::ranges::all_of(schedule_.sources_of(step), is_own)) {
    return error("works in the memory of peers");
  }
  if (step.gang.exists()) {
    return error("is one of several messages that switches carry as one");
  }
  if (step.kind == StepKind::reduce && step.source_count < 2 && step.final == schedule::Final::yes) {
    return error("reduces what is one rank's alone");
  }
  return {};
}

// The threadblocks of the lane's steps.
void Writer::place(uint32_t lane_index) {
  const schedule::Lane& lane = schedule_.lanes[lane_index];
  for (uint32_t index = lane.first_step; index < lane.first_step + lane.step_count; ++index) {
    const schedule::Step& step = schedule_.steps[index];
    const bool is_send = step.kind == StepKind::send;
    const bool is_receive = step.kind == StepKind::receive || step.kind == StepKind::receive_reduce;
    const std::tuple key = is_send      ? std::tuple{StepKind::send, step.peer, lane.channel}
                           : is_receive ? std::tuple{StepKind::receive, step.peer, lane.channel}
                                        : std::tuple{StepKind::copy, lane_index, 0u};
    const auto [block, is_new] = block_of_.try_emplace(key, static_cast<uint32_t>(gpu_.blocks.size()));
    if (is_new) {
      gpu_.blocks.push_back({.send_to = is_send ? step.peer : kNone,
                             .receive_from = is_receive ? step.peer : kNone,
                             .channel = is_send || is_receive ? lane.channel : 0,
                             .steps = {}});
      entries_.emplace_back();
    }
    std::vector<Entry>& entries = entries_[block->second];
    position_[index] = {.block = block->second, .ordinal = static_cast<uint32_t>(entries.size())};
    entries.push_back({.step = index, .awaited = {}});
  }
}

// Of each step: the last of each other threadblock that must be complete and is not known to be.
void Writer::find_awaited(uint32_t lane_index) {
  const schedule::Lane& lane = schedule_.lanes[lane_index];
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> known;  // by block here and there: how many are complete
  for (uint32_t index = lane.first_step; index < lane.first_step + lane.step_count; ++index) {
    const Position& own = position_[index];
    std::map<uint32_t, uint32_t> last;  // by block
    const auto add = [&](uint32_t other) {
      const Position& there = position_[other];
      if (there.block != own.block && known[{own.block, there.block}] <= there.ordinal) {
        last[there.block] = std::max(last[there.block], there.ordinal);
      }
    };
    if (index > lane.first_step) {
      add(index - 1);
    }
    for (const schedule::Wait& wait : schedule_.waits_of(schedule_.steps[index])) {
      add(wait.step);
    }
    Entry& entry = entries_[own.block][own.ordinal];
    for (const auto& [block, ordinal] : last) {
      entry.awaited.emplace_back(block, ordinal);
      known[{own.block, block}] = ordinal + 1;
    }
  }
}

std::vector<Step> Writer::steps_for(const schedule::Step& step) const {
  Step written{.type = StepType::copy, .source = place_of(step.source), .target = place_of(step.target), .count = step.chunk_count};
  switch (step.kind) {
    case StepKind::send:
      written.type = StepType::send;
      return {written};
    case StepKind::receive:
      written.type = StepType::receive;
      return {written};
    case StepKind::receive_reduce:
      written.type = StepType::receive_reduce_copy;
      return {written};
    case StepKind::reduce:
      break;
    default:
      return {written};
  }
  // Several sources: one is copied to the target, unless it lies there, and the others are added.
  std::vector<Step> steps;
  std::vector<Span> sources(schedule_.sources_of(step).begin(), schedule_.sources_of(step).end());
  const auto there = std::find(sources.begin(), sources.end(), step.target);
  std::rotate(sources.begin(), there == sources.end() ? sources.begin() : there, there == sources.end() ? sources.begin() : there + 1);
  for (size_t index = 0; index < sources.size(); ++index) {
    written.type = index == 0 ? StepType::copy : StepType::reduce;
    written.source = place_of(sources[index]);
    if (index > 0 || sources[0] != step.target) {
      steps.push_back(written);
    }
  }
  return steps;
}

// A step waits for one other at most; before one that waits for more come steps that do nothing else.
std::vector<Step> Writer::steps_of(const Entry& entry) const {
  std::vector<Step> steps = steps_for(schedule_.steps[entry.step]);
  if (steps.empty()) {
    steps.emplace_back();  // what is to be there is there
  }
  steps.insert(steps.begin(), entry.awaited.empty() ? 0 : entry.awaited.size() - 1, Step{});
  return steps;
}

Result<Gpu> Writer::run() {
  for (uint32_t index = 0; index < schedule_.steps.size(); ++index) {
    TUTTI_UNEXPECTED_IF_ERROR(check(index));
  }
  gpu_.scratch_slots = schedule_.scratch_slots;
  for (uint32_t lane = 0; lane < schedule_.lanes.size(); ++lane) {
    place(lane);
  }
  for (uint32_t lane = 0; lane < schedule_.lanes.size(); ++lane) {
    find_awaited(lane);
  }
  for (uint32_t block = 0; block < gpu_.blocks.size(); ++block) {
    uint32_t next = 0;
    for (Entry& entry : entries_[block]) {
      next += static_cast<uint32_t>(steps_of(entry).size());
      entry.last_index = next - 1;
    }
  }
  for (uint32_t block = 0; block < gpu_.blocks.size(); ++block) {
    for (const Entry& entry : entries_[block]) {
      std::vector<Step> steps = steps_of(entry);
      for (size_t index = 0; index < entry.awaited.size(); ++index) {
        const auto [other, ordinal] = entry.awaited[index];
        steps[index].awaited_block = other;
        steps[index].awaited_step = entries_[other][ordinal].last_index;
      }
      gpu_.blocks[block].steps.insert(gpu_.blocks[block].steps.end(), steps.begin(), steps.end());
    }
  }
  return std::move(gpu_);
}

std::string escaped(std::string_view text) {
  std::string result;
  for (const char character : text) {
    switch (character) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '"': result += "&quot;"; break;
      default: result += character;
    }
  }
  return result;
}

int64_t or_minus_one(uint32_t number) { return number == kNone ? -1 : int64_t{number}; }

void append_block(std::string& text, uint32_t id, const Block& block, const std::set<std::pair<uint32_t, uint32_t>>& awaited) {
  fmt::format_to(std::back_inserter(text), "    <tb id=\"{}\" send=\"{}\" recv=\"{}\" chan=\"{}\">\n", id, or_minus_one(block.send_to),
                 or_minus_one(block.receive_from), block.channel);
  for (uint32_t index = 0; index < block.steps.size(); ++index) {
    const Step& step = block.steps[index];
    const bool is_nop = step.type == StepType::nop;
    const auto letter = [](const Place& place) { return text_of(place).front(); };
    // What means nothing is as the other.
    const Place source = has_source(step.type) ? step.source : step.target;
    const Place target = has_target(step.type) ? step.target : source;
    fmt::format_to(std::back_inserter(text),
                   "      <step s=\"{}\" type=\"{}\" srcbuf=\"{}\" srcoff=\"{}\" dstbuf=\"{}\" dstoff=\"{}\" cnt=\"{}\" depid=\"{}\" deps=\"{}\" "
                   "hasdep=\"{}\"/>\n",
                   index, word_of(step.type), letter(source), is_nop ? -1 : int64_t{source.slot}, letter(target),
                   is_nop ? -1 : int64_t{target.slot}, step.count, or_minus_one(step.awaited_block), or_minus_one(step.awaited_step),
                   awaited.contains({id, index}) ? 1 : 0);
  }
  text += "    </tb>\n";
}

}  // namespace

Result<Program> export_schedules(std::string_view name, const schedule::Problem& problem, std::span<const Schedule> schedules) {
  if (problem.collective == Collective::barrier || problem.blocks == schedule::Blocks::variable) {
    return tl::make_unexpected(unsupported_error("{} has no form in MSCCL's files", to_string(problem)));
  }
  Program program{.file = std::string(name) + ".xml", .name = std::string(name), .collective = problem.collective, .root = {}, .gpus = {}};
  const uint32_t parts = schedules.empty() ? 1 : schedules.front().parts;
  program.chunk_count = schedule::is_cut_vector(problem.collective) ? schedules.front().chunk_count
                        : problem.collective == Collective::gather || problem.collective == Collective::scatter
                            ? parts
                            : problem.rank_count * parts;
  if (schedule::is_rooted(problem.collective)) {
    program.root = problem.root;
  }
  for (const Schedule& schedule : schedules) {
    Result<Gpu> gpu = Writer(schedule).run();
    if (!gpu) {
      return tl::make_unexpected(gpu.error());
    }
    program.gpus.push_back(std::move(*gpu));
  }
  return program;
}

std::string to_xml(const Program& program) {
  uint32_t channel_count = 1;
  for (const Gpu& gpu : program.gpus) {
    for (const Block& block : gpu.blocks) {
      channel_count = std::max(channel_count, block.channel + 1);
    }
  }
  const std::string root = program.root ? fmt::format(" root=\"{}\"", *program.root) : "";
  std::string text = fmt::format("<algo name=\"{}\" proto=\"Simple\" nchannels=\"{}\" nchunksperloop=\"{}\" ngpus=\"{}\" coll=\"{}\"{} "
                                 "inplace=\"{}\" outofplace=\"{}\" minBytes=\"{}\" maxBytes=\"{}\">\n",
                                 escaped(program.name), channel_count, program.chunk_count, program.rank_count(), collective_word(program.collective),
                                 root, program.is_in_place ? 1 : 0, program.is_in_place ? 0 : 1,
                                 program.least_bytes, program.most_bytes == UINT64_MAX ? 0 : program.most_bytes);
  const Result<Shape> shape = shape_of(program, program.root.value_or(0));
  for (uint32_t rank = 0; rank < program.rank_count(); ++rank) {
    const Gpu& gpu = program.gpus[rank];
    std::set<std::pair<uint32_t, uint32_t>> awaited;
    for (const Block& block : gpu.blocks) {
      for (const Step& step : block.steps) {
        awaited.emplace(step.awaited_block, step.awaited_step);
      }
    }
    uint32_t input_count = 0;
    uint32_t output_count = 0;
    if (shape) {
      const Places places(program, *shape, rank);
      input_count = places.size(Memory::input);
      output_count = places.size(Memory::output);
    }
    fmt::format_to(std::back_inserter(text), "  <gpu id=\"{}\" i_chunks=\"{}\" o_chunks=\"{}\" s_chunks=\"{}\">\n", rank, input_count, output_count,
                   gpu.scratch_slots);
    for (uint32_t block = 0; block < gpu.blocks.size(); ++block) {
      append_block(text, block, gpu.blocks[block], awaited);
    }
    text += "  </gpu>\n";
  }
  return text + "</algo>\n";
}

}  // namespace tutti::msccl
