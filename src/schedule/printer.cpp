// SPDX-License-Identifier: Apache-2.0
// Prints schedules, which may be garbage on its way to the verifier: every index is checked before it is followed.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>

#include "schedule/names.hpp"
#include "schedule/schedule.hpp"

namespace tutti::schedule {

std::string_view name_of(StepKind kind) {
  switch (kind) {
    case StepKind::send:
      return "send";
    case StepKind::receive:
      return "receive";
    case StepKind::receive_reduce:
      return "receive-reduce";
    case StepKind::copy:
      return "copy";
    case StepKind::reduce:
      return "reduce";
    case StepKind::signal:
      return "signal";
    case StepKind::await:
      return "await";
  }
  return "invalid";
}

std::string_view name_of(Buffer buffer) {
  switch (buffer) {
    case Buffer::none:
      return "nothing";
    case Buffer::input:
      return "input";
    case Buffer::output:
      return "output";
    case Buffer::scratch:
      return "scratch";
  }
  return "invalid";
}

std::string text_of(Span span) {
  const std::string owner = span.rank == kOwnRank ? std::string() : fmt::format("rank {}'s ", span.rank);
  return owner + (span.buffer == Buffer::none ? std::string(name_of(span.buffer)) : fmt::format("{}[{}]", name_of(span.buffer), span.slot));
}

namespace {

std::string counted(uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

// The part of `items` that [first, first + count) names and that exists.
template <typename Item>
std::span<const Item> clamped(const std::vector<Item>& items, uint32_t first, uint32_t count) {
  const std::span<const Item> all(items);
  return first >= all.size() ? all.first(0) : all.subspan(first, std::min<size_t>(count, all.size() - first));
}

std::string sources_text(const Schedule& schedule, const Step& step) {
  std::string text;
  for (const Span& source : clamped(schedule.sources, step.first_source, step.source_count)) {
    text += fmt::format("{}{}", text.empty() ? "" : " (op) ", text_of(source));
  }
  return text;
}

std::string targets_text(const Schedule& schedule, const Step& step) {
  std::string text = text_of(step.target);
  for (const Span& target : clamped(schedule.targets, step.first_target, step.target_count)) {
    text += fmt::format(", {}", text_of(target));
  }
  return text;
}

std::string spans_text(const Schedule& schedule, const Step& step) {
  switch (step.kind) {
    case StepKind::send:
      return fmt::format("from {} to rank {}", text_of(step.source), step.peer);
    case StepKind::receive:
      return fmt::format("from rank {} to {}", step.peer, text_of(step.target));
    case StepKind::receive_reduce: {
      const bool local_first = step.operands == Operands::local_first;
      const std::string local = text_of(step.source);
      const std::string target = text_of(step.target);
      return local_first ? fmt::format("from {} (op) rank {} to {}", local, step.peer, target)
                         : fmt::format("from rank {} (op) {} to {}", step.peer, local, target);
    }
    case StepKind::copy:
      return fmt::format("from {} to {}", text_of(step.source), text_of(step.target));
    case StepKind::reduce:
      return fmt::format("from {} to {}", sources_text(schedule, step), targets_text(schedule, step));
    case StepKind::signal:
      return fmt::format("to rank {}", step.peer);
    case StepKind::await:
      return fmt::format("from rank {}", step.peer);
  }
  return "of an unknown kind";
}

std::string waits_text(const Schedule& schedule, const Step& step) {
  std::string text;
  for (const Wait& wait : clamped(schedule.waits, step.first_wait, step.wait_count)) {
    text += fmt::format("{}{}{}", text.empty() ? " after " : ", ", wait.step, wait.mode == WaitMode::streaming ? "~" : "");
  }
  return text;
}

void append_step(std::string& text, const Schedule& schedule, size_t index, const Step& step) {
  const uint64_t last_chunk = uint64_t{step.first_chunk} + (step.chunk_count == 0 ? 0 : step.chunk_count - 1);
  const bool has_data = step.kind != StepKind::signal && step.kind != StepKind::await;
  fmt::format_to(std::back_inserter(text), "  {} {}{} {}{}{}{}{}\n", index, name_of(step.kind),
                 has_data ? fmt::format(" chunks {}..{}", step.first_chunk, last_chunk) : "", spans_text(schedule, step),
                 step.final == Final::yes ? ", final" : "", step.if_private ? ", if private" : "",
                 step.gang.exists() ? fmt::format(", gang {} of {}", step.gang.number, step.gang.message_count) : "", waits_text(schedule, step));
}

}  // namespace

std::string to_string(const Schedule& schedule) {
  std::string text =
      fmt::format("rank {}: {}, {} per block, {}, {}{}\n", schedule.rank, counted(schedule.chunk_count, "chunk"),
                  counted(schedule.parts, "part"), counted(schedule.scratch_slots, "scratch slot"),
                  counted(schedule.channel_count, "channel"), schedule.least_slices > 1 ? fmt::format(", {} slices at least", schedule.least_slices) : "");
  for (size_t index = 0; index < schedule.lanes.size(); ++index) {
    const Lane& lane = schedule.lanes[index];
    fmt::format_to(std::back_inserter(text), "lane {} (channel {})\n", index, lane.channel);
    size_t step_index = lane.first_step;
    for (const Step& step : clamped(schedule.steps, lane.first_step, lane.step_count)) {
      append_step(text, schedule, step_index++, step);
    }
  }
  return text;
}

}  // namespace tutti::schedule
