// SPDX-License-Identifier: Apache-2.0
#include "cost/stages.hpp"

#include <algorithm>

#include "cost/arithmetic.hpp"

namespace tutti::cost {

static_assert(Wave::kUnit == schedule::Outline::kOne);

Stages::Stages(const topology::Fabric& fabric, const Options& options)
    : fabric_(fabric),
      options_(options),
      latencies_ns_(fabric.chip_count(), 0),
      next_latencies_ns_(fabric.chip_count(), 0) {}

void Stages::begin_stage(uint32_t part_count, Follows follows) {
  const uint64_t count = std::max(part_count, 1u);
  const uint64_t message_bytes = options_.bytes / count + (options_.bytes % count != 0 ? 1 : 0);
  waves_.emplace_back(fabric_, std::max(options_.least_bytes, message_bytes));
  stages_.push_back({.follows = follows});
  latencies_ns_ = next_latencies_ns_;
}

void Stages::add(const schedule::Outline::Message& message) {
  if (message.source == message.target || message.weight == 0 || message.count == 0) {
    return;
  }
  Wave& wave = waves_.back();
  const Wave::Way way = wave.add(message.source, message.target, multiply(message.count, message.weight));
  stages_.back().most_messages = std::max(stages_.back().most_messages, message.count);
  uint64_t& latency_ns = next_latencies_ns_[message.target];
  latency_ns = std::max(latency_ns, cost::add(latencies_ns_[message.source], way.latency_ns));
  longest_latency_ns_ = std::max(longest_latency_ns_, latency_ns);
}

// The link that has most to carry does so all the time, but for what passes the other stages before it begins and after it ends: a slice, or one of several
// messages.
uint64_t Stages::together_ns(size_t first, size_t end) const {
  uint64_t in_turn = 0;
  uint64_t at_ends = 0;
  uint64_t longest = 0;
  uint64_t of_longest = 0;
  for (size_t stage = first; stage < end; ++stage) {
    const Wave& wave = waves_[stage];
    const uint64_t transfer = wave.transfer_ns();
    const uint64_t at_end = stages_[stage].most_messages > 1 ? transfer / stages_[stage].most_messages
                                                            : wave.transfer_ns(std::min(options_.slice_bytes, wave.message_bytes()));
    in_turn = cost::add(in_turn, transfer);
    at_ends = cost::add(at_ends, at_end);
    if (transfer > longest) {
      longest = transfer;
      of_longest = at_end;
    }
  }
  return std::min(in_turn, cost::add(busiest_ns({waves_.data() + first, end - first}), at_ends - std::min(at_ends, of_longest)));
}

// Where messages that wait for the one before them, which waits for what comes to its end, keep those that have begun to come from being passed on.
bool Stages::begins_anew(size_t stage) const {
  return stages_[stage].follows == Follows::all && (stages_[stage].most_messages > 1 || stages_[stage - 1].most_messages > 1);
}

uint64_t Stages::price_ns() const {
  uint64_t sum = longest_latency_ns_;
  size_t first = 0;
  for (size_t stage = 1; stage <= waves_.size(); ++stage) {
    if (stage == waves_.size() || begins_anew(stage)) {
      sum = cost::add(sum, together_ns(first, stage));
      first = stage;
    }
  }
  return sum;
}

}  // namespace tutti::cost
