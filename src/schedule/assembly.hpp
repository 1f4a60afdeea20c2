// SPDX-License-Identifier: Apache-2.0
// Schedules of groups of ranks put together into one of all ranks: an allreduce out of reducescatters inside nodes, allreduces across and allgathers
// inside again. Each is a run; who waits for whom between runs follows from what their steps read and write.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "schedule/builder.hpp"
#include "schedule/schedule.hpp"

namespace tutti::schedule {

// Whether Assembly takes `schedule`, which solves `problem`: nobody works in a peer's memory, and chunks lie in the slots that are theirs.
bool can_be_assembled(const Problem& problem, const Schedule& schedule);

// Where the chunks of the whole lie for a run: those of a vector that follow one another lie so.
using Homes = std::function<Span(uint32_t chunk)>;

struct Run {
  const Problem& problem;             // of the group; with equal blocks
  const Schedule& schedule;           // of this rank in the group
  std::span<const uint32_t> members;  // of the group, by their ranks in it
  // Runs of one way follow one another lane by lane, in the order of their adding, which all ranks share; those of others overtake them.
  uint32_t way = 0;
  uint32_t first_channel = 0;  // two ways that lead to the same peers have channels of their own
  Final final = Final::no;     // whether it adds the last contributions
  // By chunk of the group: the chunks of the whole that it is, in as many ranges of the same lengths for each. If these are single blocks, some may have
  // fewer than others, or none: what a schedule does with those is left out.
  const std::vector<std::vector<Chunks>>& chunks;
  Homes input;
  Homes output;
  bool begins_after_all = false;  // of a barrier: its messages wait for those of earlier runs, which say what they say by arriving
};

class Assembly {
 public:
  // Of a rank's schedule for `problem`, which is in place for this rank or not.
  Assembly(const Problem& problem, const Builder::Shape& shape);

  void add(const Run& run);
  // Scratch for values between runs.
  uint32_t add_scratch(uint32_t count);
  // Later runs share no chunks with those so far: makes for a quicker look.
  void forget();
  Schedule build() &&;

 private:
  enum class Does : uint8_t { receive, send, work };
  struct Key {
    uint32_t way = 0;
    Does does = Does::work;
    uint32_t channel = 0;
    uint32_t other = 0;  // the peer, or of work the lane in the group's schedule

    auto operator<=>(const Key&) const = default;
  };
  struct Pending {
    Step step;
    std::vector<Wait> waits;  // by order of adding
    std::vector<Span> sources;
  };
  struct Access {
    uint32_t step = 0;
    bool writes = false;
    uint32_t next = 0;  // of the same slot; kNone: the last
  };
  struct Slot {
    uint32_t first = UINT32_MAX;
    uint32_t written_in = 0;  // the latest run that has written it
  };

  void add_pieces(const Run& run, const std::vector<uint32_t>& widths, const Step& step, uint32_t lane, uint32_t channel);
  void wait_in_run(const Run& run, const std::vector<uint32_t>& first_piece);
  void wait_for_accesses(uint32_t step);
  void note_accesses(uint32_t step, bool writes);
  void wait_for(uint32_t waiting, uint32_t other);
  template <typename Visit>
  void for_each_slot(const Span& span, uint32_t count, Visit visit);
  size_t location(Span span) const;

  Problem problem_;
  Schedule schedule_;
  uint32_t slot_count_;  // of an input or an output at most
  std::vector<Pending> steps_;
  std::map<Key, std::vector<uint32_t>> lanes_;  // steps
  std::vector<Slot> slots_;
  std::vector<Access> accesses_;
  std::vector<uint32_t> waited_by_;  // by step: who has looked at it last
  uint32_t run_count_ = 0;
};

}  // namespace tutti::schedule
