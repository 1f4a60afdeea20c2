// SPDX-License-Identifier: Apache-2.0
// What lies where in the segment that two ranks share.
//
// A segment holds two *directions*, and a direction holds for each channel:
//   - kLineCount *lines*, the ring itself. A line is one cache line: the word that publishes it, the frame's header and up to kInlineBytes of
//     payload, so that a small frame costs its reader a single miss. Lines of the same position lie together over all channels: a reader
//     that watches the first line of each channel touches one page, not one per channel.
//   - a *berth* of kBerthBytes for each line, for payloads that are too large for the line but not worth a slot;
//   - slots, for large payloads. The writer fills one while the reader works straight out of another.
//   - the reader's progress, alone on its cache lines.
// Pages come into being when they are first touched, so an idle pair owns next to nothing of its megabytes.
//
// Everything read from a segment may have been written by a broken or hostile peer: it is copied once, checked, then used.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/status.hpp"
#include "transport/transport.hpp"

namespace tutti::transports::shm {

inline constexpr size_t kLineBytes = 64;
inline constexpr size_t kPageBytes = 4096;
// Two lines, for processors fetch lines in pairs.
inline constexpr size_t kProgressBytes = 2 * kLineBytes;
inline constexpr uint32_t kLineCount = 64;
inline constexpr size_t kInlineBytes = 40;
inline constexpr size_t kBerthBytes = 1024;

inline constexpr uint32_t kDefaultSlotBytes = 64 * 1024;
inline constexpr uint32_t kMinSlotBytes = 256;
inline constexpr uint32_t kMaxSlotBytes = 1024 * 1024;
inline constexpr uint32_t kDefaultSlotCount = 8;
inline constexpr uint32_t kMaxSlotCount = 32;

static_assert(std::atomic_ref<uint64_t>::is_always_lock_free, "a lock would lie in one process only");
static_assert((kLineCount & (kLineCount - 1)) == 0, "positions are reduced by masking");

struct Line {
  uint64_t publication;  // see Publication; accessed through std::atomic_ref
  transport::FrameHeader header;
  std::byte payload[kInlineBytes];
};
static_assert(sizeof(Line) == kLineBytes);

// The word that publishes a line: that the frame at `position` is there, how long it is and which slot it lies in. The low half of position + 1
// tells the present lap from the last one, whose word differs by kLineCount; memory begins as 0, which no line of the first lap expects.
struct Publication {
  uint32_t position_tag;
  uint32_t payload_bytes;  // 24 bits
  uint32_t slot;           // 8 bits; meaningful for payloads larger than kBerthBytes

  static constexpr uint32_t tag_of(uint64_t position) { return static_cast<uint32_t>(position + 1); }
  constexpr uint64_t encoded() const { return uint64_t{position_tag} << 32 | uint64_t{slot} << 24 | payload_bytes; }
  static constexpr Publication decoded(uint64_t word) {
    return {static_cast<uint32_t>(word >> 32), static_cast<uint32_t>(word & 0xffffff), static_cast<uint32_t>(word >> 24 & 0xff)};
  }
};
static_assert(kMaxSlotBytes < 1u << 24 && kMaxSlotCount <= 1u << 8);

// What the two ends of a segment agree on.
struct Geometry {
  uint32_t slot_bytes = kDefaultSlotBytes;  // the largest payload; a multiple of kLineBytes
  uint32_t slot_count = kDefaultSlotCount;  // per channel and direction

  bool operator==(const Geometry&) const = default;
};

// The geometry for a slice size as set by the user, 0 for none: clamped to what the layout allows.
Geometry geometry_for(uint64_t slice_bytes);
// Errors: tuttiRemoteError naming the field and its value when a peer offers a geometry outside the limits.
Status check(const Geometry& geometry);
size_t segment_bytes(const Geometry& geometry);

// Which way frames go through a segment.
enum class Direction : uint32_t { from_lower_rank = 0, from_higher_rank = 1 };

// One channel in one direction: where its parts are. Borrows the segment.
class ChannelMemory {
 public:
  // `segment` has segment_bytes(geometry) bytes and outlives this; `geometry` has been checked.
  ChannelMemory(std::byte* segment, const Geometry& geometry, Direction direction, uint32_t channel);

  Line& line(uint64_t position) const { return lines_[(position & (kLineCount - 1)) * transport::kChannelCount]; }
  std::byte* berth(uint64_t position) const { return berths_ + (position & (kLineCount - 1)) * kBerthBytes; }
  std::byte* slot(uint32_t index) const { return slots_ + size_t{index} * geometry_.slot_bytes; }
  // How many frames the reader has given back; accessed through std::atomic_ref.
  uint64_t& progress() const { return *progress_; }
  const Geometry& geometry() const { return geometry_; }

 private:
  Line* lines_;
  uint64_t* progress_;
  std::byte* berths_;
  std::byte* slots_;
  Geometry geometry_;
};

}  // namespace tutti::transports::shm
