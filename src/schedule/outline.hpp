// SPDX-License-Identifier: Apache-2.0
// What the ranks of an algorithm send each other, stage by stage, without the steps: enough to work out a price at scale.
#pragma once

#include <cstdint>

namespace tutti::schedule {

// Told by an algorithm (planner::Algorithm::outline). A message goes when the stages before have brought its rank what it needs; the messages of a rank at
// a stage go side by side, but for those to one other rank.
class Outline {
 public:
  virtual ~Outline() = default;

  // How ranks come by what they pass on at a stage: all of it at the end of the stage before, or one message after another, so that both stages are under
  // way at once.
  enum class Follows : uint8_t { all, each };
  // Messages that follow have an equal part of the vector each, of which there are `part_count`, or one block.
  virtual void begin_stage(uint32_t part_count, Follows follows) = 0;

  struct Message {
    uint32_t source = 0;
    uint32_t target = 0;
    uint64_t count = 1;  // of them one after another
    // How many such pairs it stands for, in 1/kOne. Machines have more than anybody can look at one by one: some that are spread evenly over ranks and
    // ways stand for others.
    uint64_t weight = kOne;
  };
  virtual void add(const Message& message) = 0;

  static constexpr uint64_t kOne = 1024;
};

}  // namespace tutti::schedule
