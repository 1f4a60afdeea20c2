// SPDX-License-Identifier: Apache-2.0
// The sending half of a link with several rails: numbers frames, and keeps them until the peer has acknowledged them. Without sockets: rails say what was acknowledged.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "transport/credit.hpp"
#include "transport/transport.hpp"
#include "transports/tcp/rail_wire.hpp"

namespace tutti::transports::tcp {

// A payload up to this size is copied, which releases the caller's memory at once: to wait for the acknowledgement would take longer.
inline constexpr size_t kRailCopiedPayloadBytes = 64 * 1024;

// A frame on its way. It is in the queue of a rail, or of those that wait for one, until it is acknowledged.
struct OutgoingFrame {
  transport::FrameHeader header;
  std::span<const std::byte> payload;  // the caller's memory, or `copy`
  std::vector<std::byte> copy;
  uint32_t channel = 0;
  uint32_t start_units = 0;
  bool is_borrowed = false;  // the payload is the caller's memory
  bool is_acknowledged = false;
  uint64_t sent_ns = 0;
  size_t bytes_on_rail = 0;  // when it was sent, itself included
  OutgoingFrame* next_in_channel = nullptr;
  OutgoingFrame* next_in_queue = nullptr;
};

// In the order in which they were added. Frames belong to the outbox.
class FrameQueue {
 public:
  bool empty() const { return first_ == nullptr; }
  size_t size() const { return size_; }
  OutgoingFrame& front() const { return *first_; }
  void push(OutgoingFrame& frame);
  OutgoingFrame& pop();
  // Takes over all of `other`, behind what is here.
  void append(FrameQueue& other);

 private:
  OutgoingFrame* first_ = nullptr;
  OutgoingFrame* last_ = nullptr;
  size_t size_ = 0;
};

class Outbox {
 public:
  Outbox() : credit_(transport::units_by_channel(rail_window_units)) {}

  bool has_credit_for(uint32_t channel, size_t payload_bytes) const { return credit_.covers(channel, credit_units(payload_bytes)); }
  // Takes a frame, with credit for it; the reference is good until it is acknowledged.
  OutgoingFrame& take(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload);
  // `frame`, which is in no queue any more, has arrived.
  void acknowledge(OutgoingFrame& frame);
  transport::HeldCredit& credit() { return credit_; }
  // Payload bytes of frames, counted from the link's beginning, that are read no more.
  uint64_t released_bytes(uint32_t channel) const { return outbound_[channel].released_bytes; }
  // Keeps copies of all payloads from now on: the caller's memory counts as released.
  void let_go();
  // Nothing will ever be sent again: all counts as released.
  void abandon();

 private:
  struct Outbound {
    uint64_t released_bytes = 0;
    // Those that are not acknowledged, or that follow one that is not.
    OutgoingFrame* first = nullptr;
    OutgoingFrame* last = nullptr;
    OutgoingFrame* first_unreleased = nullptr;  // released is what has been copied or acknowledged, and whose predecessors are released
  };

  static void release(Outbound& outbound);

  transport::HeldCredit credit_;
  std::array<Outbound, transport::kChannelCount> outbound_;
  std::deque<OutgoingFrame> frames_;
  std::vector<OutgoingFrame*> free_;
};

}  // namespace tutti::transports::tcp
