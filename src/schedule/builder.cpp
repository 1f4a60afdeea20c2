// SPDX-License-Identifier: Apache-2.0
#include "schedule/builder.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace tutti::schedule {

Builder::Builder(const Shape& shape) {
  schedule_.rank = shape.rank;
  schedule_.chunk_count = shape.chunk_count;
  schedule_.parts = shape.parts;
}

LaneId Builder::add_lane(uint32_t channel) {
  assert(channel < kMaxChannels);
  lanes_.push_back({.channel = channel, .steps = {}});
  return static_cast<LaneId>(lanes_.size() - 1);
}

uint32_t Builder::add_scratch(uint32_t count) {
  return std::exchange(schedule_.scratch_slots, schedule_.scratch_slots + count);
}

StepId Builder::send(LaneId lane, uint32_t peer, Chunks chunks, Span source, StepOptions options) {
  return add(lane, {.kind = StepKind::send, .peer = peer, .source = source, .target = {}}, chunks, std::move(options));
}

StepId Builder::receive(LaneId lane, uint32_t peer, Chunks chunks, Span target, StepOptions options) {
  return add(lane, {.kind = StepKind::receive, .peer = peer, .source = {}, .target = target}, chunks, std::move(options));
}

StepId Builder::receive_reduce(LaneId lane, uint32_t peer, Chunks chunks, ReceiveReduce spans, StepOptions options) {
  return add(lane, {.kind = StepKind::receive_reduce, .peer = peer, .source = spans.source, .target = spans.target}, chunks,
             std::move(options));
}

StepId Builder::copy(LaneId lane, Chunks chunks, Copy spans, StepOptions options) {
  return add(lane, {.kind = StepKind::copy, .source = spans.source, .target = spans.target}, chunks, std::move(options));
}

StepId Builder::reduce(LaneId lane, Chunks chunks, std::span<const Span> sources, Span target, StepOptions options) {
  assert(!sources.empty());
  return add(lane, {.kind = StepKind::reduce, .source = {}, .target = target}, chunks, std::move(options), sources);
}

StepId Builder::signal(LaneId lane, uint32_t peer, StepOptions options) {
  return add(lane, {.kind = StepKind::signal, .peer = peer, .source = {}, .target = {}}, {}, std::move(options));
}

StepId Builder::await(LaneId lane, uint32_t peer, StepOptions options) {
  return add(lane, {.kind = StepKind::await, .peer = peer, .source = {}, .target = {}}, {}, std::move(options));
}

StepId Builder::add(LaneId lane, Step step, Chunks chunks, StepOptions options, std::span<const Span> sources) {
  assert(lane < lanes_.size());
  assert(chunks.count > 0);
  step.operands = options.operands;
  step.final = options.final;
  step.if_private = options.if_private;
  step.gang = options.gang;
  step.first_chunk = chunks.first;
  step.chunk_count = chunks.count;
  std::vector<PendingStep>& steps = lanes_[lane].steps;
  steps.push_back({.step = step,
                   .waits = std::move(options.waits),
                   .sources = {sources.begin(), sources.end()},
                   .further_targets = std::move(options.further_targets)});
  return {.lane = lane, .index = static_cast<uint32_t>(steps.size() - 1)};
}

Schedule Builder::build() && {
  std::vector<uint32_t> first_step(lanes_.size());  // where each lane begins, so that step handles become indices
  uint32_t step_count = 0;
  for (size_t lane = 0; lane < lanes_.size(); ++lane) {
    first_step[lane] = step_count;
    step_count += static_cast<uint32_t>(lanes_[lane].steps.size());
  }
  const auto append = [&](const PendingStep& pending) {
    Step step = pending.step;
    step.first_wait = static_cast<uint32_t>(schedule_.waits.size());
    step.wait_count = static_cast<uint32_t>(pending.waits.size());
    for (const WaitFor& wait : pending.waits) {
      assert(wait.step.lane < lanes_.size() && wait.step.index < lanes_[wait.step.lane].steps.size());
      schedule_.waits.push_back({.step = first_step[wait.step.lane] + wait.step.index, .mode = wait.mode});
    }
    step.first_source = static_cast<uint32_t>(schedule_.sources.size());
    step.source_count = static_cast<uint32_t>(pending.sources.size());
    schedule_.sources.insert(schedule_.sources.end(), pending.sources.begin(), pending.sources.end());
    step.first_target = static_cast<uint32_t>(schedule_.targets.size());
    step.target_count = static_cast<uint32_t>(pending.further_targets.size());
    schedule_.targets.insert(schedule_.targets.end(), pending.further_targets.begin(), pending.further_targets.end());
    schedule_.steps.push_back(step);
  };

  schedule_.steps.reserve(step_count);
  for (size_t lane = 0; lane < lanes_.size(); ++lane) {
    const PendingLane& pending = lanes_[lane];
    if (pending.steps.empty()) {
      continue;
    }
    schedule_.lanes.push_back({.channel = pending.channel,
                               .first_step = first_step[lane],
                               .step_count = static_cast<uint32_t>(pending.steps.size())});
    schedule_.channel_count = std::max(schedule_.channel_count, pending.channel + 1);
    std::for_each(pending.steps.begin(), pending.steps.end(), append);
  }
  return std::move(schedule_);
}

}  // namespace tutti::schedule
