// SPDX-License-Identifier: Apache-2.0
// What goes over a bootstrap connection once both ends have proven that they know the secret: frames of a type, a length and a payload.
// Numbers are little-endian. Nothing read here is trusted: every length is checked against what is there.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/interfaces.hpp"
#include "base/status.hpp"
#include "bootstrap/exchange.hpp"

namespace tutti::bootstrap {

enum class FrameType : uint32_t {
  // A rank to a root.
  registration = 1,  // its share, its address
  // A root to a rank.
  introduction = 16,  // the next rank's address
  // A rank to another.
  successor = 32,  // the address of the rank twice as far
  blocks = 33,     // number of the round, blocks
  // Either way, between any two.
  abandonment = 2,     // result code, text: the sender gives up
  goodbye = 3,         // empty: the sender has all it wanted
  missing_ranks = 17,  // how many are missing, how many of them are listed, these
  failure = 18,        // result code, text: why the job has failed
};

struct Frame {
  FrameType type = FrameType::goodbye;
  Bytes payload;
};

inline constexpr size_t kFrameHeaderBytes = 8;
// The most a root reads in one frame.
inline constexpr size_t kMaxRootFrameBytes = 1024;
inline constexpr uint32_t kMaxRankCount = 1u << 16;
// The contributions of all ranks to one round together; a larger round fails.
inline constexpr size_t kMaxRoundBytes = size_t{128} * 1024 * 1024;
// The most a rank reads in one frame: the blocks of a round, with its number and a length for each rank.
inline constexpr size_t kMaxLineFrameBytes = kMaxRoundBytes + 8 + sizeof(uint32_t) * kMaxRankCount;
// How often those who wait are told for whom.
inline constexpr uint64_t kReportIntervalNs = 100'000'000;
inline constexpr size_t kMaxTextBytes = 512;
inline constexpr size_t kMaxListedRanks = 16;

// Appends to a byte string.
class Writer {
 public:
  Writer& u32(uint32_t value) { return number(value, sizeof value); }
  Writer& u64(uint64_t value) { return number(value, sizeof value); }
  Writer& bytes(std::span<const std::byte> more);
  Bytes take() { return std::move(bytes_); }

 private:
  Writer& number(uint64_t value, size_t byte_count);
  Bytes bytes_;
};

// Reads from a byte string; empty answers mean that it was too short.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}
  std::optional<uint32_t> u32();
  std::optional<uint64_t> u64();
  std::optional<std::span<const std::byte>> bytes(size_t byte_count);
  std::span<const std::byte> rest() const { return rest_; }

 private:
  std::span<const std::byte> rest_;
};

// A whole frame, ready to be sent.
Bytes encode_frame(FrameType type, std::span<const std::byte> payload);

struct FrameHeader {
  FrameType type;
  size_t payload_bytes;
};
// Empty when the type is unknown.
std::optional<FrameHeader> decode_frame_header(std::span<const std::byte, kFrameHeaderBytes> bytes);

// `text` cut to kMaxTextBytes, with everything but printable ASCII replaced, so that a peer's words can neither flood nor steer a terminal.
std::string sanitised(std::string_view text);

Bytes encode_status(const Status& status);
// Empty when malformed, or when the code is no failure.
std::optional<Status> decode_status(std::span<const std::byte> payload);

// The ranks that one of several roots introduces to each other: all of them where there is one root.
struct Share {
  uint32_t first = 0;
  uint32_t count = 0;

  bool operator==(const Share&) const = default;
};
// Where the ranks from floor(root * rank_count / root_count) on are, up to the next root's first.
Share share_of(uint32_t root, uint32_t root_count, uint32_t rank_count);

struct Registration {
  Share share;
  SocketAddress address;  // on which the rank listens
};
Bytes encode_registration(const Registration& registration);
std::optional<Registration> decode_registration(std::span<const std::byte> payload);
Bytes encode_address(const SocketAddress& address);
std::optional<SocketAddress> decode_address(std::span<const std::byte> payload);

// Blocks lie one behind the other, each the contribution of one rank: its length (4 bytes), its bytes.
void append_block(Bytes* blocks, std::span<const std::byte> contribution);
// How many bytes the first `count` of them take; empty if there are fewer, or one is longer than a contribution may be.
std::optional<size_t> size_of_blocks(std::span<const std::byte> blocks, uint32_t count);

struct MissingRanks {
  uint32_t count = 0;
  std::vector<uint32_t> listed;  // at most kMaxListedRanks

  bool operator==(const MissingRanks&) const = default;
};
Bytes encode_missing(const MissingRanks& missing);
std::optional<MissingRanks> decode_missing(std::span<const std::byte> payload);
// "rank 2"; "ranks 2, 5 and 7 more"
std::string to_string(const MissingRanks& missing);

// What a rank's reason to give up means for the others: what concerns all of them stays what it is, the rest is a peer's trouble.
Status gave_up(uint32_t rank, const std::optional<Status>& why);

}  // namespace tutti::bootstrap
