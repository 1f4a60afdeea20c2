// SPDX-License-Identifier: Apache-2.0
// One call on its way through the engine: what was asked, and how far it has come.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/signature.hpp"
#include "engine/stream.hpp"
#include "reduce/reduce.hpp"
#include "schedule/layout.hpp"
#include "schedule/schedule.hpp"

namespace tutti::engine {

// What a communicator hands to its executor.
struct Request {
  Signature signature;
  std::shared_ptr<const schedule::Schedule> schedule;
  schedule::LayoutRequest layout;  // its tables are the vectors below
  std::array<std::vector<uint64_t>, 4> tables;
  const std::byte* input = nullptr;
  std::byte* output = nullptr;
  reduce::Operator op;
  // Multiplied into the input beforehand (pre-multiplied sum); one element of the data type.
  bool has_input_scale = false;
  std::array<std::byte, 8> input_scale{};
  uint64_t input_elements = 0;  // of which has_input_scale needs the whole length
  uint32_t peer = 0;            // send and receive
};

// How far a lane has come in its current step.
struct LaneState {
  uint32_t step = 0;            // index into Schedule::steps
  uint32_t end_step = 0;
  bool entered = false;         // the fields below belong to `step`
  bool frame_taken = false;     // at least one frame of a send was taken, so that an empty message is sent once
  uint64_t total_bytes = 0;
  uint64_t moved_bytes = 0;     // offered to the link, or received, copied, reduced
  uint64_t taken_before = 0;    // send: bytes the link had taken on the channel before this step
  const std::byte* source = nullptr;
  std::byte* target = nullptr;
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
  std::optional<schedule::Layout> layout;
  std::shared_ptr<Stream> stream;
  Stream::Ticket ticket;
  uint64_t index = 0;         // among all work of the executor
  uint64_t sequence = 0;      // of collectives on the communicator; of sends, or receives, with this peer
  uint64_t frame_word = 0;    // chain and sequence, as every frame carries them
  uint32_t first_channel = 0;  // of the collective channels
  uint32_t element_bytes = 1;
  OperationState state = OperationState::waiting;
  uint64_t scaled_elements = 0;  // of the input, so far
  uint64_t advances = 0;  // turns in which it moved
  OperationWatch watch;
  std::vector<LaneState> lanes;
  std::vector<uint64_t> step_done_bytes;  // kStepComplete once complete
  std::byte* scratch = nullptr;       // the executor's, while it runs
  std::byte* scaled_input = nullptr;  // likewise

  bool is_point_to_point() const {
    return request.signature.collective == schedule::Collective::send || request.signature.collective == schedule::Collective::receive;
  }
};

}  // namespace tutti::engine
