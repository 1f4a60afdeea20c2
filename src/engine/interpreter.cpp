// SPDX-License-Identifier: Apache-2.0
#include "engine/interpreter.hpp"

#include <algorithm>
#include <cstring>

namespace tutti::engine {

using schedule::Buffer;
using schedule::Lane;
using schedule::Schedule;
using schedule::Step;
using schedule::StepKind;
using transport::Frame;
using transport::Link;
using transport::Outcome;

namespace {

// Bounds of one call of advance(): frames a lane moves, and bytes it copies or reduces locally, so that a turn stays short.
constexpr uint32_t kFramesPerTurn = 16;
constexpr uint64_t kLocalBytesPerTurn = 1 << 20;
// Local reductions go piece by piece through the cache, and streaming waits see each piece.
constexpr uint64_t kLocalPieceBytes = 64 << 10;
constexpr size_t kAlignment = 64;

enum class StepAdvance : uint8_t { idle, worked, complete, troubled };

class LaneRunner {
 public:
  LaneRunner(Operation& operation, LinkTable& links, Trouble& trouble)
      : operation_(operation), schedule_(*operation.request.schedule), links_(links), trouble_(trouble) {}

  StepAdvance run(const Lane& lane, LaneState& state) {
    StepAdvance result = StepAdvance::idle;
    while (state.step != state.end_step) {
      const Step& step = schedule_.steps[state.step];
      if (!state.entered) {
        enter(lane, step, state);
      }
      const StepAdvance moved = run_step(lane, step, state);
      if (moved == StepAdvance::troubled) {
        return moved;
      }
      if (moved != StepAdvance::complete) {
        return moved == StepAdvance::worked ? moved : result;
      }
      operation_.step_done_bytes[state.step] = kStepComplete;
      state.entered = false;
      ++state.step;
      result = StepAdvance::worked;
    }
    return StepAdvance::complete;
  }

 private:
  const std::byte* address_of(schedule::Span span) const {
    const uint64_t offset_bytes = operation_.layout->offset(span) * operation_.element_bytes;
    switch (span.buffer) {
      case Buffer::input: return operation_.request.input + offset_bytes;
      case Buffer::output: return operation_.request.output + offset_bytes;
      case Buffer::scratch: return operation_.scratch + offset_bytes;
      case Buffer::none: break;
    }
    return nullptr;
  }
  // Targets are never the caller's constant input, unless that is the output too: the verifier has seen to it.
  std::byte* writable_address_of(schedule::Span span) const { return const_cast<std::byte*>(address_of(span)); }

  void enter(const Lane& lane, const Step& step, LaneState& state) {
    state.entered = true;
    state.frame_taken = false;
    state.moved_bytes = 0;
    state.total_bytes = operation_.layout->length(step.first_chunk, step.chunk_count) * operation_.element_bytes;
    state.source = address_of(step.source);
    state.target = writable_address_of(step.target);
    if (step.kind == StepKind::send) {
      state.taken_before = links_.taken_bytes(step.peer, channel_of(operation_, lane));
    }
  }

  // How many bytes of the step its waits allow; false if not even an empty step may run yet.
  bool allowed_bytes(const Step& step, const LaneState& state, uint64_t* allowed) const {
    *allowed = state.total_bytes;
    for (const schedule::Wait& wait : schedule_.waits_of(step)) {
      const uint64_t done_bytes = operation_.step_done_bytes[wait.step];
      if (done_bytes == kStepComplete) {
        continue;
      }
      if (wait.mode == schedule::WaitMode::complete || done_bytes == 0) {
        return false;
      }
      *allowed = std::min(*allowed, done_bytes);
    }
    return true;
  }

  StepAdvance run_step(const Lane& lane, const Step& step, LaneState& state) {
    uint64_t allowed = 0;
    if (!allowed_bytes(step, state, &allowed)) {
      return StepAdvance::idle;
    }
    const bool is_message = step.kind == StepKind::send || step.kind == StepKind::receive || step.kind == StepKind::receive_reduce;
    if (!is_message) {
      return run_local(step, state, allowed);
    }
    // With equal blocks both ends know that a message is empty, and skip it.
    if (state.total_bytes == 0 && sends_no_empty_messages()) {
      return StepAdvance::complete;
    }
    const uint32_t channel = channel_of(operation_, lane);
    return step.kind == StepKind::send ? run_send(step, state, channel, allowed) : run_receive(step, state, channel, allowed);
  }

  bool sends_no_empty_messages() const {
    return operation_.request.signature.blocks == schedule::Blocks::equal && !operation_.is_point_to_point();
  }

  StepAdvance run_send(const Step& step, LaneState& state, uint32_t channel, uint64_t allowed) {
    Link& link = links_[step.peer];
    const transport::FrameHeader header{operation_.frame_word, state.total_bytes};
    bool worked = false;
    for (uint32_t frame_count = 0; frame_count < kFramesPerTurn; ++frame_count) {
      const bool empty_message_due = state.total_bytes == 0 && !state.frame_taken;
      if (state.moved_bytes == allowed && !empty_message_due) {
        break;
      }
      const uint64_t size = std::min<uint64_t>(frame_bytes(link), allowed - state.moved_bytes);
      const Outcome outcome = link.try_send(channel, header, {state.source + state.moved_bytes, size});
      if (outcome == Outcome::failed) {
        return link_trouble(step.peer);
      }
      if (outcome == Outcome::would_block) {
        break;
      }
      state.moved_bytes += size;
      state.frame_taken = true;
      links_.taken_bytes(step.peer, channel) += size;
      worked = true;
    }
    return finish_send(step, state, channel, worked);
  }

  // A send is as far done as the link has let go of its payload.
  StepAdvance finish_send(const Step& step, LaneState& state, uint32_t channel, bool worked) {
    const uint64_t released = links_[step.peer].released_bytes(channel);
    const uint64_t done_bytes = released > state.taken_before ? std::min(released - state.taken_before, state.moved_bytes) : 0;
    worked |= note_done(state, done_bytes);
    const bool all_taken = state.moved_bytes == state.total_bytes && state.frame_taken;
    if (all_taken && done_bytes == state.total_bytes) {
      return StepAdvance::complete;
    }
    return worked ? StepAdvance::worked : StepAdvance::idle;
  }

  StepAdvance run_receive(const Step& step, LaneState& state, uint32_t channel, uint64_t allowed) {
    Link& link = links_[step.peer];
    bool worked = false;
    for (uint32_t frame_count = 0; frame_count < kFramesPerTurn; ++frame_count) {
      std::span<std::byte> landing;
      if (step.kind == StepKind::receive) {
        landing = {state.target + state.moved_bytes, allowed - state.moved_bytes};
      }
      Frame frame;
      const Outcome outcome = link.peek(channel, landing, &frame);
      if (outcome == Outcome::failed) {
        return link_trouble(step.peer);
      }
      if (outcome == Outcome::would_block) {
        break;
      }
      if (!belongs_here(frame, step, state)) {
        return StepAdvance::troubled;
      }
      if (frame.payload.size() > allowed - state.moved_bytes) {
        break;  // a slice this step must still wait to overwrite
      }
      consume(frame, step, state);
      link.pop(channel);
      worked = true;
      if (state.moved_bytes == state.total_bytes) {
        return StepAdvance::complete;
      }
    }
    worked |= note_done(state, state.moved_bytes);
    return worked ? StepAdvance::worked : StepAdvance::idle;
  }

  // Checks a frame before a byte of it is used.
  bool belongs_here(const Frame& frame, const Step& step, const LaneState& state) {
    trouble_ = Trouble{.kind = Trouble::Kind::none,
                       .peer = step.peer,
                       .expected_bytes = state.total_bytes,
                       .received_bytes = frame.header.message_bytes,
                       .received_word = frame.header.call};
    if (frame.header.call != operation_.frame_word) {
      trouble_.kind = Trouble::Kind::foreign_frame;
    } else if (frame.header.message_bytes != state.total_bytes ||
               frame.payload.size() > state.total_bytes - state.moved_bytes ||
               frame.payload.size() % operation_.element_bytes != 0) {
      trouble_.kind = Trouble::Kind::wrong_length;
    }
    return trouble_.kind == Trouble::Kind::none;
  }

  void consume(const Frame& frame, const Step& step, LaneState& state) {
    const size_t size = frame.payload.size();
    std::byte* const target = state.target + state.moved_bytes;
    if (step.kind == StepKind::receive) {
      if (frame.payload.data() != target && size != 0) {
        std::memcpy(target, frame.payload.data(), size);
      }
    } else {
      const void* inputs[2] = {state.source + state.moved_bytes, frame.payload.data()};
      if (step.operands == schedule::Operands::received_first) {
        std::swap(inputs[0], inputs[1]);
      }
      reduce::reduce(operation_.request.op, operation_.request.signature.datatype, inputs, target,
                     size / operation_.element_bytes, final_of(step));
    }
    state.moved_bytes += size;
  }

  static reduce::Final final_of(const Step& step) {
    return step.final == schedule::Final::yes ? reduce::Final::yes : reduce::Final::no;
  }

  StepAdvance run_local(const Step& step, LaneState& state, uint64_t allowed) {
    const uint64_t begin = state.moved_bytes;
    const uint64_t end = std::min(allowed, begin + kLocalBytesPerTurn);
    while (state.moved_bytes < end) {
      const uint64_t size = std::min(kLocalPieceBytes, end - state.moved_bytes);
      if (step.kind == StepKind::copy) {
        if (state.source != state.target) {
          std::memmove(state.target + state.moved_bytes, state.source + state.moved_bytes, size);
        }
      } else {
        reduce_piece(step, state, size);
      }
      state.moved_bytes += size;
    }
    if (state.moved_bytes == state.total_bytes) {
      return StepAdvance::complete;
    }
    return note_done(state, state.moved_bytes) ? StepAdvance::worked : StepAdvance::idle;
  }

  // target = sources[0] op sources[1] ..., in groups of as many inputs as a kernel takes. What is reduced so far is the next group's first; it stays
  // out of the target, which may be a later source.
  void reduce_piece(const Step& step, const LaneState& state, uint64_t size) const {
    const auto sources = schedule_.sources_of(step);
    const void* inputs[reduce::kMaxInputs];
    size_t input_count = 0;
    for (size_t index = 0; index < sources.size(); ++index) {
      inputs[input_count++] = address_of(sources[index]) + state.moved_bytes;
      const bool last = index + 1 == sources.size();
      if (last || input_count == reduce::kMaxInputs) {
        std::byte* const target = last ? state.target + state.moved_bytes : partial_result();
        reduce::reduce(operation_.request.op, operation_.request.signature.datatype, std::span(inputs, input_count), target,
                       size / operation_.element_bytes, last ? final_of(step) : reduce::Final::no);
        inputs[0] = target;
        input_count = 1;
      }
    }
  }

  static std::byte* partial_result() {
    thread_local const auto memory = std::make_unique_for_overwrite<std::byte[]>(kLocalPieceBytes + kAlignment);
    void* aligned = memory.get();
    size_t space = kLocalPieceBytes + kAlignment;
    return static_cast<std::byte*>(std::align(kAlignment, kLocalPieceBytes, aligned, space));
  }

  // Publishes progress to streaming waits; tells whether there was any.
  bool note_done(const LaneState& state, uint64_t done_bytes) {
    uint64_t& noted = operation_.step_done_bytes[state.step];
    const bool grew = done_bytes > noted;
    noted = done_bytes;
    return grew;
  }

  // A multiple of every element's size.
  static uint64_t frame_bytes(const Link& link) { return std::max<uint64_t>(link.max_frame_bytes() & ~uint64_t{63}, 64); }

  StepAdvance link_trouble(uint32_t peer) {
    trouble_ = Trouble{.kind = Trouble::Kind::link_failed, .peer = peer};
    return StepAdvance::troubled;
  }

  Operation& operation_;
  const Schedule& schedule_;
  LinkTable& links_;
  Trouble& trouble_;
};

// Multiplies the input into memory of the operation's own, a bounded piece at a time; true once done.
bool scale_input(Operation& operation) {
  Request& request = operation.request;
  const uint64_t remaining = request.input_elements - operation.scaled_elements;
  const uint64_t piece = std::min<uint64_t>(remaining, kLocalBytesPerTurn / operation.element_bytes);
  const uint64_t offset_bytes = operation.scaled_elements * operation.element_bytes;
  reduce::scale(request.signature.datatype, request.input + offset_bytes, request.input_scale.data(),
                operation.scaled_input + offset_bytes, piece);
  operation.scaled_elements += piece;
  if (operation.scaled_elements != request.input_elements) {
    return false;
  }
  request.input = operation.scaled_input;
  request.has_input_scale = false;
  return true;
}

}  // namespace

uint32_t channel_of(const Operation& operation, const Lane& lane) {
  if (operation.is_point_to_point()) {
    return transport::kPointToPointChannel;
  }
  return transport::kFirstCollectiveChannel + (operation.first_channel + lane.channel) % transport::kCollectiveChannelCount;
}

void prepare(Operation& operation) {
  const Schedule& schedule = *operation.request.schedule;
  operation.step_done_bytes.assign(schedule.steps.size(), 0);
  operation.lanes.clear();
  for (const Lane& lane : schedule.lanes) {
    operation.lanes.push_back(LaneState{.step = lane.first_step, .end_step = lane.first_step + lane.step_count});
  }
}

Advance advance(Operation& operation, LinkTable& links, Trouble* trouble) {
  if (operation.request.has_input_scale) {
    if (!scale_input(operation)) {
      return Advance::worked;
    }
  }
  LaneRunner runner(operation, links, *trouble);
  const auto& lanes = operation.request.schedule->lanes;
  bool worked = false;
  bool complete = true;
  for (size_t index = 0; index < lanes.size(); ++index) {
    switch (runner.run(lanes[index], operation.lanes[index])) {
      case StepAdvance::troubled: return Advance::troubled;
      case StepAdvance::complete: break;
      case StepAdvance::worked: worked = true; [[fallthrough]];
      case StepAdvance::idle: complete = false; break;
    }
  }
  return complete ? Advance::complete : worked ? Advance::worked : Advance::idle;
}

void collect_awaited_peers(const Operation& operation, std::vector<uint32_t>* peers) {
  const Schedule& schedule = *operation.request.schedule;
  peers->clear();
  for (const LaneState& lane : operation.lanes) {
    if (lane.step == lane.end_step) {
      continue;
    }
    const Step& step = schedule.steps[lane.step];
    if (step.kind == StepKind::copy || step.kind == StepKind::reduce) {
      continue;
    }
    const bool waits_for_own_steps = std::ranges::any_of(schedule.waits_of(step), [&](const schedule::Wait& wait) {
      return operation.step_done_bytes[wait.step] != kStepComplete;
    });
    if (!waits_for_own_steps && std::ranges::find(*peers, step.peer) == peers->end()) {
      peers->push_back(step.peer);
    }
  }
}

}  // namespace tutti::engine
