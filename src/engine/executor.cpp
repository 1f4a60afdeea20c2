// SPDX-License-Identifier: Apache-2.0
// From submission to completion; what is called from one place, on the way of every operation, is inline. What happens beside the data (peers,
// control messages, deadlines) is in watch.cpp.
#include "engine/executor.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <exception>
#include <new>

#include "base/log.hpp"
#include "engine/engine.hpp"

namespace tutti::engine {

namespace {

constexpr size_t kHistoryLength = 1024;
// Turns between two looks at transports and peers: while data flows, and while nothing happens.
constexpr uint32_t kBusyTurnsBetweenTending = 64;
constexpr uint32_t kIdleTurnsBetweenTending = 8;
constexpr uint8_t kSending = 1;
constexpr uint8_t kReceiving = 2;

static_assert(schedule::kMaxChannels <= transport::kCollectiveChannelCount);
constexpr uint32_t kAllChannels = (1u << transport::kCollectiveChannelCount) - 1;

// A bit for each channel; after the last comes the first again.
uint32_t channel_mask(uint32_t first_channel, uint32_t channel_count) {
  const uint32_t straight = ((1u << channel_count) - 1) << first_channel;
  return (straight | straight >> transport::kCollectiveChannelCount) & kAllChannels;
}

uint8_t direction_of(const Operation& operation) {
  return operation.signature().collective == schedule::Collective::send ? kSending : kReceiving;
}

}  // namespace

Executor::Executor(Options options, Connections connections)
    : options_(std::move(options)),
      foundation_(std::move(connections.foundation)),
      transports_(std::move(connections.transports)),
      opener_(std::move(connections.opener)),
      links_(options_.rank_count),
      traces_(log::enabled(log::Level::trace)),
      queue_(kQueueCapacity),
      free_(kQueueCapacity),
      next_send_(options_.rank_count),
      next_receive_(options_.rank_count),
      history_(kHistoryLength),
      peer_busy_(options_.rank_count),
      peers_(options_.rank_count) {
  window_.reserve(2 * kQueueCapacity);
  awaited_.reserve(options_.rank_count);
  links_.add(options_.rank, loopback_);
  for (uint32_t peer = 0; peer < connections.links.size(); ++peer) {
    if (peer != options_.rank && connections.links[peer] != nullptr) {
      add_link(peer, *connections.links[peer]);
    }
  }
}

void Executor::add_link(uint32_t peer, transport::Link& link) {
  assert(!links_.has(peer));
  links_.add(peer, link);
  note_link(peer);
}

void Executor::note_link(uint32_t peer) {
  linked_.insert(std::ranges::lower_bound(linked_, peer), peer);
  peers_[peer] = peers_owned_.emplace_back(std::make_unique<Peer>()).get();
}

// Links outlive the messages in the outboxes, which they may not have sent yet.
Executor::~Executor() { let_go_of_memory(); }

void Executor::let_go_of_memory() {
  loopback_.let_go();
  for (const uint32_t peer : linked_) {
    links_[peer].let_go();
  }
}

Status Executor::failure() const {
  const std::lock_guard lock(failure_mutex_);
  return failure_;
}

Status Executor::submit(Request&& request, const std::shared_ptr<Stream>& stream, const Stream::Ticket* start) {
  stream->remember_executor(*this);
  Enqueued enqueued = try_enqueue(request, stream, start);
  while (enqueued == Enqueued::full) {
    wait_for_room();
    enqueued = try_enqueue(request, stream, start);
  }
  if (enqueued == Enqueued::refused) {
    return failure();
  }
  if (enqueued == Enqueued::owned) {
    guarded_turn([](size_t) { return false; });
    release_ownership();
  }
  if (options_.engine != nullptr && has_work()) {
    options_.engine->notify();
  }
  return {};
}

// What is short leaves with the call that submits it, if the executor has nothing else to do: peers need not wait until somebody takes a turn.
// Without an engine, in simulation, only turns do anything.
bool Executor::may_begin_at_once(const Operation& operation) const {
  return operation.program().is_eager() && options_.engine != nullptr && !has_work();
}

Executor::Enqueued Executor::try_enqueue(Request& request, const std::shared_ptr<Stream>& stream, const Stream::Ticket* start) {
  const std::lock_guard lock(submit_lock_);
  if (has_failed()) {
    return Enqueued::refused;
  }
  Operation* const operation = take_free_operation();
  if (operation == nullptr) {
    return Enqueued::full;
  }
  operation->request = std::move(request);
  operation->stream = stream.get();
  if (stream != own_stream_) {
    operation->stream_owner = stream;
  }
  const Stream::Ticket own = stream->take();
  operation->ticket = start != nullptr ? *start : own;
  operation->state = OperationState::waiting;
  operation->index = submitted_.load(std::memory_order_relaxed);
  number(*operation);
  prepare(*operation);
  const bool owner = may_begin_at_once(*operation) && try_claim();  // before others see that there is work
  if (owner && !has_failed()) {  // nothing is queued
    take_into_window(operation);
  } else {
    const bool pushed = queue_.try_push(operation);
    assert(pushed);  // there are no more operations than the queue has places
    (void)pushed;
  }
  submitted_.store(submitted_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  return owner ? Enqueued::owned : Enqueued::queued;
}

// Sequence, channels and frame word: equal on all ranks that submit the same work in the same order.
inline void Executor::number(Operation& operation) {
  const Signature& signature = operation.signature();
  if (operation.is_point_to_point()) {
    auto& next = signature.collective == schedule::Collective::send ? next_send_ : next_receive_;
    operation.sequence = next[operation.request.peer]++;
    operation.channels = 0;
    // Both ends of a message differ in `collective`; only the data type has to agree, the length travels beside it.
    operation.frame_word = static_cast<uint64_t>(signature.datatype) << 32 | static_cast<uint32_t>(operation.sequence);
    return;
  }
  operation.sequence = next_sequence_++;
  operation.first_channel = next_channel_;
  const uint32_t channel_count = operation.program().schedule().channel_count;
  operation.channels = channel_mask(next_channel_, channel_count);
  next_channel_ = (next_channel_ + channel_count) % transport::kCollectiveChannelCount;
  chain_ = chain(chain_, operation.program().fingerprint());
  operation.frame_word = static_cast<uint64_t>(chain_) << 32 | static_cast<uint32_t>(operation.sequence);
  operation.meeting_record = nullptr;
  if (operation.program().when_shared() != nullptr) {
    operation.meeting_record = &meeting_record(signature, operation.program().element_bytes());
    operation.meeting_ticket = operation.meeting_record->take_ticket();
  }
  HistoryEntry& entry = history_[operation.sequence % kHistoryLength];
  entry.number = operation.sequence + 1;
  entry.signature = signature;
  entry.chain = chain_;
}

// Calls of one kind are those of a collective whose vectors or blocks are of the same size up to a factor of two: equal on all ranks.
MeetingRecord& Executor::meeting_record(const Signature& signature, uint64_t element_bytes) {
  constexpr size_t kSizeClasses = 40;  // the last holds all that is larger
  if (meeting_records_.empty()) {
    meeting_records_.resize(schedule::kCollectiveCount * kSizeClasses);
  }
  const auto size_class = std::min(static_cast<size_t>(std::bit_width(signature.count * element_bytes)), kSizeClasses - 1);
  return meeting_records_[static_cast<size_t>(signature.collective) * kSizeClasses + size_class];
}

inline Operation* Executor::take_free_operation() {
  Operation* operation = nullptr;
  if (free_.try_pop(&operation)) {
    return operation;
  }
  if (operations_.size() == kQueueCapacity) {
    return nullptr;
  }
  return operations_.emplace_back(std::make_unique<Operation>()).get();
}

void Executor::wait_for_room() {
  const uint64_t settled = settled_.load(std::memory_order_acquire);
  wait_until([&] { return settled_.load(std::memory_order_acquire) != settled || has_failed(); });
}

void Executor::wait_until(FunctionRef<bool()> done) {
  constexpr uint32_t kTurnsBeforeWanting = 16;
  IdleStrategy idle(options_.crowding);
  bool owner = false;
  bool wants = false;
  waits_.store(waits_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  for (uint32_t turns = 0; !done(); ++turns) {
    const bool step_aside = aborts_.load(std::memory_order_relaxed) != 0;
    if (owner && step_aside) {
      release_ownership();
    }
    owner = !step_aside && (owner || try_claim());
    if (!wants && (!owner || turns == kTurnsBeforeWanting)) {
      wants = true;
      // Relaxed: the engine's thread only uses it to step back sooner.
      wanted_.fetch_add(1, std::memory_order_relaxed);
    }
    size_t worked = owner ? turn() : 0;
    // One thread may be driving several ranks: those nobody waits for need turns too.
    if (worked == 0 && idle.has_idled_long() && options_.engine != nullptr) {
      worked = options_.engine->help(*this);
    }
    idle.after_turn(worked);
  }
  if (owner) {
    release_ownership();
  }
  if (wants) {
    wanted_.fetch_sub(1, std::memory_order_relaxed);
  }
}

size_t Executor::turn() {
  return guarded_turn([this](size_t worked) {
    const uint32_t limit = worked != 0 ? kBusyTurnsBetweenTending : kIdleTurnsBetweenTending;
    return ++turns_since_tending_ >= limit;
  });
}

size_t Executor::full_turn() {
  return guarded_turn([](size_t) { return true; });
}

// What is thrown in a turn, by a user's reduction function or for want of memory, ends the communicator, not the thread that happens to own it.
template <typename ShouldTend>
size_t Executor::guarded_turn(ShouldTend should_tend) {
  try {
    size_t worked = drain_queue();
    worked += run_window();
    return should_tend(worked) ? worked + tend() : worked;
  } catch (const std::bad_alloc&) {
    fail(tutti::failure(tuttiSystemError, "\"{}\": out of memory", options_.name));
  } catch (const std::exception& error) {
    fail(internal_error("\"{}\": an exception ended it: {}", options_.name, error.what()));
  } catch (...) {
    fail(internal_error("\"{}\": an exception ended it", options_.name));
  }
  return 1;
}

inline void Executor::take_into_window(Operation* operation) {
  window_.push_back(operation);
  point_to_point_in_window_ += operation->is_point_to_point();
}

size_t Executor::drain_full_queue() {
  size_t count = 0;
  if (window_begin_ >= kQueueCapacity) {  // so that the window never outgrows what is reserved
    window_.erase(window_.begin(), window_.begin() + static_cast<ptrdiff_t>(window_begin_));
    window_begin_ = 0;
  }
  Operation* operation = nullptr;
  while (queue_.try_pop(&operation)) {
    take_into_window(operation);
    ++count;
  }
  if (count != 0 && has_failed()) {
    complete_all_with_failure();
  }
  return count;
}

// Scratch and the scaled input, which follows it. Operations that use any have channels of their own, so that no more run than the pool has scratches.
inline Status Executor::take_scratch(Operation& operation) {
  const auto& scale = operation.program().input_scale();
  const uint64_t scaled_bytes = scale ? scale->elements * operation.program().element_bytes() : 0;
  const uint64_t scratch_bytes = operation.program().scratch_bytes();
  if (scratch_bytes == 0 && scaled_bytes == 0) {
    return {};
  }
  const uint64_t scaled_begin = Scratch::rounded_up(scratch_bytes);
  uint64_t byte_count = 0;
  if (__builtin_add_overflow(scaled_begin, scaled_bytes, &byte_count)) {
    byte_count = UINT64_MAX;
  }
  operation.scratch_owner = scratches_.take();
  operation.scratch = operation.scratch_owner->at_least(byte_count);
  if (operation.scratch == nullptr) {
    return tutti::failure(tuttiSystemError, "{}: no memory for {} bytes of scratch", name_of(operation), byte_count);
  }
  operation.scaled_input = operation.scratch + scaled_begin;
  return {};
}

// Goes over the work in order of submission. A collective runs when its stream lets it and no earlier work uses its channels; a message, when no
// earlier one goes the same way.
size_t Executor::run_window() {
  size_t worked = 0;
  uint32_t busy_channels = 0;
  if (point_to_point_in_window_ != 0) {
    std::ranges::fill(peer_busy_, uint8_t{0});
  }
  for (size_t index = window_begin_; index < window_.size();) {
    if (busy_channels == kAllChannels && point_to_point_in_window_ == 0) {
      break;
    }
    Operation& operation = *window_[index];
    if (operation.state == OperationState::waiting && may_run(operation, busy_channels) && has_links(operation)) {
      if (const Status started = start(operation); !started.ok()) {
        fail(started);
        return worked + 1;
      }
      ++worked;
    }
    if (operation.state == OperationState::running) {
      Trouble trouble;
      const Advance advanced = advance(operation, links_, &trouble);
      if (advanced == Advance::complete) {
        finish(index, Status());
        ++worked;
        index = std::max(index, window_begin_);
        continue;
      }
      if (advanced == Advance::troubled) {
        if (const Status why = explain(operation, trouble); !why.ok()) {
          fail(why);
          return worked + 1;
        }
      }
      if (advanced == Advance::worked) {
        ++operation.advances;
        ++worked;
      }
    }
    if (operation.is_point_to_point()) {
      peer_busy_[operation.request.peer] |= direction_of(operation);
    } else {
      busy_channels |= operation.channels;
    }
    ++index;
  }
  return worked;
}

inline bool Executor::may_run(const Operation& operation, uint32_t busy_channels) const {
  const bool way_is_free = operation.is_point_to_point()
                               ? (peer_busy_[operation.request.peer] & direction_of(operation)) == 0
                               : (operation.channels & busy_channels) == 0;
  const bool knows_whether_it_meets = operation.meeting_record == nullptr || operation.meeting_record->is_turn_of(operation.meeting_ticket);
  return way_is_free && knows_whether_it_meets && operation.stream->may_start(operation.ticket);
}

inline Status Executor::start(Operation& operation) {
  if (operation.program().is_modelled()) {  // any address does
    operation.scratch = operation.request.output;
    operation.state = OperationState::running;
    operation.watch = OperationWatch{};
    return {};
  }
  TUTTI_RETURN_IF_ERROR(take_scratch(operation));
  if (operation.meeting_record != nullptr && !operation.meeting_record->meets()) {
    pass_meeting(operation);
    std::exchange(operation.meeting_record, nullptr)->pass();
  }
  operation.state = OperationState::running;
  has_shared_memory_ = has_shared_memory_ || !operation.meetings.empty();
  operation.watch = OperationWatch{};
  if (traces_) {  // the name is text that costs more than a small operation
    log::trace("rank {} starts {}, {} steps in {} lanes", options_.rank, name_of(operation), operation.program().schedule().steps.size(),
               operation.program().schedule().lanes.size());
  }
  return {};
}

void Executor::finish(size_t index, const Status& outcome) {
  Operation* const operation = window_[index];
  point_to_point_in_window_ -= operation->is_point_to_point();
  if (operation->scratch_owner != nullptr) {
    scratches_.give_back(std::exchange(operation->scratch_owner, nullptr));
  }
  if (index == window_begin_) {
    ++window_begin_;
    if (window_begin_ == window_.size()) {
      window_.clear();
      window_begin_ = 0;
    }
  } else {
    window_.erase(window_.begin() + static_cast<ptrdiff_t>(index));
  }
  ++finished_;
  Stream* const stream = operation->stream;
  const std::shared_ptr<Stream> stream_owner = std::move(operation->stream_owner);
  free_.try_push(operation);  // has room: there are no more operations than places
  stream->complete(outcome);
  note_settled();
}

// Everything before the oldest unfinished work has completed.
inline void Executor::note_settled() {
  const uint64_t settled = window_begin_ < window_.size() ? window_[window_begin_]->index : finished_;
  // Release; pairs with has_settled.
  settled_.store(settled, std::memory_order_release);
}

void Executor::complete_all_with_failure() {
  const Status why = failure();
  while (window_begin_ < window_.size()) {
    finish(window_begin_, why);
  }
}

}  // namespace tutti::engine
