// SPDX-License-Identifier: Apache-2.0
#include "transports/fault/fault_link.hpp"

#include <algorithm>
#include <cassert>

#include "base/hash.hpp"

namespace tutti::transports::fault {

using transport::Outcome;

FaultLink::FaultLink(transport::Link& inner, const FaultScript& script, uint32_t peer)
    : inner_(&inner),
      script_(script),
      peer_(peer),
      seed_(hash_combine(script.seed, peer)),
      max_frame_bytes_(inner.max_frame_bytes()),
      estimate_(inner.estimate()),
      description_("fault over " + inner.describe()),
      spent_(script.faults.size(), 0) {}

Outcome FaultLink::try_send(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload) {
  if (!failure_.ok()) {
    return Outcome::failed;
  }
  if (blocked(Direction::send, channel)) {
    return Outcome::would_block;
  }
  const Verdict verdict = strike(Direction::send, channel, payload.size());
  if (verdict == Verdict::failed || verdict == Verdict::would_block) {
    return verdict == Verdict::failed ? Outcome::failed : Outcome::would_block;
  }
  std::span<const std::byte> outgoing = payload;
  if (verdict == Verdict::corrupt) {
    std::vector<std::byte>& copy = corrupted_outgoing_.emplace_back(payload.begin(), payload.end());
    flip_bit(copy);
    outgoing = copy;
  }
  const Outcome outcome = inner_->try_send(channel, header, outgoing);
  if (outcome == Outcome::done) {
    count(Direction::send, channel);
    channels_[channel].sent_bytes += payload.size();
  }
  if (verdict == Verdict::corrupt) {
    if (outcome == Outcome::done) {
      spent_[corruption_] = 1;
    } else {
      corrupted_outgoing_.pop_back();  // not taken; the next attempt corrupts it in the same place
    }
  }
  return outcome;
}

uint64_t FaultLink::released_bytes(uint32_t channel) const {
  return inner_ != nullptr ? inner_->released_bytes(channel) : channels_[channel].sent_bytes;
}

Outcome FaultLink::peek(uint32_t channel_number, std::span<std::byte> landing, transport::Frame* frame) {
  Channel& channel = channels_[channel_number];
  if (!channel.peeked && !failure_.ok()) {
    return Outcome::failed;
  }
  if (!channel.peeked && blocked(Direction::receive, channel_number)) {
    return Outcome::would_block;
  }
  if (const Outcome outcome = inner_->peek(channel_number, landing, frame); outcome != Outcome::done) {
    return outcome;
  }
  if (!channel.peeked) {
    switch (strike(Direction::receive, channel_number, frame->payload.size())) {
      case Verdict::failed:
        return Outcome::failed;
      case Verdict::would_block:
        return Outcome::would_block;
      case Verdict::corrupt:
        corrupt_arrived(channel_number, landing, frame);
        break;
      case Verdict::pass:
        break;
    }
    channel.peeked = true;
  }
  if (!channel.shown_payload.empty()) {
    frame->payload = channel.shown_payload;
  }
  return Outcome::done;
}

void FaultLink::pop(uint32_t channel_number) {
  Channel& channel = channels_[channel_number];
  assert(channel.peeked);
  inner_->pop(channel_number);
  channel.peeked = false;
  channel.shown_payload = {};
  channel.corrupted.clear();
  count(Direction::receive, channel_number);
}

void FaultLink::let_go() {
  if (inner_ != nullptr) {
    inner_->let_go();
  }
}

void FaultLink::leave() {
  if (inner_ != nullptr) {
    inner_->leave();
  }
}

transport::MemoryAddress FaultLink::publish(std::span<const std::byte> memory) {
  return inner_ != nullptr ? inner_->publish(memory) : transport::MemoryAddress{};
}

Outcome FaultLink::share(const transport::MemoryAddress& address, uint64_t byte_count, std::byte** memory) {
  return failure_.ok() && inner_ != nullptr ? inner_->share(address, byte_count, memory) : Outcome::failed;
}

Outcome FaultLink::fetch(const transport::MemoryAddress& address, std::span<std::byte> target) {
  return failure_.ok() && inner_ != nullptr ? inner_->fetch(address, target) : Outcome::failed;
}

const Status& FaultLink::failure() const { return failure_.ok() && inner_ != nullptr ? inner_->failure() : failure_; }

void FaultLink::release(uint32_t channel) {
  for (Flow& flow : channels_[channel].flows) {
    flow.blocked_calls = 0;
  }
}

bool FaultLink::wants_detach() const {
  return reset_ && inner_ != nullptr && std::ranges::none_of(channels_, &Channel::peeked);
}

bool FaultLink::blocked(Direction direction, uint32_t channel) {
  Flow& current = flow(direction, channel);
  const Storms& storms = script_.storms;
  if (current.blocked_calls == 0 && storms.per_million != 0 &&
      hash_combine(seed_, ++storm_draws_) % 1'000'000 < storms.per_million) {
    current.blocked_calls = 1 + hash_combine(seed_, ++storm_draws_) % std::max<uint64_t>(storms.longest_calls, 1);
  }
  if (current.blocked_calls == 0) {
    return false;
  }
  if (current.blocked_calls != kUntilReleased) {
    --current.blocked_calls;
  }
  return true;
}

bool FaultLink::due(const Fault& fault, Direction direction, uint32_t channel, size_t payload_bytes) const {
  if (fault.direction != direction || (fault.peer && *fault.peer != peer_) || (fault.channel && *fault.channel != channel)) {
    return false;
  }
  if (fault.action == Action::corrupt && payload_bytes == 0) {
    return false;
  }
  const auto side = static_cast<size_t>(direction);
  const uint64_t frames_before = fault.channel ? channels_[channel].flows[side].frame_count : frame_counts_[side];
  return frames_before + 1 >= fault.nth;
}

FaultLink::Verdict FaultLink::strike(Direction direction, uint32_t channel, size_t payload_bytes) {
  for (size_t index = 0; index < script_.faults.size(); ++index) {
    const Fault& fault = script_.faults[index];
    if (spent_[index] != 0 || !due(fault, direction, channel, payload_bytes)) {
      continue;
    }
    if (fault.action == Action::corrupt) {
      corruption_ = index;
      return Verdict::corrupt;
    }
    spent_[index] = 1;
    if (fault.action == Action::stall) {
      if (fault.stalled_calls == 0) {
        continue;
      }
      // This call is the first of them.
      flow(direction, channel).blocked_calls = fault.stalled_calls == kUntilReleased ? kUntilReleased : fault.stalled_calls - 1;
      return Verdict::would_block;
    }
    failure_ = fault.status.ok() ? Status(tuttiRemoteError, "injected failure") : fault.status;
    reset_ = fault.action == Action::reset;
    return Verdict::failed;
  }
  return Verdict::pass;
}

void FaultLink::count(Direction direction, uint32_t channel) {
  ++flow(direction, channel).frame_count;
  ++frame_counts_[static_cast<size_t>(direction)];
}

// The place depends on the fault alone, so that a repeated attempt corrupts alike.
void FaultLink::flip_bit(std::span<std::byte> payload) {
  const uint64_t place = hash_combine(seed_, ~uint64_t{corruption_});
  payload[place % payload.size()] ^= std::byte{1} << ((place >> 32) % 8);
}

void FaultLink::corrupt_arrived(uint32_t channel_number, std::span<std::byte> landing, transport::Frame* frame) {
  spent_[corruption_] = 1;
  if (!landing.empty() && frame->payload.data() == landing.data()) {
    return flip_bit(landing.first(frame->payload.size()));
  }
  Channel& channel = channels_[channel_number];
  channel.corrupted.assign(frame->payload.begin(), frame->payload.end());
  flip_bit(channel.corrupted);
  channel.shown_payload = channel.corrupted;
}

}  // namespace tutti::transports::fault
