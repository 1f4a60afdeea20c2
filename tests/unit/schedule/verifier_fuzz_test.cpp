// SPDX-License-Identifier: Apache-2.0
// Schedules from untrusted files: whatever they hold, the verifier and the printer answer. What the verifier accepts must be harmless, so
// every accepted mutation is laid out and its accesses checked against the buffers.
#include <gtest/gtest.h>

#include <random>

#include "sample_schedules.hpp"
#include "schedule/layout.hpp"
#include "schedule/verifier.hpp"

namespace tutti::schedule {
namespace {

constexpr uint32_t kGarbageSeed = 77001;

class Garbage {
 public:
  explicit Garbage(uint32_t seed) : random_(seed) {}

  uint32_t below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }

  // Small numbers mostly, so that some pass the first checks; now and then a boundary.
  uint32_t number() {
    constexpr uint32_t kBoundaries[] = {0, 1, 64, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
    return below(8) == 0 ? kBoundaries[below(std::size(kBoundaries))] : below(5);
  }

  template <typename Enum>
  Enum enumerator(uint32_t count) {
    return static_cast<Enum>(below(20) == 0 ? below(256) : below(count));
  }

  Span span() { return {.buffer = enumerator<Buffer>(4), .slot = number(), .rank = below(4) == 0 ? number() : kOwnRank}; }

  Step step() {
    return {.kind = enumerator<StepKind>(7),
            .operands = enumerator<Operands>(2),
            .final = enumerator<Final>(2),
            .first_chunk = number(),
            .chunk_count = below(4) == 0 ? number() : 1,
            .if_private = below(8) == 0,
            .peer = number(),
            .source = span(),
            .target = span(),
            .first_wait = below(3) == 0 ? number() : 0,
            .wait_count = below(3) == 0 ? number() : 0,
            .first_source = below(3) == 0 ? number() : 0,
            .source_count = below(3) == 0 ? number() : 1,
            .first_target = below(3) == 0 ? number() : 0,
            .target_count = below(3) == 0 ? number() : 0};
  }

  Schedule schedule(uint32_t rank, uint32_t chunk_count, uint32_t parts) {
    Schedule schedule{.rank = below(50) == 0 ? number() : rank,
                      .chunk_count = below(20) == 0 ? number() : chunk_count,
                      .parts = below(20) == 0 ? number() : parts,
                      .scratch_slots = number(),
                      .channel_count = 1 + below(2),
                      .steps = {},
                      .lanes = {},
                      .waits = {},
                      .sources = {},
                      .targets = {}};
    const uint32_t lane_count = below(4);
    for (uint32_t lane = 0; lane < lane_count; ++lane) {
      const uint32_t step_count = 1 + below(3);
      schedule.lanes.push_back({.channel = below(2),
                                .first_step = below(20) == 0 ? number() : static_cast<uint32_t>(schedule.steps.size()),
                                .step_count = below(20) == 0 ? number() : step_count});
      for (uint32_t index = 0; index < step_count; ++index) {
        schedule.steps.push_back(step());
      }
    }
    for (uint32_t index = below(4); index > 0; --index) {
      schedule.waits.push_back({.step = number(), .mode = enumerator<WaitMode>(2)});
      schedule.sources.push_back(span());
      schedule.targets.push_back(span());
    }
    return schedule;
  }

  // Changes one field of one item.
  void mutate(Schedule& schedule) {
    switch (below(10)) {
      case 0:
        if (!schedule.waits.empty()) {
          schedule.waits[below(schedule.waits.size())] = {.step = number(), .mode = enumerator<WaitMode>(2)};
        }
        return;
      case 1:
        if (!schedule.lanes.empty()) {
          schedule.lanes[below(schedule.lanes.size())].channel = below(3);
        }
        return;
      case 2:
        schedule.scratch_slots = number();
        return;
      case 3:
        mutate(schedule.sources);
        return;
      case 4:
        mutate(schedule.targets);
        return;
      default:
        if (!schedule.steps.empty()) {
          mutate(schedule.steps[below(schedule.steps.size())]);
        }
        return;
    }
  }

 private:
  void mutate(std::vector<Span>& spans) {
    if (!spans.empty()) {
      spans[below(spans.size())] = span();
    }
  }

  void mutate(Step& step) {
    const Step other = this->step();
    switch (below(11)) {
      case 0:
        step.kind = other.kind;
        return;
      case 1:
        step.final = other.final;
        return;
      case 2:
        step.first_chunk = other.first_chunk;
        return;
      case 3:
        step.chunk_count = other.chunk_count;
        return;
      case 4:
        step.peer = other.peer;
        return;
      case 5:
        step.source = other.source;
        return;
      case 6:
        step.target = other.target;
        return;
      case 7:
        step.wait_count = other.wait_count;
        return;
      case 8:
        step.if_private = !step.if_private;
        return;
      case 9:
        step.target_count = other.target_count;
        return;
      default:
        step.source_count = other.source_count;
        return;
    }
  }

  std::mt19937 random_;
};

Problem random_problem(Garbage& garbage) {
  return {.collective = garbage.enumerator<Collective>(kCollectiveCount),
          .rank_count = 1 + garbage.below(3),
          .root = garbage.below(3),
          .in_place = garbage.enumerator<InPlace>(2),
          .blocks = garbage.enumerator<Blocks>(2)};
}

uint64_t buffer_elements(const Problem& problem, uint64_t block, Buffer buffer, const Schedule& schedule, const Layout& layout) {
  if (buffer == Buffer::scratch) {
    return layout.scratch_elements(schedule.scratch_slots);
  }
  const bool input = buffer == Buffer::input;
  switch (problem.collective) {
    case Collective::all_gather:
    case Collective::gather:
      return input ? block : block * problem.rank_count;
    case Collective::reduce_scatter:
    case Collective::scatter:
      return input ? block * problem.rank_count : block;
    case Collective::all_to_all:
      return block * problem.rank_count;
    default:
      return block;
  }
}

std::vector<Span> spans_of(const Schedule& schedule, const Step& step) {
  switch (step.kind) {
    case StepKind::send:
      return {step.source};
    case StepKind::receive:
      return {step.target};
    case StepKind::receive_reduce:
    case StepKind::copy:
      return {step.source, step.target};
    case StepKind::signal:
    case StepKind::await:
      return {};
    case StepKind::reduce:
      break;
  }
  std::vector<Span> spans(schedule.sources_of(step).begin(), schedule.sources_of(step).end());
  spans.push_back(step.target);
  spans.insert(spans.end(), schedule.further_targets_of(step).begin(), schedule.further_targets_of(step).end());
  return spans;
}

void expect_within_buffers(const Problem& problem, const samples::Schedules& schedules) {
  constexpr uint64_t kBlock = 1000;
  std::vector<Layout> layouts;
  for (const Schedule& schedule : schedules) {
    layouts.emplace_back(LayoutRequest{.problem = problem,
                                       .rank = schedule.rank,
                                       .chunk_count = schedule.chunk_count,
                                       .parts = schedule.parts,
                                       .element_count = kBlock,
                                       .variable = {}});
  }
  for (const Schedule& schedule : schedules) {
    for (const Step& step : schedule.steps) {
      for (const Span& span : spans_of(schedule, step)) {
        const uint32_t owner = span.rank == kOwnRank ? schedule.rank : span.rank;
        ASSERT_LT(owner, schedules.size());
        const Layout& layout = layouts[owner];
        const uint64_t end = layout.offset(span) + layout.length(step.first_chunk, step.chunk_count);
        EXPECT_LE(end, buffer_elements(problem, kBlock, span.buffer, schedules[owner], layout)) << to_string(schedule);
      }
    }
  }
}

TEST(VerifierFuzz, SurvivesGarbage) {
  SCOPED_TRACE(testing::Message() << "seed " << kGarbageSeed);
  Garbage garbage(kGarbageSeed);
  size_t rejected = 0;
  constexpr size_t kRounds = 60'000;
  for (size_t round = 0; round < kRounds; ++round) {
    const Problem problem = random_problem(garbage);
    const uint32_t parts = 1 + garbage.below(2);
    samples::Schedules schedules;
    for (uint32_t rank = 0; rank < problem.rank_count; ++rank) {
      const uint32_t blocks = problem.collective == Collective::all_to_all ? problem.rank_count * problem.rank_count : problem.rank_count;
      schedules.push_back(garbage.schedule(rank, blocks * parts, parts));
    }
    rejected += verify(problem, schedules).ok() ? 0 : 1;
    EXPECT_FALSE(to_string(schedules[0]).empty());
  }
  EXPECT_GT(rejected, kRounds / 2);
}

TEST(VerifierFuzz, WhatItAcceptsStaysWithinTheBuffers) {
  SCOPED_TRACE(testing::Message() << "seed " << kGarbageSeed);
  Garbage garbage(kGarbageSeed);
  size_t accepted = 0;
  size_t rejected = 0;
  for (const samples::Sample& sample : samples::all_samples()) {
    if (sample.problem.rank_count > 4 || sample.problem.collective == Collective::barrier) {
      continue;
    }
    for (int round = 0; round < 300; ++round) {
      samples::Schedules schedules = sample.schedules;
      const uint32_t mutations = 1 + garbage.below(3);
      for (uint32_t index = 0; index < mutations; ++index) {
        garbage.mutate(schedules[garbage.below(sample.problem.rank_count)]);
      }
      if (!verify(sample.problem, schedules).ok()) {
        ++rejected;
        continue;
      }
      ++accepted;
      expect_within_buffers(sample.problem, schedules);
    }
  }
  EXPECT_GT(accepted, 100u);
  EXPECT_GT(rejected, 1000u);
}

}  // namespace
}  // namespace tutti::schedule
