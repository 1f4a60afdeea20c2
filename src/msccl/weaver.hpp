// SPDX-License-Identifier: Apache-2.0
// From a trace to schedules. What arrives from one GPU on one channel becomes a lane, as does what goes to one, and what a threadblock does by
// itself. A step then waits for those that the program puts before it and that touch the same memory in a way that matters, and for no others: a
// send goes as early as it may, so that the schedules need no buffering.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "msccl/trace.hpp"
#include "schedule/schedule.hpp"

namespace tutti::msccl {

// How a program meets the buffers of a call.
struct Weave {
  schedule::InPlace in_place = schedule::InPlace::no;
  // Read from a copy made at first, where the input is overwritten while it is still needed.
  bool copies_input = false;
  // Whether a send may begin with the first bytes of what it passes on.
  bool streams = true;
};

struct Origin {
  uint32_t block = kNone;  // kNone: a copy that the program has no step for
  uint32_t step = 0;

  bool operator==(const Origin&) const = default;
};

struct Woven {
  schedule::Schedule schedule;
  std::vector<Origin> origins;  // by step of the schedule
};

// Consecutive chunks of one op that are one step.
struct Piece {
  uint32_t first = 0;  // counted from the op's first
  uint32_t count = 0;

  bool operator==(const Piece&) const = default;
};

class Homes;

class Weaver {
 public:
  // All outlive this.
  Weaver(const Program& program, const Shape& shape, const Trace& trace);
  ~Weaver();

  // Rank `rank`'s. Whatever `how`, it sends and receives the same.
  Woven weave(uint32_t rank, const Weave& how) const;

 private:
  friend class RankWeaver;

  // One of the schedules' channels.
  uint32_t channel_of(const Message& message) const;
  std::vector<Piece> cut(const Message& message) const;

  const Program& program_;
  const Shape& shape_;
  const Trace& trace_;
  std::vector<std::unique_ptr<const Homes>> homes_;     // by rank, for buffers that are not in place
  std::vector<std::vector<Piece>> pieces_;              // by message
  std::map<std::pair<uint32_t, uint32_t>, std::vector<uint32_t>> channels_;  // the program's, from rank to rank, in order
};

}  // namespace tutti::msccl
