// SPDX-License-Identifier: Apache-2.0
#include "transports/shm/ring.hpp"

#include <atomic>
#include <cassert>
#include <cstring>
#include <string_view>
#include <utility>

namespace tutti::transports::shm {
namespace {

using transport::Frame;
using transport::FrameHeader;
using transport::kChannelCount;
using transport::Outcome;

// The reader tells its progress once per so many frames that lie in their lines: the word is on a line that the writer has to fetch. Fewer than
// kLineCount, so that a reader which has emptied the ring has made room.
constexpr uint64_t kFramesPerProgress = kLineCount / 4;

static_assert(kBerthCount <= 64 && kMaxSlotCount <= 64, "a word has a bit for each place");

constexpr Pool::Limits kBerthLimits{.place_count = kBerthCount, .reserve = 2, .bound = kBerthCount / 2, .places_per_look = 8};

// all_reduce_perf on two ranks: looking after every second slot instead costs an allreduce of 64 KiB a quarter of its time.
Pool::Limits slot_limits(const Geometry& geometry) {
  return {.place_count = geometry.slot_count, .reserve = 1, .bound = geometry.slot_count / 2, .places_per_look = 4};
}

}  // namespace

Pool::Pool(const Limits& limits)
    : limits_(limits),
      free_(~uint64_t{0} >> (64 - limits.place_count)),
      next_look_(limits.places_per_look),
      reserved_(limits.reserve * transport::kChannelCount) {
  assert(reserved_ <= limits.place_count && limits.place_count <= 64);
}

bool Pool::may_take(uint32_t channel) const {
  return held_[channel] < limits_.reserve || (held_[channel] < limits_.bound && free_count() > reserved_);
}

uint8_t Pool::take(uint32_t channel) {
  if (!may_take(channel)) {
    return kNone;
  }
  reserved_ -= held_[channel] < limits_.reserve ? 1 : 0;
  ++held_[channel];
  const auto place = static_cast<uint8_t>(std::countr_zero(free_));
  free_ &= free_ - 1;
  return place;
}

void Pool::give_back(uint32_t channel, uint8_t place) {
  free_ |= uint64_t{1} << place;
  --held_[channel];
  reserved_ += held_[channel] < limits_.reserve ? 1 : 0;
}

Writer::Writer(const DirectionMemory& memory) : memory_(memory), berths_(kBerthLimits), slots_(slot_limits(memory.geometry())) {}

bool Writer::look() {
  for (uint32_t channel = 0; channel < kChannelCount; ++channel) {
    Channel& state = channels_[channel];
    // Acquire; pairs with the release in Reader::pop: what lay in lines, berths and slots up to here is no longer read.
    const uint64_t progress = std::atomic_ref(memory_.progress(channel)).load(std::memory_order_acquire);
    if (progress < state.known_progress || progress > state.position) {
      violation_ = Violation{channel, progress};
      return false;
    }
    for (; state.known_progress < progress; ++state.known_progress) {
      const Holding holding = std::exchange(state.holdings[state.known_progress % kLineCount], {});
      if (Pool* pool = pool_of(holding.room); pool != nullptr) {
        pool->give_back(channel, holding.place);
      }
    }
  }
  berths_.has_looked();
  slots_.has_looked();
  return true;
}

std::byte* Writer::memory_of(const Holding& holding, Line& line) const {
  switch (holding.room) {
    case Room::line:
      return line.payload;
    case Room::berth:
      return memory_.berth(holding.place);
    case Room::slot:
      return memory_.slot(holding.place);
  }
  return nullptr;
}

Outcome Writer::offer(uint32_t channel, const FrameHeader& header, std::span<const std::byte> payload) {
  assert(payload.size() <= memory_.geometry().slot_bytes);
  Channel& state = channels_[channel];
  Holding holding{.room = room_for(payload.size())};
  Pool* pool = pool_of(holding.room);
  if (!state.line_is_free() || (pool != nullptr && pool->look_is_due(channel))) {
    if (!look()) {
      return Outcome::failed;
    }
    if (!state.line_is_free()) {
      return Outcome::would_block;
    }
  }
  if (pool != nullptr) {
    holding.place = pool->take(channel);
    if (holding.place == Pool::kNone) {
      return Outcome::would_block;
    }
    state.holdings[state.position % kLineCount] = holding;
  }
  Line& line = memory_.line(channel, state.position);
  if (!payload.empty()) {
    std::memcpy(memory_of(holding, line), payload.data(), payload.size());
  }
  line.header = header;
  const Publication publication{Publication::tag_of(state.position), static_cast<uint32_t>(payload.size()), holding.place};
  // Release; pairs with the acquire in Reader::peek: publishes the header and the payload wherever it lies.
  std::atomic_ref(line.publication).store(publication.encoded(), std::memory_order_release);
  ++state.position;
  state.taken_bytes += payload.size();
  return Outcome::done;
}

std::string Writer::violation() const {
  if (!violation_.has_value()) {
    return {};
  }
  return fmt::format("claims to have read {} frames of {} on channel {}", violation_->progress, channels_[violation_->channel].position,
                     violation_->channel);
}

void Reader::examine(const Publication& publication, Frame* frame) {
  publication_ = publication;
  const Geometry& geometry = memory_.geometry();
  const Room room = room_for(publication.payload_bytes);
  const uint32_t place_count = room == Room::line ? 1 : room == Room::berth ? kBerthCount : geometry.slot_count;
  if (publication.payload_bytes > geometry.slot_bytes || publication.place >= place_count) {
    found_ = Found::violation;
    return;
  }
  const Line& line = memory_.line(channel_, position_);
  const std::byte* payload = line.payload;
  if (room == Room::berth) {
    payload = memory_.berth(publication.place);
  } else if (room == Room::slot) {
    payload = memory_.slot(publication.place);
  }
  *frame = frame_ = Frame{line.header, {payload, publication.payload_bytes}};
  found_ = Found::frame;
}

Outcome Reader::peek(Frame* frame) {
  if (found_ == Found::nothing) {
    // Acquire; pairs with the release in Writer::offer: header and payload are there.
    const uint64_t word = std::atomic_ref(memory_.line(channel_, position_).publication).load(std::memory_order_acquire);
    const Publication publication = Publication::decoded(word);
    if (publication.position_tag != Publication::tag_of(position_)) {
      return Outcome::would_block;
    }
    examine(publication, frame);
  } else {
    *frame = frame_;
  }
  return found_ == Found::violation ? Outcome::failed : Outcome::done;
}

void Reader::pop() {
  if (found_ != Found::frame) {
    return;
  }
  found_ = Found::nothing;
  ++position_;
  if (room_for(publication_.payload_bytes) != Room::line || position_ - published_progress_ >= kFramesPerProgress) {
    published_progress_ = position_;
    // Release; pairs with the acquire in Writer::look: nothing up to here is read any more.
    std::atomic_ref(memory_.progress(channel_)).store(position_, std::memory_order_release);
  }
}

std::string Reader::violation() const {
  if (found_ != Found::violation) {
    return {};
  }
  constexpr std::array<std::string_view, 3> kRooms{"line", "berth", "slot"};
  return fmt::format("published a frame of {} bytes in {} {}", publication_.payload_bytes,
                     kRooms[static_cast<size_t>(room_for(publication_.payload_bytes))], publication_.place);
}

}  // namespace tutti::transports::shm
