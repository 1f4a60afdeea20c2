// SPDX-License-Identifier: Apache-2.0
// The two ends of a direction: the writer of all its channels, and for each channel a reader; no lock, no system call. Both keep what they know of
// the other in their own memory and look at the shared progress only when that knowledge has run out.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "transport/transport.hpp"
#include "transports/shm/layout.hpp"

namespace tutti::transports::shm {

// The writer's knowledge of a pool: which places are free and how many each channel holds. A channel takes the lowest free place, the likeliest to be
// in a cache. It may hold up to `bound` places as long as enough remain for every other channel to hold `reserve`, so that one whose reader does
// not read takes nothing from the others that they need to go on.
class Pool {
 public:
  struct Limits {
    uint32_t place_count;  // at most 64, and at least a reserve for each channel
    uint32_t reserve;
    uint32_t bound;
    // The writer looks at the progress whenever it has taken so many places since it last did: the fewer, the fewer are ever used for a reader that
    // keeps up, and the more often the writer waits for the line.
    uint32_t places_per_look;
  };

  explicit Pool(const Limits& limits);

  // A place for `channel`, or kNone.
  uint8_t take(uint32_t channel);
  void give_back(uint32_t channel, uint8_t place);
  bool look_is_due(uint32_t channel) const { return in_use() >= next_look_ || !may_take(channel); }
  void has_looked() { next_look_ = in_use() + limits_.places_per_look; }

  static constexpr uint8_t kNone = 0xff;

 private:
  bool may_take(uint32_t channel) const;
  uint32_t free_count() const { return static_cast<uint32_t>(std::popcount(free_)); }
  uint32_t in_use() const { return limits_.place_count - free_count(); }

  Limits limits_;
  uint64_t free_;  // a bit each
  uint32_t next_look_;
  uint32_t reserved_ = 0;                               // free places that are kept for channels which hold less than their reserve
  std::array<uint32_t, transport::kChannelCount> held_{};  // by channel
};

// Writes the frames of all channels. Used by one thread at a time.
class Writer {
 public:
  explicit Writer(const DirectionMemory& memory);

  // Copies a frame of at most slot_bytes and publishes it. `would_block`: the channel's reader is a ring behind, or the channel has all the memory
  // that it may hold. `failed`: the reader's progress is impossible; see violation().
  transport::Outcome offer(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload);
  // Payload bytes of all frames taken on `channel`.
  uint64_t taken_bytes(uint32_t channel) const { return channels_[channel].taken_bytes; }
  // What the reader broke; empty while it keeps the rules.
  std::string violation() const;

 private:
  struct Holding {
    Room room = Room::line;
    uint8_t place = 0;
  };
  struct Channel {
    uint64_t position = 0;        // of the next frame
    uint64_t known_progress = 0;  // frames the reader is known to have given back
    uint64_t taken_bytes = 0;
    std::array<Holding, kLineCount> holdings{};  // by line, of the frames not yet given back

    bool line_is_free() const { return position - known_progress < kLineCount; }
  };
  struct Violation {
    uint32_t channel;
    uint64_t progress;
  };

  Pool* pool_of(Room room) { return room == Room::line ? nullptr : room == Room::berth ? &berths_ : &slots_; }
  // Learns how far the readers have come and takes back what they have given up; false when one claims the impossible.
  bool look();
  std::byte* memory_of(const Holding& holding, Line& line) const;

  DirectionMemory memory_;
  std::array<Channel, transport::kChannelCount> channels_;
  Pool berths_;
  Pool slots_;
  std::optional<Violation> violation_;
};

// Reads the frames of one channel. Used by one thread at a time.
class Reader {
 public:
  Reader(const DirectionMemory& memory, uint32_t channel) : memory_(memory), channel_(channel) {}

  // The next frame, lying in the segment until pop(). `failed`: the writer published something impossible; see violation().
  transport::Outcome peek(transport::Frame* frame);
  // Gives the frame that peek() found back. Without one it does nothing.
  void pop();
  std::string violation() const;

 private:
  enum class Found : uint8_t { nothing, frame, violation };

  // Turns a published line into a frame, or into a violation.
  void examine(const Publication& publication, transport::Frame* frame);

  DirectionMemory memory_;
  uint32_t channel_;
  uint64_t position_ = 0;            // of the next frame
  uint64_t published_progress_ = 0;  // what the writer can see
  Found found_ = Found::nothing;
  Publication publication_{};
  transport::Frame frame_;
};

}  // namespace tutti::transports::shm
