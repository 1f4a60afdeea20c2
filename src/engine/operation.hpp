// SPDX-License-Identifier: Apache-2.0
// One call on its way through the engine: what was asked, and how far it has come.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/program.hpp"
#include "engine/scratch.hpp"
#include "engine/stream.hpp"
#include "transport/transport.hpp"

namespace tutti::engine {

// What a communicator hands to its executor.
struct Request {
  const Program* program = nullptr;
  std::shared_ptr<const Program> owner;  // keeps `program`, unless the communicator does so as long as the executor works
  const std::byte* input = nullptr;
  std::byte* output = nullptr;
  uint32_t peer = 0;  // send and receive
};

// How far a lane has come in its current step.
struct LaneState {
  uint32_t step = 0;            // index into Schedule::steps
  uint32_t end_step = 0;
  uint32_t channel = 0;         // of the links
  bool entered = false;         // the fields below belong to `step`
  bool frame_taken = false;     // at least one frame of a send was taken, so that an empty message is sent once
  uint64_t total_bytes = 0;
  uint64_t moved_bytes = 0;     // offered to the link, or received, copied, reduced
  uint64_t taken_before = 0;    // send: bytes the link had taken on the channel before this step
  const std::byte* source = nullptr;
  std::byte* target = nullptr;
};

// What ranks tell each other when they meet, before the first step or by a signal.
struct Announcement {
  // Where input and output lie, as Link::publish gives it.
  transport::MemoryAddress input;
  transport::MemoryAddress output;
  // Whether all ranks of the communicator can load from and store to both.
  uint64_t shares_with_all = 0;
};
// One peer that an operation meets.
struct Meeting {
  Announcement own;  // published once, sent with every signal
  bool is_published = false;
  bool is_sent = false;  // before the first step
  // Of the first that came.
  Announcement peers;
  bool has_come = false;
  bool is_reachable = false;  // what follows is set
  std::byte* input = nullptr;   // null: to be fetched
  std::byte* output = nullptr;  // null: to be fetched, and never written to
};

// Whether calls of one kind begin with a meeting of all ranks. It costs ranks with ordinary buffers time for nothing, and calls of a kind mostly use
// buffers of a kind: after meetings that found ordinary ones more and more calls go without, up to kLongestPause - 1 in turn. All ranks decide
// alike, because a call waits for what all earlier ones of its kind have found.
class MeetingRecord {
 public:
  static constexpr uint64_t kLongestPause = 64;

  // By who submits, in order; everything else by who takes turns.
  uint64_t take_ticket() { return issued_++; }
  bool is_turn_of(uint64_t ticket) const { return decided_ == ticket; }
  bool meets() const { return decided_ >= next_meeting_; }
  void pass() { ++decided_; }
  void conclude(bool all_shared) {
    pause_ = all_shared ? 1 : std::min(2 * pause_, kLongestPause);
    next_meeting_ = decided_ + pause_;
    ++decided_;
  }

 private:
  uint64_t issued_ = 0;
  uint64_t decided_ = 0;  // calls that have met or passed
  uint64_t next_meeting_ = 0;
  uint64_t pause_ = 1;
};

inline constexpr uint64_t kStepComplete = UINT64_MAX;

// What the executor has noted about an operation that may be stuck.
struct OperationWatch {
  uint64_t advances = UINT64_MAX;  // Operation::advances when last looked at
  uint64_t progress_ns = 0;        // when it was last seen to have moved
  uint64_t next_inquiry_ns = 0;
  uint64_t inquiry_interval_ns = 0;
};

enum class OperationState : uint8_t { waiting, running };

struct Operation {
  Request request;
  Stream* stream = nullptr;
  std::shared_ptr<Stream> stream_owner;  // keeps `stream`, unless it is the executor's own
  Stream::Ticket ticket;
  uint64_t index = 0;         // among all work of the executor
  uint64_t sequence = 0;      // of collectives on the communicator; of sends, or receives, with this peer
  uint64_t frame_word = 0;    // chain and sequence, as every frame carries them
  uint32_t first_channel = 0;  // of the collective channels
  uint32_t channels = 0;       // those of the collective channels it uses, a bit each
  OperationState state = OperationState::waiting;
  const std::byte* input = nullptr;  // the caller's, or what it was scaled to
  uint64_t scaled_elements = 0;      // of the input, so far
  uint64_t advances = 0;  // turns in which it moved
  OperationWatch watch;
  std::vector<LaneState> lanes;
  std::vector<uint64_t> step_done_bytes;  // kStepComplete once complete
  bool is_straight = false;    // the program's straight steps run, in the place of lanes
  uint32_t straight_step = 0;  // the one that runs
  uint64_t straight_bytes = 0;  // what it has received
  std::vector<Meeting> meetings;          // by rank; empty if there are none
  bool is_meeting = false;  // all ranks, to find out which program to run
  MeetingRecord* meeting_record = nullptr;  // until it is decided whether it meets, and what that finds; null if it has one program
  uint64_t meeting_ticket = 0;
  Scratch* scratch_owner = nullptr;        // the executor's, while it runs; null if it needs none
  std::byte* scratch = nullptr;            // of `scratch_owner`
  std::byte* scaled_input = nullptr;       // likewise

  const Program& program() const { return *request.program; }  // the one that runs
  const Signature& signature() const { return request.program->signature(); }
  bool is_point_to_point() const { return request.program->is_point_to_point(); }
};

}  // namespace tutti::engine
