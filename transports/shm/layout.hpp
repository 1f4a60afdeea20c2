// SPDX-License-Identifier: Apache-2.0
// What lies where in the segment that two ranks share.
//
// A segment holds two *directions*, and a direction holds:
//   - for each channel its progress, how many frames the reader has given back. The words of all channels share a cache line, so that the writer
//     learns what has become free everywhere with a single miss. In the line after it, whether the reader is at work in the writer's memory, and whether
//     the writer has let go of it;
//   - for each channel kLineCount *lines*, the ring itself. A line is one cache line: the word that publishes it, the frame's header and up to
//     kInlineBytes of payload, so that a small frame costs its reader a single miss. Lines of the same position lie together over all channels:
//     a reader that watches the first line of each channel touches one page, not one per channel;
//   - a pool of *berths* of kBerthBytes, for payloads that are too large for the line but not worth a slot;
//   - a pool of slots, for large payloads. The writer fills one while the reader works straight out of another.
// All channels of a direction draw from its pools, which keeps what is in use small enough for the caches; ring.hpp says who may take how much.
// Pages come into being when they are first touched, so an idle pair owns next to nothing of its memory; on the reader's NUMA node, if it can be had.
//
// Everything read from a segment may have been written by a broken or hostile peer: it is copied once, checked, then used.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.hpp"
#include "transport/transport.hpp"

namespace tutti::transports::shm {

inline constexpr size_t kLineBytes = 64;
inline constexpr size_t kPageBytes = 4096;
// The words, and a line that is hardly used, for processors fetch lines in pairs.
inline constexpr size_t kProgressBytes = 2 * kLineBytes;
inline constexpr uint32_t kLineCount = 64;
inline constexpr size_t kInlineBytes = 40;
inline constexpr size_t kBerthBytes = 1024;
inline constexpr uint32_t kBerthCount = 64;  // per direction

inline constexpr uint32_t kDefaultSlotBytes = 32 * 1024;
// A rank has a pair with each other rank: where there are many, smaller slots keep its share of them below 2 MiB for eight ranks.
inline constexpr uint32_t kManyRanks = 5;
inline constexpr uint32_t kSlotBytesForManyRanks = 16 * 1024;
inline constexpr uint32_t kMinSlotBytes = 256;
inline constexpr uint32_t kMaxSlotBytes = 1024 * 1024;
inline constexpr uint32_t kDefaultSlotCount = 16;  // per direction
inline constexpr uint32_t kMinSlotCount = transport::kChannelCount;  // one that no other channel can take
inline constexpr uint32_t kMaxSlotCount = 64;

static_assert(std::atomic_ref<uint64_t>::is_always_lock_free, "a lock would lie in one process only");
static_assert((kLineCount & (kLineCount - 1)) == 0, "positions are reduced by masking");
static_assert(sizeof(uint64_t) * transport::kChannelCount <= kLineBytes, "the progress of all channels is read with one miss");

struct Line {
  uint64_t publication;  // see Publication; accessed through std::atomic_ref
  transport::FrameHeader header;
  std::byte payload[kInlineBytes];
};
static_assert(sizeof(Line) == kLineBytes);

// The word that publishes a line: that the frame at `position` is there, how long it is and where its payload lies. The low half of position + 1
// tells the present lap from the last one, whose word differs by kLineCount; memory begins as 0, which no line of the first lap expects.
struct Publication {
  uint32_t position_tag;
  uint32_t payload_bytes;  // 24 bits
  uint32_t place;          // 8 bits: the berth or the slot, as the size of the payload tells; 0 for payloads that lie in the line

  static constexpr uint32_t tag_of(uint64_t position) { return static_cast<uint32_t>(position + 1); }
  constexpr uint64_t encoded() const { return uint64_t{position_tag} << 32 | uint64_t{place} << 24 | payload_bytes; }
  static constexpr Publication decoded(uint64_t word) {
    return {static_cast<uint32_t>(word >> 32), static_cast<uint32_t>(word & 0xffffff), static_cast<uint32_t>(word >> 24 & 0xff)};
  }
};
static_assert(kMaxSlotBytes < 1u << 24 && kMaxSlotCount <= 1u << 8 && kBerthCount <= 1u << 8);

// Which kind of memory a payload lies in. Both ends conclude it from the payload's size.
enum class Room : uint8_t { line, berth, slot };
constexpr Room room_for(size_t payload_bytes) {
  return payload_bytes <= kInlineBytes ? Room::line : payload_bytes <= kBerthBytes ? Room::berth : Room::slot;
}

// What the two ends of a segment agree on.
struct Geometry {
  uint32_t slot_bytes = kDefaultSlotBytes;  // the largest payload; a multiple of kLineBytes
  uint32_t slot_count = kDefaultSlotCount;  // per direction

  bool operator==(const Geometry&) const = default;
};

// The geometry for a communicator of `rank_count` ranks and a slice size as set by the user, 0 for none: clamped to what the layout allows.
Geometry geometry_for(uint64_t slice_bytes, uint32_t rank_count);
// Errors: tuttiRemoteError naming the field and its value when a peer offers a geometry outside the limits.
Status check(const Geometry& geometry);
size_t segment_bytes(const Geometry& geometry);

// Which way frames go through a segment.
enum class Direction : uint32_t { from_lower_rank = 0, from_higher_rank = 1 };

// One direction: where its parts are. Borrows the segment.
class DirectionMemory {
 public:
  // `segment` has segment_bytes(geometry) bytes and outlives this; `geometry` has been checked.
  DirectionMemory(std::byte* segment, const Geometry& geometry, Direction direction);

  Line& line(uint32_t channel, uint64_t position) const {
    return lines_[(position & (kLineCount - 1)) * transport::kChannelCount + channel];
  }
  std::byte* berth(uint32_t index) const { return berths_ + size_t{index} * kBerthBytes; }
  std::byte* slot(uint32_t index) const { return slots_ + size_t{index} * geometry_.slot_bytes; }
  // How many frames of the channel the reader has given back; accessed through std::atomic_ref.
  uint64_t& progress(uint32_t channel) const { return progress_[channel]; }
  // 1 while the reader loads from or stores to memory that the writer has lent it, and 1 once the writer has let go of it; accessed through
  // std::atomic_ref.
  uint64_t& is_inside() const { return progress_[kLineBytes / sizeof(uint64_t)]; }
  uint64_t& has_let_go() const { return progress_[kLineBytes / sizeof(uint64_t) + 1]; }
  const Geometry& geometry() const { return geometry_; }
  // All of it, in whole pages.
  std::span<std::byte> bytes() const { return bytes_; }

 private:
  std::span<std::byte> bytes_;
  uint64_t* progress_;
  Line* lines_;
  std::byte* berths_;
  std::byte* slots_;
  Geometry geometry_;
};

}  // namespace tutti::transports::shm
