// SPDX-License-Identifier: Apache-2.0
// Writes schedules: lanes are filled in any order, steps are named by the handle that adding them returns.
#pragma once

#include <initializer_list>
#include <span>
#include <vector>

#include "schedule/schedule.hpp"

namespace tutti::schedule {

struct Chunks {
  uint32_t first = 0;
  uint32_t count = 1;
};

using LaneId = uint32_t;
struct StepId {
  LaneId lane = 0;
  uint32_t index = 0;
};
struct WaitFor {
  StepId step;
  WaitMode mode = WaitMode::complete;
};
// What steps have beside their spans.
struct StepOptions {
  Operands operands = Operands::local_first;
  Final final = Final::no;
  bool if_private = false;
  std::vector<WaitFor> waits = {};
  std::vector<Span> further_targets = {};
  Gang gang = {};
};

class Builder {
 public:
  // `chunk_count` and `parts` as in Schedule.
  struct Shape {
    uint32_t rank = 0;
    uint32_t chunk_count = 1;
    uint32_t parts = 1;
  };
  explicit Builder(const Shape& shape);

  LaneId add_lane(uint32_t channel = 0);
  // Reserves `count` consecutive scratch slots and returns the first.
  uint32_t add_scratch(uint32_t count);

  StepId send(LaneId lane, uint32_t peer, Chunks chunks, Span source, StepOptions options = {});
  StepId receive(LaneId lane, uint32_t peer, Chunks chunks, Span target, StepOptions options = {});
  struct ReceiveReduce {
    Span source;
    Span target;
  };
  StepId receive_reduce(LaneId lane, uint32_t peer, Chunks chunks, ReceiveReduce spans, StepOptions options = {});
  struct Copy {
    Span source;
    Span target;
  };
  StepId copy(LaneId lane, Chunks chunks, Copy spans, StepOptions options = {});
  StepId reduce(LaneId lane, Chunks chunks, std::span<const Span> sources, Span target, StepOptions options = {});

  StepId signal(LaneId lane, uint32_t peer, StepOptions options = {});
  StepId await(LaneId lane, uint32_t peer, StepOptions options = {});

  // Lays the lanes out one after another; empty lanes are dropped. The builder is spent.
  Schedule build() &&;

 private:
  struct PendingStep {
    Step step;
    std::vector<WaitFor> waits;
    std::vector<Span> sources;
    std::vector<Span> further_targets;
  };
  struct PendingLane {
    uint32_t channel;
    std::vector<PendingStep> steps;
  };
  StepId add(LaneId lane, Step step, Chunks chunks, StepOptions options, std::span<const Span> sources = {});

  Schedule schedule_;
  std::vector<PendingLane> lanes_;
};

}  // namespace tutti::schedule
