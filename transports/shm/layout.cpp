// SPDX-License-Identifier: Apache-2.0
#include "transports/shm/layout.hpp"

#include <algorithm>

namespace tutti::transports::shm {
namespace {

using transport::kChannelCount;

constexpr size_t round_up(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

// Offsets within one direction.
struct Offsets {
  explicit Offsets(const Geometry& geometry)
      : progress(0),
        lines(progress + kProgressBytes),
        berths(round_up(lines + sizeof(Line) * kLineCount * kChannelCount, kPageBytes)),
        slots(round_up(berths + kBerthBytes * kBerthCount, kPageBytes)),
        end(round_up(slots + size_t{geometry.slot_bytes} * geometry.slot_count, kPageBytes)) {}

  size_t progress;
  size_t lines;
  size_t berths;
  size_t slots;
  size_t end;
};

}  // namespace

Geometry geometry_for(uint64_t slice_bytes, uint32_t rank_count) {
  Geometry geometry;
  if (slice_bytes != 0) {
    const uint64_t clamped = std::clamp<uint64_t>(slice_bytes, kMinSlotBytes, kMaxSlotBytes);
    geometry.slot_bytes = static_cast<uint32_t>(clamped / kLineBytes * kLineBytes);
  } else if (rank_count >= kManyRanks) {
    geometry.slot_bytes = kSlotBytesForManyRanks;
  }
  return geometry;
}

Status check(const Geometry& geometry) {
  if (geometry.slot_bytes < kMinSlotBytes || geometry.slot_bytes > kMaxSlotBytes || geometry.slot_bytes % kLineBytes != 0) {
    return remote_error("offers slots of {} bytes", geometry.slot_bytes);
  }
  if (geometry.slot_count < kMinSlotCount || geometry.slot_count > kMaxSlotCount) {
    return remote_error("offers {} slots", geometry.slot_count);
  }
  return {};
}

size_t segment_bytes(const Geometry& geometry) { return 2 * Offsets(geometry).end; }

DirectionMemory::DirectionMemory(std::byte* segment, const Geometry& geometry, Direction direction) : geometry_(geometry) {
  const Offsets offsets(geometry);
  std::byte* base = segment + static_cast<size_t>(direction) * offsets.end;
  bytes_ = {base, offsets.end};
  progress_ = reinterpret_cast<uint64_t*>(base + offsets.progress);
  lines_ = reinterpret_cast<Line*>(base + offsets.lines);
  berths_ = base + offsets.berths;
  slots_ = base + offsets.slots;
}

}  // namespace tutti::transports::shm
