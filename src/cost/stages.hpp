// SPDX-License-Identifier: Apache-2.0
// The price of messages that are known stage by stage.
//
// A rank begins what it sends at a stage when what earlier stages send to it begins to be there or is there, and ends it when all of that is there. Links
// are shared in equal parts by the messages that are on them at a time (processor sharing), each link for itself, and a message takes as long as on the
// link that gives it least: what max-min fairness comes to where messages have one bottleneck. Who shares with whom depends on when messages begin, and that
// on how long others take, so both are worked out in turn a few times.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "cost/cost.hpp"
#include "cost/wave.hpp"
#include "schedule/outline.hpp"
#include "topology/fabric.hpp"

namespace tutti::cost {

// Whether a rank's messages go side by side or each when the one before has left.
enum class StageSends : uint8_t { side_by_side, in_turn };

// Whether messages are looked at one by one, or what a stage puts on the links.
enum class Detail : uint8_t { stages, messages };

// Not thread-safe.
class Stages final : public schedule::Outline {
 public:
  struct Options {
    uint64_t bytes = 0;        // of the vector, or of a block
    uint64_t least_bytes = 0;  // that a message has
    StageSends sends = StageSends::side_by_side;
    uint64_t slice_bytes = kSliceBytes;  // that are passed on at a time; a message that is shorter, as a whole
    Detail detail = Detail::stages;
  };
  Stages(const topology::Fabric& fabric, const Options& options);

  void begin_stage(uint32_t part_count, Follows follows) override;
  void begin_stage_of(uint64_t message_bytes, Follows follows = Follows::each);
  void add(const schedule::Outline::Message& message) override;

  // Whether messages are remembered one by one: if that was asked for, and there are not too many.
  bool is_detailed() const { return is_detailed_; }
  // When all has been added. What stages put on the links.
  uint64_t price_ns() const;
  // Nothing if messages are not remembered, or when they begin and how long they take does not settle.
  std::optional<uint64_t> price_by_messages_ns();
  uint64_t base_ns() const;
  const std::vector<Wave>& waves() const { return waves_; }

 private:
  struct Sent {
    uint32_t source = 0;
    uint32_t target = 0;
    uint32_t first_link = 0;  // into links_, up to that of the next
    uint64_t bytes = 0;       // on the links
    uint64_t first_share = 0;  // of it, when the target can begin to pass it on, in 1/kShares
    uint64_t last_share = 0;   // that waits for all that the source waits for
    uint64_t latency_ns = 0;
    uint64_t begin_ns = 0;
    uint64_t transfer_ns = 0;
  };
  // What ranks have of the stages so far.
  struct Rank {
    uint64_t left_ns = 0;   // when what it sent had left
    uint64_t begun_ns = 0;  // when first slices of all that was sent to it were there
    uint64_t came_ns = 0;   // when all of that was there
  };

  // Of stages that go at once, what the links take.
  uint64_t together_ns(size_t first, size_t end) const;
  bool begins_anew(size_t stage) const;
  // From how long messages take, when they begin. Returns when the last has come.
  uint64_t time_messages();
  // From when messages begin, how long they take.
  void share_links();
  void share_link(topology::LinkId link, std::vector<uint32_t>& messages);

  const topology::Fabric& fabric_;
  Options options_;
  struct Stage {
    uint32_t first_message = 0;
    Follows follows = Follows::each;
    uint64_t most_messages = 1;  // from one rank to one other
  };

  bool is_detailed_;
  std::vector<Wave> waves_;
  std::vector<Stage> stages_;  // as many
  std::vector<uint64_t> latencies_ns_;       // by rank: when what earlier stages send would be there if links took no time
  std::vector<uint64_t> next_latencies_ns_;  // with this stage
  uint64_t longest_latency_ns_ = 0;
  std::vector<Sent> messages_;
  std::vector<topology::LinkId> links_;
};

}  // namespace tutti::cost
