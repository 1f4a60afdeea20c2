// SPDX-License-Identifier: Apache-2.0
// Where the frames of one channel wait that arrived before anyone gave them a landing: a ring of whole, contiguous payloads in order of arrival.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>

#include "transport/transport.hpp"
#include "transports/tcp/wire.hpp"

namespace tutti::transports::tcp {

// Memory is allocated with the first frame. What append() may hold at a time is bounded by the channel's window, which the caller enforces; with
// room for one frame of the largest size beyond it, a payload that would not fit before the ring's end always fits at its beginning.
class Staging {
 public:
  explicit Staging(uint32_t window_units)
      : capacity_bytes_((size_t{window_units} + credit_units(kMaxFrameBytes)) * kCreditUnitBytes) {}

  // Begins the next frame and returns where its payload goes, aligned to kCreditUnitBytes. It stays incomplete until commit(), and no other
  // frame may begin before.
  std::byte* append(const transport::FrameHeader& header, uint32_t payload_bytes);
  void commit() { incomplete_ = false; }

  bool empty() const { return frame_count_ == 0; }
  // Whether the oldest frame is complete.
  bool ready() const { return frame_count_ > (incomplete_ ? 1u : 0u); }
  // The oldest frame; only when ready().
  transport::Frame front() const;
  // Forgets the oldest frame; only when ready().
  void pop_front();

 private:
  struct Entry {
    transport::FrameHeader header;
    uint32_t payload_bytes;
  };
  static_assert(sizeof(Entry) <= kCreditUnitBytes);
  struct AlignedDelete {
    void operator()(std::byte* memory) const { ::operator delete[](memory, std::align_val_t{kCreditUnitBytes}); }
  };

  Entry* entry_at(size_t offset) const;
  static size_t size_of(uint32_t payload_bytes) { return size_t{credit_units(payload_bytes)} * kCreditUnitBytes; }

  size_t capacity_bytes_;
  std::unique_ptr<std::byte[], AlignedDelete> memory_;
  size_t front_ = 0;    // offset of the oldest frame
  size_t back_ = 0;     // offset behind the newest frame
  size_t wrap_at_ = 0;  // offset behind the last frame before the ring's end, while frames lie on both sides of it
  size_t frame_count_ = 0;
  bool incomplete_ = false;
};

}  // namespace tutti::transports::tcp
