// SPDX-License-Identifier: Apache-2.0
#include "transports/shm/ring.hpp"

#include <atomic>
#include <bit>
#include <cassert>
#include <cstring>

namespace tutti::transports::shm {
namespace {

using transport::Frame;
using transport::FrameHeader;
using transport::Outcome;

// The reader tells its progress once per so many small frames: the word is a line that the writer has to fetch. At most kLineCount, so that a
// reader which has emptied the ring has said so.
constexpr uint64_t kFramesPerProgress = kLineCount / 4;
// The writer looks at the progress before it has this many slots in flight, so that a reader that keeps up is served from the same few slots,
// which stay in the caches of both.
constexpr int kSlotsInFlight = 2;

bool needs_slot(size_t payload_bytes) { return payload_bytes > kBerthBytes; }

}  // namespace

Writer::Writer(const ChannelMemory& memory)
    : memory_(memory), free_slots_(static_cast<uint32_t>((uint64_t{1} << memory.geometry().slot_count) - 1)) {
  slot_of_line_.fill(kNoSlot);
}

bool Writer::refresh() {
  // Acquire; pairs with the release in Reader::pop: what lay in lines, berths and slots up to here is no longer read.
  const uint64_t progress = std::atomic_ref(memory_.progress()).load(std::memory_order_acquire);
  if (progress < known_progress_ || progress > position_) {
    impossible_progress_ = progress;
    return false;
  }
  for (; known_progress_ < progress; ++known_progress_) {
    uint8_t& slot = slot_of_line_[known_progress_ % kLineCount];
    if (slot != kNoSlot) {
      free_slots_ |= uint32_t{1} << slot;
      slot = kNoSlot;
    }
  }
  return true;
}

std::byte* Writer::place(size_t payload_bytes, uint8_t* slot) {
  if (payload_bytes <= kInlineBytes) {
    return memory_.line(position_).payload;
  }
  if (!needs_slot(payload_bytes)) {
    return memory_.berth(position_);
  }
  if (free_slots_ == 0) {
    return nullptr;
  }
  *slot = static_cast<uint8_t>(std::countr_zero(free_slots_));  // the lowest is the likeliest to be in a cache
  return memory_.slot(*slot);
}

Outcome Writer::offer(const FrameHeader& header, std::span<const std::byte> payload) {
  assert(payload.size() <= memory_.geometry().slot_bytes);
  const int in_flight = static_cast<int>(memory_.geometry().slot_count) - std::popcount(free_slots_);
  if (!line_is_free() || (needs_slot(payload.size()) && in_flight >= kSlotsInFlight)) {
    if (!refresh()) {
      return Outcome::failed;
    }
    if (!line_is_free()) {
      return Outcome::would_block;
    }
  }
  uint8_t slot = kNoSlot;
  std::byte* target = place(payload.size(), &slot);
  if (target == nullptr) {
    return Outcome::would_block;
  }
  if (!payload.empty()) {
    std::memcpy(target, payload.data(), payload.size());
  }
  if (slot != kNoSlot) {
    free_slots_ &= ~(uint32_t{1} << slot);
    slot_of_line_[position_ % kLineCount] = slot;
  }
  Line& line = memory_.line(position_);
  line.header = header;
  const Publication publication{Publication::tag_of(position_), static_cast<uint32_t>(payload.size()), slot == kNoSlot ? 0u : slot};
  // Release; pairs with the acquire in Reader::peek: publishes the header and the payload wherever it lies.
  std::atomic_ref(line.publication).store(publication.encoded(), std::memory_order_release);
  ++position_;
  taken_bytes_ += payload.size();
  return Outcome::done;
}

std::string Writer::violation() const {
  if (!impossible_progress_.has_value()) {
    return {};
  }
  return fmt::format("claims to have read {} frames of {}", *impossible_progress_, position_);
}

void Reader::examine(const Publication& publication) {
  publication_ = publication;
  const Geometry& geometry = memory_.geometry();
  if (publication.payload_bytes > geometry.slot_bytes || (needs_slot(publication.payload_bytes) && publication.slot >= geometry.slot_count)) {
    found_ = Found::violation;
    return;
  }
  const Line& line = memory_.line(position_);
  const std::byte* payload = line.payload;
  if (needs_slot(publication.payload_bytes)) {
    payload = memory_.slot(publication.slot);
  } else if (publication.payload_bytes > kInlineBytes) {
    payload = memory_.berth(position_);
  }
  frame_ = Frame{line.header, {payload, publication.payload_bytes}};
  found_ = Found::frame;
}

Outcome Reader::peek(Frame* frame) {
  if (found_ == Found::nothing) {
    // Acquire; pairs with the release in Writer::offer: header and payload are there.
    const uint64_t word = std::atomic_ref(memory_.line(position_).publication).load(std::memory_order_acquire);
    const Publication publication = Publication::decoded(word);
    if (publication.position_tag != Publication::tag_of(position_)) {
      return Outcome::would_block;
    }
    examine(publication);
  }
  if (found_ == Found::violation) {
    return Outcome::failed;
  }
  *frame = frame_;
  return Outcome::done;
}

void Reader::pop() {
  if (found_ != Found::frame) {
    return;
  }
  found_ = Found::nothing;
  ++position_;
  if (needs_slot(publication_.payload_bytes) || position_ - published_progress_ >= kFramesPerProgress) {
    published_progress_ = position_;
    // Release; pairs with the acquire in Writer::refresh: nothing up to here is read any more.
    std::atomic_ref(memory_.progress()).store(position_, std::memory_order_release);
  }
}

std::string Reader::violation() const {
  if (found_ != Found::violation) {
    return {};
  }
  return fmt::format("published a frame of {} bytes in slot {}", publication_.payload_bytes, publication_.slot);
}

}  // namespace tutti::transports::shm
