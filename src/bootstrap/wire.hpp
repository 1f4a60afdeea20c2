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

#include "base/status.hpp"
#include "bootstrap/exchange.hpp"

namespace tutti::bootstrap {

enum class FrameType : uint32_t {
  // A rank to the service.
  contribution = 1,  // number of the round, bytes
  abandonment = 2,   // result code, text
  goodbye = 3,       // empty: this rank has all it wanted
  // The service to a rank.
  contributions = 16,  // number of the round, rank count, each rank's length, each rank's bytes
  missing_ranks = 17,  // how many are missing, how many of them are listed, these
  failure = 18,        // result code, text
};

struct Frame {
  FrameType type = FrameType::goodbye;
  Bytes payload;
};

inline constexpr size_t kFrameHeaderBytes = 8;
// The most a rank may send in one frame: a contribution and its round's number.
inline constexpr size_t kMaxRankFrameBytes = kMaxContributionBytes + 64;
inline constexpr uint32_t kMaxRankCount = 1u << 16;
// The contributions of all ranks to one round together; a larger round fails.
inline constexpr size_t kMaxRoundBytes = size_t{128} * 1024 * 1024;
// The most the service may send in one frame: a round, with its number, its rank count and a length for each rank.
inline constexpr size_t kMaxServiceFrameBytes = kMaxRoundBytes + 12 + sizeof(uint32_t) * kMaxRankCount;
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

struct Round {
  uint64_t number = 0;
  std::vector<Bytes> contributions;
};
// Empty when malformed or not for `rank_count` ranks.
std::optional<Round> decode_round(std::span<const std::byte> payload, uint32_t rank_count);

struct MissingRanks {
  uint32_t count = 0;
  std::vector<uint32_t> listed;  // at most kMaxListedRanks
};
Bytes encode_missing(const MissingRanks& missing);
std::optional<MissingRanks> decode_missing(std::span<const std::byte> payload);
// "rank 2"; "ranks 2, 5 and 7 more"
std::string to_string(const MissingRanks& missing);

}  // namespace tutti::bootstrap
