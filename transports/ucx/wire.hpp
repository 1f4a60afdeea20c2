// SPDX-License-Identifier: Apache-2.0
// What travels between two UCP endpoints once both ranks have proven themselves. Tags tell apart what UCX must: messages of this pair of ranks, and the
// payloads that follow them. Messages are short, come in order and begin with a header of fixed size, little endian:
//
//   byte 0      kind
//   byte 1      channel of the payload
//   byte 2      channel of the credit
//   byte 3      0
//   bytes 4-7   payload bytes
//   bytes 8-11  credit: units the receiver of this header may send more on the credit's channel
//   bytes 12-15 number of the message, from 0
//   bytes 16-31 the frame header: call and message bytes
//
// A payload of up to kInlineBytes follows its header in the same message. A larger one is announced by a message and comes on a tag of its own, from the
// caller's memory, so that UCX can move it by remote access to memory and it need not be received before a place for it is known.
//
// Flow control: each channel has a window of credit units. A frame costs one for its message and, if its payload is large, one for each
// kCreditUnitBytes of it begun, which is also what it takes in staging memory. The receiver checks that the sender never exceeds its credit.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/authentication.hpp"
#include "transport/transport.hpp"

namespace tutti::transports::ucx {

inline constexpr size_t kMaxFrameBytes = 512 * 1024;
// What a frame is cut down to at most when TUTTI_SLICE_BYTES asks for less.
inline constexpr size_t kMinFrameBytes = 4 * 1024;

inline constexpr size_t kHeaderBytes = 32;
// A whole message. UCX 1.13 sends up to 8185 bytes over tcp and 8256 over shared memory in one piece.
inline constexpr size_t kMessageBytes = 8 * 1024 - 64;
inline constexpr size_t kInlineBytes = kMessageBytes - kHeaderBytes;
inline constexpr size_t kCreditUnitBytes = 8 * 1024;

// Credit units that a frame of `payload_bytes` costs.
constexpr uint32_t credit_units(size_t payload_bytes) {
  return 1 + (payload_bytes <= kInlineBytes ? 0 : static_cast<uint32_t>((payload_bytes + kCreditUnitBytes - 1) / kCreditUnitBytes));
}

// Every window holds at least one frame of the largest size, so that such a frame can pass at all.
constexpr uint32_t window_units(uint32_t channel) {
  return channel == transport::kControlChannel ? credit_units(kMaxFrameBytes) + 64 : 4 * credit_units(kMaxFrameBytes);
}

enum class Kind : uint8_t { data = 0xd1, announcement = 0xa4, credit = 0xc2, goodbye = 0xb7 };

struct Header {
  Kind kind = Kind::data;
  uint8_t channel = 0;
  uint8_t credit_channel = 0;
  uint32_t payload_bytes = 0;
  uint32_t credit_units = 0;
  uint32_t number = 0;
  transport::FrameHeader frame;

  bool operator==(const Header&) const = default;
};

using HeaderBytes = std::span<std::byte, kHeaderBytes>;

void encode(const Header& header, HeaderBytes bytes);
// Empty when the message makes no sense: an unknown kind, a channel that does not exist, a payload that is not of the kind's size or not as long as
// the message says, a reserved byte that is not 0.
std::optional<Header> decode(std::span<const std::byte> message);

// Tags. UCX delivers what anybody sends who knows a worker's address, so tags are secrets too: they come from the key of the communicator, and once both
// ranks have proven themselves from the proofs they have exchanged. Nobody else can hit one in 2^58.
using Tag = uint64_t;

struct Direction {
  uint32_t source = 0;
  uint32_t target = 0;
};

// Of what ranks prove themselves with.
Tag proof_tag(const Key& key, Direction direction);
// What the tags of a proven pair are made from; `transcript` is all that the two have told each other.
uint64_t session_of(const Key& key, std::span<const std::byte> transcript, Direction direction);
Tag message_tag(uint64_t session);
Tag payload_tag(uint64_t session, uint32_t channel);

}  // namespace tutti::transports::ucx
