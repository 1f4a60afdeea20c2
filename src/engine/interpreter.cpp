// SPDX-License-Identifier: Apache-2.0
#include "engine/interpreter.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <new>
#include <utility>

#include "engine/meeting.hpp"
#include "engine/straight.hpp"

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
// The same of bytes sent, so that what comes in is taken out of caches, not memory: an allreduce of 8 MiB of two ranks over loopback TCP took 1.74 ms,
// and 1.91 without, in frames of 572 KiB.
constexpr uint64_t kSentBytesPerTurn = 512 << 10;
constexpr uint64_t kLocalBytesPerTurn = 1 << 20;
// More in one system call: an all-gather of 4 MiB was 7 % slower with 1 MiB.
constexpr uint64_t kFetchedBytesPerTurn = 4 << 20;
// Local reductions go piece by piece through the cache, and streaming waits see each piece.
constexpr uint64_t kLocalPieceBytes = 128 << 10;
constexpr size_t kAlignment = 64;
// Targets that a kernel stores to in one pass; more get copies.
constexpr size_t kTargetsAtOnce = 32;

// Memory for pieces on their way, of a thread: the owner of an executor works on one piece at a time.
class Pieces {
 public:
  std::byte* at(size_t index) {
    if (index >= pieces_.size()) {
      pieces_.resize(index + 1);
    }
    if (pieces_[index] == nullptr) {
      pieces_[index].reset(static_cast<std::byte*>(::operator new(kLocalPieceBytes, std::align_val_t{kAlignment})));
    }
    return pieces_[index].get();
  }

 private:
  struct Free {
    void operator()(std::byte* memory) const { ::operator delete(memory, std::align_val_t{kAlignment}); }
  };
  std::vector<std::unique_ptr<std::byte, Free>> pieces_;
};

Pieces& pieces_of_thread() {
  thread_local Pieces pieces;
  return pieces;
}

enum class StepAdvance : uint8_t { idle, worked, complete, troubled };

class LaneRunner {
 public:
  LaneRunner(Operation& operation, LinkTable& links, Trouble& trouble)
      : operation_(operation), program_(operation.program()), schedule_(operation.program().schedule()), links_(links), trouble_(trouble) {}

  StepAdvance run(LaneState& state) {
    StepAdvance result = StepAdvance::idle;
    while (state.step != state.end_step) {
      const Step& step = schedule_.steps[state.step];
      if (!state.entered) {
        enter(step, state);
      }
      const StepAdvance moved = run_step(step, state);
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
    const std::byte* const base = base_of(span.buffer);
    return base == nullptr ? nullptr : base + program_.offset_bytes(span);
  }
  const std::byte* base_of(Buffer buffer) const {
    switch (buffer) {
      case Buffer::input: return operation_.input;
      case Buffer::output: return operation_.request.output;
      case Buffer::scratch: return operation_.scratch;
      case Buffer::none: break;
    }
    return nullptr;
  }

  void enter(const Step& step, LaneState& state) {
    state.entered = true;
    state.frame_taken = false;
    state.moved_bytes = 0;
    const StepPlace& place = program_.place_of(state.step);
    state.total_bytes = place.bytes;
    state.source = base_of(step.source.buffer) + place.source_offset;
    // Targets are never the caller's constant input, unless that is the output too: the verifier has seen to it.
    state.target = const_cast<std::byte*>(base_of(step.target.buffer)) + place.target_offset;
    if (step.kind == StepKind::signal || step.kind == StepKind::await) {
      state.total_bytes = sizeof(Announcement);
    }
    if (step.kind == StepKind::signal) {
      state.source = reinterpret_cast<const std::byte*>(&announcement_for(step.peer));
    }
    if (step.kind == StepKind::send || step.kind == StepKind::signal) {
      state.taken_before = links_.taken_bytes(step.peer, state.channel);
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

  StepAdvance run_step(const Step& step, LaneState& state) {
    uint64_t allowed = 0;
    if (!allowed_bytes(step, state, &allowed)) {
      return StepAdvance::idle;
    }
    switch (step.kind) {
      case StepKind::copy: return program_.is_modelled() ? pretend(state, allowed) : in_memory(step, [&] { return run_copy(step, state, allowed); });
      case StepKind::reduce: return program_.is_modelled() ? pretend(state, allowed) : in_memory(step, [&] { return run_reduce(step, state, allowed); });
      case StepKind::await: return run_await(step, state, state.channel);
      default: break;
    }
    // With equal blocks both ends know that a message is empty, and skip it.
    if (state.total_bytes == 0 && sends_no_empty_messages()) {
      return StepAdvance::complete;
    }
    const bool is_sending = step.kind == StepKind::send || step.kind == StepKind::signal;
    return is_sending ? run_send(step, state, allowed) : run_receive(step, state, allowed);
  }

  bool sends_no_empty_messages() const {
    return operation_.signature().blocks == schedule::Blocks::equal && !operation_.is_point_to_point();
  }

  StepAdvance run_send(const Step& step, LaneState& state, uint64_t allowed) {
    Link& link = links_[step.peer];
    const uint32_t channel = state.channel;
    const transport::FrameHeader header{operation_.frame_word, state.total_bytes};
    const uint64_t slice = frame_bytes(link, state.total_bytes);
    const uint64_t turn_end = state.moved_bytes + std::max(kSentBytesPerTurn, slice);
    bool worked = false;
    for (uint32_t frame_count = 0; frame_count < kFramesPerTurn; ++frame_count) {
      const bool empty_message_due = state.total_bytes == 0 && !state.frame_taken;
      if (state.moved_bytes == allowed && !empty_message_due) {
        break;
      }
      const uint64_t size = std::min<uint64_t>(slice, allowed - state.moved_bytes);
      if (state.moved_bytes + size > turn_end) {
        break;
      }
      const bool is_in_gang = step.gang.exists();
      if (is_in_gang && size < slice && allowed != state.total_bytes) {
        break;  // the frames of a gang's messages are alike
      }
      const std::span<const std::byte> payload(state.source + state.moved_bytes, size);
      const Outcome outcome = is_in_gang ? link.try_send_in_gang(channel, header, payload, step.gang) : link.try_send(channel, header, payload);
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
    return finish_send(step, state, worked);
  }

  // A send is as far done as the link has let go of its payload.
  StepAdvance finish_send(const Step& step, LaneState& state, bool worked) {
    const uint64_t released = links_[step.peer].released_bytes(state.channel);
    const uint64_t done_bytes = released > state.taken_before ? std::min(released - state.taken_before, state.moved_bytes) : 0;
    worked |= note_done(state, done_bytes);
    const bool all_taken = state.moved_bytes == state.total_bytes && state.frame_taken;
    if (all_taken && done_bytes == state.total_bytes) {
      return StepAdvance::complete;
    }
    return worked ? StepAdvance::worked : StepAdvance::idle;
  }

  StepAdvance run_receive(const Step& step, LaneState& state, uint64_t allowed) {
    Link& link = links_[step.peer];
    const uint32_t channel = state.channel;
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
      if (!belongs_here(operation_, frame, {.peer = step.peer, .total_bytes = state.total_bytes, .moved_bytes = state.moved_bytes}, &trouble_)) {
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

  void consume(const Frame& frame, const Step& step, LaneState& state) {
    const size_t size = frame.payload.size();
    std::byte* const target = state.target + state.moved_bytes;
    if (program_.is_modelled()) {
      state.moved_bytes += size;
      return;
    }
    if (step.kind == StepKind::receive) {
      if (frame.payload.data() != target && size != 0) {
        reduce::copy(frame.payload.data(), target, size, stores_of_received(state));
      }
    } else {
      const void* inputs[2] = {state.source + state.moved_bytes, frame.payload.data()};
      if (step.operands == schedule::Operands::received_first) {
        std::swap(inputs[0], inputs[1]);
      }
      reduce::reduce(program_.op(), operation_.signature().datatype, inputs, target,
                     size / program_.element_bytes(), final_of(step), stores_of_received(state));
    }
    state.moved_bytes += size;
  }

  // What another step waits for is read again soon.
  reduce::Stores stores_of_received(const LaneState& state) const {
    return program_.is_huge() && !program_.place_of(state.step).is_waited_for ? reduce::Stores::streaming : reduce::Stores::cached;
  }

  static reduce::Final final_of(const Step& step) {
    return step.final == schedule::Final::yes ? reduce::Final::yes : reduce::Final::no;
  }

  // ---- Meeting peers ----

  Meeting& meeting_with(uint32_t peer) const { return operation_.meetings[peer]; }

  const Announcement& announcement_for(uint32_t peer) {
    publish(operation_, links_, peer);
    return meeting_with(peer).own;
  }

  StepAdvance run_await(const Step& step, LaneState& state, uint32_t channel) {
    Meeting& meeting = meeting_with(step.peer);
    if (state.moved_bytes == 0) {
      switch (take_announcement(operation_, links_, {step.peer, channel}, &trouble_)) {
        case Outcome::done: break;
        case Outcome::would_block: return StepAdvance::idle;
        case Outcome::failed: return StepAdvance::troubled;
      }
      state.moved_bytes = state.total_bytes;
    }
    switch (reach(step.peer, meeting)) {
      case Outcome::done: return StepAdvance::complete;
      case Outcome::would_block: return StepAdvance::idle;
      case Outcome::failed: break;
    }
    return link_trouble(step.peer);
  }

  // Learns how to get at what this rank uses of the peer's memory.
  Outcome reach(uint32_t peer, Meeting& meeting) {
    if (meeting.is_reachable) {
      return Outcome::done;
    }
    const PeerSpans& spans = program_.peers()[peer];
    Link& link = links_[peer];
    const auto share = [&](const transport::MemoryAddress& address, uint64_t bytes, std::byte** memory) {
      return bytes == 0 || *memory != nullptr ? Outcome::done : link.share(address, bytes, memory);
    };
    Outcome outcome = share(meeting.peers.input, spans.input_bytes, &meeting.input);
    if (outcome == Outcome::done) {
      outcome = share(meeting.peers.output, spans.output_bytes, &meeting.output);
    }
    meeting.is_reachable = outcome == Outcome::done;
    return outcome;
  }

  // ---- Work in memory, a peer's or the own ----

  // Entered for as long as it lives.
  class Visit {
   public:
    Visit(LinkTable& links, const schedule::Schedule& schedule, const Step& step) : links_(links), schedule_(schedule), step_(step) {
      for_each_peer([this](uint32_t peer) {
        is_welcome_ = is_welcome_ && links_[peer].enter();
        entered_ += is_welcome_ ? 1 : 0;
      });
    }
    ~Visit() {
      for_each_peer([this](uint32_t peer) {
        if (entered_ > 0) {
          links_[peer].leave();
          --entered_;
        }
      });
    }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    bool is_welcome() const { return is_welcome_; }

   private:
    template <typename Action>
    void for_each_peer(Action action) const {
      const auto visit = [&](const schedule::Span& span) {
        if (span.rank != schedule::kOwnRank) {
          action(span.rank);
        }
      };
      if (step_.kind == StepKind::reduce) {
        std::ranges::for_each(schedule_.sources_of(step_), visit);
      } else {
        visit(step_.source);
      }
      visit(step_.target);
      std::ranges::for_each(schedule_.further_targets_of(step_), visit);
    }

    LinkTable& links_;
    const schedule::Schedule& schedule_;
    const Step& step_;
    uint32_t entered_ = 0;
    bool is_welcome_ = true;
  };

  template <typename Work>
  StepAdvance in_memory(const Step& step, Work work) {
    const Visit visit(links_, schedule_, step);
    return visit.is_welcome() ? work() : StepAdvance::idle;  // the peer's notice says why
  }

  // Where `span` can be loaded from and stored to, or null.
  std::byte* direct(schedule::Span span) const {
    if (span.rank == schedule::kOwnRank) {
      return const_cast<std::byte*>(address_of(span));
    }
    const Meeting& meeting = meeting_with(span.rank);
    std::byte* const base = span.buffer == Buffer::input ? meeting.input : meeting.output;
    return base == nullptr ? nullptr : base + program_.offset_bytes(span);
  }

  // Bytes of a peer's memory that cannot be loaded from.
  bool fetch(schedule::Span span, uint64_t begin, std::span<std::byte> target) {
    const Announcement& peers = meeting_with(span.rank).peers;
    transport::MemoryAddress address = span.buffer == Buffer::input ? peers.input : peers.output;
    address.offset += program_.offset_bytes(span) + begin;
    return links_[span.rank].fetch(address, target) == Outcome::done;
  }

  reduce::Stores stores() const { return program_.is_large() ? reduce::Stores::streaming : reduce::Stores::cached; }

  StepAdvance run_copy(const Step& step, LaneState& state, uint64_t allowed) {
    if (state.total_bytes == 0) {
      return StepAdvance::complete;  // the buffers may be null
    }
    if (step.if_private && links_[step.source.rank].is_shared(meeting_with(step.source.rank).own.output)) {
      return StepAdvance::complete;  // the peer has written it
    }
    const std::byte* const source = direct(step.source);
    std::byte* const target = direct(step.target);
    if (target == nullptr) {
      return StepAdvance::complete;  // the peer fetches it
    }
    const uint64_t begin = state.moved_bytes;
    const uint64_t end = std::min(allowed, begin + (source == nullptr ? kFetchedBytesPerTurn : kLocalBytesPerTurn));
    if (source == nullptr) {
      if (!fetch(step.source, begin, {target + begin, end - begin})) {
        return link_trouble(step.source.rank);
      }
    } else if (source != target) {
      copy_bytes(source + begin, target + begin, end - begin);
    }
    state.moved_bytes = end;
    return finish_local(state);
  }

  // The ranges may overlap, in place.
  void copy_bytes(const std::byte* source, std::byte* target, uint64_t bytes) const {
    const bool apart = std::less_equal<>()(source + bytes, target) || std::less_equal<>()(target + bytes, source);
    if (apart && program_.is_large()) {
      reduce::copy(source, target, bytes, reduce::Stores::streaming);
    } else if (bytes != 0) {
      std::memmove(target, source, bytes);
    }
  }

  StepAdvance run_reduce(const Step& step, LaneState& state, uint64_t allowed) {
    const uint64_t end = std::min(allowed, state.moved_bytes + kLocalBytesPerTurn);
    while (state.moved_bytes < end) {
      const uint64_t size = std::min(kLocalPieceBytes, end - state.moved_bytes);
      if (!reduce_piece(step, state, size)) {
        return StepAdvance::troubled;
      }
      state.moved_bytes += size;
    }
    return finish_local(state);
  }

  StepAdvance pretend(LaneState& state, uint64_t allowed) {
    state.moved_bytes = allowed;
    return finish_local(state);
  }

  StepAdvance finish_local(const LaneState& state) {
    if (state.moved_bytes == state.total_bytes) {
      return StepAdvance::complete;
    }
    return note_done(state, state.moved_bytes) ? StepAdvance::worked : StepAdvance::idle;
  }

  // target = sources[0] op sources[1] ..., in groups of as many inputs as a kernel takes. What is reduced so far is the next group's first; it stays
  // out of the target, which may be a later source.
  bool reduce_piece(const Step& step, const LaneState& state, uint64_t size) {
    const auto sources = schedule_.sources_of(step);
    const uint64_t begin = state.moved_bytes;
    void* targets[kTargetsAtOnce];
    const size_t target_count = find_targets(step, state, targets);
    const void* inputs[reduce::kMaxInputs];
    size_t input_count = 0;
    std::byte* landing = fetches_to_target(sources, state.target) ? state.target + begin : nullptr;
    for (size_t index = 0; index < sources.size(); ++index) {
      const std::byte* const source = input_of(sources[index], {begin, size, input_count}, &landing);
      if (source == nullptr) {
        link_trouble(sources[index].rank);
        return false;
      }
      inputs[input_count++] = source;
      const bool last = index + 1 == sources.size();
      if (last || input_count == reduce::kMaxInputs) {
        void* const sum = last ? targets[0] : pieces_of_thread().at(0);
        const std::span<void* const> sums = last ? std::span(targets, target_count) : std::span(&sum, 1);
        reduce::reduce(program_.op(), operation_.signature().datatype, std::span(inputs, input_count), sums, size / program_.element_bytes(),
                       last ? final_of(step) : reduce::Final::no, last ? stores() : reduce::Stores::cached);
        inputs[0] = sum;
        input_count = 1;
      }
    }
    copy_to_more_targets(step, state, size);
    return true;
  }

  // Whether the first source that is fetched can be put where the result goes: a buffer less in the caches, unless stores go past them.
  bool fetches_to_target(std::span<const schedule::Span> sources, const std::byte* target) const {
    return !program_.is_large() && sources.size() <= reduce::kMaxInputs && std::ranges::none_of(sources, [&](const schedule::Span& source) {
      return source.rank == schedule::kOwnRank && direct(source) == target;
    });
  }

  struct Piece {
    uint64_t begin = 0;
    uint64_t size = 0;
    size_t place = 0;  // keeps pieces apart that are fetched for one kernel
  };
  // A source's bytes, where a kernel can read them; null if its owner is gone. The first that is fetched goes to `*landing`, if that is not null.
  const std::byte* input_of(schedule::Span source, const Piece& piece, std::byte** landing) {
    if (const std::byte* const memory = direct(source)) {
      return memory + piece.begin;
    }
    std::byte* const target = *landing != nullptr ? std::exchange(*landing, nullptr) : pieces_of_thread().at(1 + piece.place);
    return fetch(source, piece.begin, {target, piece.size}) ? target : nullptr;
  }

  // Where a kernel stores the result: the own target, and those of the next few that can be stored to.
  size_t find_targets(const Step& step, const LaneState& state, std::span<void*, kTargetsAtOnce> targets) const {
    targets[0] = state.target + state.moved_bytes;
    size_t count = 1;
    for (const schedule::Span& span : schedule_.further_targets_of(step).first(std::min<size_t>(step.target_count, kTargetsAtOnce - 1))) {
      if (std::byte* const target = direct(span)) {
        targets[count++] = target + state.moved_bytes;
      }
    }
    return count;
  }

  void copy_to_more_targets(const Step& step, const LaneState& state, uint64_t size) const {
    for (size_t index = kTargetsAtOnce - 1; index < step.target_count; ++index) {
      if (std::byte* const target = direct(schedule_.further_targets_of(step)[index])) {
        reduce::copy(state.target + state.moved_bytes, target + state.moved_bytes, size, stores());
      }
    }
  }

  // Publishes progress to streaming waits; tells whether there was any.
  bool note_done(const LaneState& state, uint64_t done_bytes) {
    uint64_t& noted = operation_.step_done_bytes[state.step];
    const bool grew = done_bytes > noted;
    noted = done_bytes;
    return grew;
  }

  // A multiple of every element's size.
  uint64_t frame_bytes(const Link& link, uint64_t message_bytes) const {
    return std::max<uint64_t>(schedule_.slice_bytes(message_bytes, link.max_frame_bytes()) & ~uint64_t{63}, 64);
  }

  StepAdvance link_trouble(uint32_t peer) {
    trouble_ = Trouble{.kind = Trouble::Kind::link_failed, .peer = peer};
    return StepAdvance::troubled;
  }

  Operation& operation_;
  const Program& program_;
  const Schedule& schedule_;
  LinkTable& links_;
  Trouble& trouble_;
};

// Multiplies the input into memory of the operation's own, a bounded piece at a time; true once done.
bool scale_input(Operation& operation, const Program::InputScale& scale) {
  const uint32_t element_bytes = operation.program().element_bytes();
  const uint64_t remaining = scale.elements - operation.scaled_elements;
  const uint64_t piece = std::min<uint64_t>(remaining, kLocalBytesPerTurn / element_bytes);
  const uint64_t offset_bytes = operation.scaled_elements * element_bytes;
  reduce::scale(operation.signature().datatype, operation.input + offset_bytes, scale.factor.data(), operation.scaled_input + offset_bytes,
                piece);
  operation.scaled_elements += piece;
  if (operation.scaled_elements != scale.elements) {
    return false;
  }
  operation.input = operation.scaled_input;
  return true;
}

uint32_t channel_of(const Operation& operation, const Lane& lane) {
  if (operation.is_point_to_point()) {
    return transport::kPointToPointChannel;
  }
  return transport::kFirstCollectiveChannel + (operation.first_channel + lane.channel) % transport::kCollectiveChannelCount;
}

void prepare_lanes(Operation& operation) {
  const Schedule& schedule = operation.program().schedule();
  operation.step_done_bytes.assign(schedule.steps.size(), 0);
  operation.lanes.resize(schedule.lanes.size());
  for (size_t index = 0; index < schedule.lanes.size(); ++index) {
    const Lane& lane = schedule.lanes[index];
    operation.lanes[index] = LaneState{.step = lane.first_step, .end_step = lane.first_step + lane.step_count, .channel = channel_of(operation, lane)};
  }
}

void prepare_steps(Operation& operation) {
  operation.is_straight = !operation.program().straight_steps().empty();
  operation.straight_step = 0;
  operation.straight_bytes = 0;
  if (!operation.is_straight) {
    prepare_lanes(operation);
  }
}

}  // namespace

bool belongs_here(const Operation& operation, const Frame& frame, const Expected& expected, Trouble* trouble) {
  const bool is_of_call = frame.header.call == operation.frame_word;
  const bool has_length = frame.header.message_bytes == expected.total_bytes && frame.payload.size() <= expected.total_bytes - expected.moved_bytes &&
                          frame.payload.size() % operation.program().element_bytes() == 0;
  if (is_of_call && has_length) {
    return true;
  }
  *trouble = Trouble{.kind = is_of_call ? Trouble::Kind::wrong_length : Trouble::Kind::foreign_frame,
                     .peer = expected.peer,
                     .expected_bytes = expected.total_bytes,
                     .received_bytes = frame.header.message_bytes,
                     .received_word = frame.header.call};
  return false;
}

void prepare(Operation& operation) {
  const Program& program = operation.program();
  operation.input = operation.request.input;
  operation.scaled_elements = 0;
  operation.is_meeting = program.when_shared() != nullptr;
  const size_t met = operation.is_meeting ? program.when_shared()->rank_count() : program.peers().size();
  operation.meetings.clear();
  operation.meetings.resize(met);
  prepare_steps(operation);
}

void pass_meeting(Operation& operation) {
  operation.is_meeting = false;
  operation.meetings.resize(operation.program().peers().size());
}

Advance advance(Operation& operation, LinkTable& links, Trouble* trouble) {
  const auto& scale = operation.program().input_scale();
  if (scale && operation.input != operation.scaled_input && !operation.program().is_modelled() && !scale_input(operation, *scale)) {
    return Advance::worked;
  }
  if (operation.is_meeting) {
    MeetingOfAll meeting(operation, links, *trouble);
    if (const Outcome met = meeting.run(); met != Outcome::done) {
      return met == Outcome::failed ? Advance::troubled : Advance::idle;
    }
    operation.is_meeting = false;
    const bool all_shared = meeting.found_all_shared();
    if (MeetingRecord* const record = std::exchange(operation.meeting_record, nullptr)) {
      record->conclude(all_shared);
    }
    if (all_shared) {
      operation.request.program = operation.program().when_shared();
      prepare_steps(operation);
    }
  }
  if (operation.is_straight && operation.straight_step == 0 && !fits_frames(operation, links)) {
    operation.is_straight = false;
    prepare_lanes(operation);
  }
  if (operation.is_straight) {
    return advance_straight(operation, links, trouble);
  }
  LaneRunner runner(operation, links, *trouble);
  bool worked = false;
  bool complete = true;
  for (LaneState& lane : operation.lanes) {
    if (lane.step == lane.end_step) {
      continue;
    }
    switch (runner.run(lane)) {
      case StepAdvance::troubled: return Advance::troubled;
      case StepAdvance::complete: worked = true; break;  // lanes before it may have waited for that
      case StepAdvance::worked: worked = true; [[fallthrough]];
      case StepAdvance::idle: complete = false; break;
    }
  }
  return complete ? Advance::complete : worked ? Advance::worked : Advance::idle;
}

void collect_awaited_peers(const Operation& operation, std::vector<uint32_t>* peers) {
  const Schedule& schedule = operation.program().schedule();
  peers->clear();
  if (operation.is_meeting) {
    for (uint32_t peer = 0; peer < operation.meetings.size(); ++peer) {
      if (peer != schedule.rank && !(operation.meetings[peer].has_come && operation.meetings[peer].is_sent)) {
        peers->push_back(peer);
      }
    }
    return;
  }
  if (operation.is_straight) {
    const auto straight = operation.program().straight_steps();
    if (operation.straight_step != straight.size() && straight[operation.straight_step].kind != StraightStep::Kind::copy) {
      peers->push_back(straight[operation.straight_step].peer);
    }
    return;
  }
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
