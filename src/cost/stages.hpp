// SPDX-License-Identifier: Apache-2.0
// The price of messages that are known stage by stage.
//
// A stage is a wave: it puts its messages on the links. Stages follow one another, or go at once where ranks pass on what they have begun to receive.
#pragma once

#include <cstdint>
#include <vector>

#include "cost/cost.hpp"
#include "cost/wave.hpp"
#include "schedule/outline.hpp"
#include "topology/fabric.hpp"

namespace tutti::cost {

// Not thread-safe.
class Stages final : public schedule::Outline {
 public:
  struct Options {
    uint64_t bytes = 0;        // of the vector, or of a block
    uint64_t least_bytes = 0;  // that a message has
    uint64_t slice_bytes = kSliceBytes;  // that are passed on at a time; a message that is shorter, as a whole
  };
  Stages(const topology::Fabric& fabric, const Options& options);

  void begin_stage(uint32_t part_count, Follows follows) override;
  void add(const schedule::Outline::Message& message) override;

  // When all has been added.
  uint64_t price_ns() const;
  const std::vector<Wave>& waves() const { return waves_; }

 private:
  // Of stages that go at once, what the links take.
  uint64_t together_ns(size_t first, size_t end) const;
  bool begins_anew(size_t stage) const;

  const topology::Fabric& fabric_;
  Options options_;
  struct Stage {
    Follows follows = Follows::each;
    uint64_t most_messages = 1;  // from one rank to one other
  };

  std::vector<Wave> waves_;
  std::vector<Stage> stages_;  // as many
  std::vector<uint64_t> latencies_ns_;       // by rank: when what earlier stages send would be there if links took no time
  std::vector<uint64_t> next_latencies_ns_;  // with this stage
  uint64_t longest_latency_ns_ = 0;
};

}  // namespace tutti::cost
