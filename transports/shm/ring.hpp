// SPDX-License-Identifier: Apache-2.0
// The two ends of a channel: one writer, one reader, no lock, no system call. Both keep what they know of the other in their own memory and
// look at the shared progress only when that knowledge has run out.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "transport/transport.hpp"
#include "transports/shm/layout.hpp"

namespace tutti::transports::shm {

// Writes frames. Used by one thread at a time.
class Writer {
 public:
  explicit Writer(const ChannelMemory& memory);

  // Copies a frame of at most slot_bytes and publishes it. `would_block`: the reader is a ring or all slots behind. `failed`: the reader's progress
  // is impossible; see violation().
  transport::Outcome offer(const transport::FrameHeader& header, std::span<const std::byte> payload);
  // Payload bytes of all frames taken.
  uint64_t taken_bytes() const { return taken_bytes_; }
  // What the reader broke; empty while it keeps the rules.
  std::string violation() const;

 private:
  static constexpr uint8_t kNoSlot = 0xff;

  bool line_is_free() const { return position_ - known_progress_ < kLineCount; }
  // Learns how far the reader has come and takes back what it has given up; false when it claims the impossible.
  bool refresh();
  // Where the payload of the next frame goes, with the slot in `slot` if it takes one; null when there is no room.
  std::byte* place(size_t payload_bytes, uint8_t* slot);

  ChannelMemory memory_;
  uint64_t position_ = 0;        // of the next frame
  uint64_t known_progress_ = 0;  // frames the reader is known to have given back
  uint64_t taken_bytes_ = 0;
  std::optional<uint64_t> impossible_progress_;
  uint32_t free_slots_;                           // a bit each
  std::array<uint8_t, kLineCount> slot_of_line_;  // of the frames not yet given back
};

// Reads frames. Used by one thread at a time.
class Reader {
 public:
  explicit Reader(const ChannelMemory& memory) : memory_(memory) {}

  // The next frame, lying in the segment until pop(). `failed`: the writer published something impossible; see violation().
  transport::Outcome peek(transport::Frame* frame);
  // Gives the frame that peek() found back. Without one it does nothing.
  void pop();
  std::string violation() const;

 private:
  enum class Found : uint8_t { nothing, frame, violation };

  // Turns a published line into a frame, or into a violation.
  void examine(const Publication& publication);

  ChannelMemory memory_;
  uint64_t position_ = 0;            // of the next frame
  uint64_t published_progress_ = 0;  // what the writer can see
  Found found_ = Found::nothing;
  Publication publication_{};
  transport::Frame frame_;
};

}  // namespace tutti::transports::shm
