// SPDX-License-Identifier: Apache-2.0
// What travels between endpoints: messages that begin with a header of fixed size, little endian. Nothing of them is read before the receiver's tag, which
// only ranks of the communicator can compute, has matched and the token is that of the link.
//
//   bytes 0-7    token of the link and direction
//   bytes 8-11   rank that sent it
//   byte 12      kind: data, offer or credit
//   byte 13      channel
//   byte 14      channel of the credit
//   byte 15      0
//   bytes 16-19  number of the frame on its channel, modulo 2^32
//   bytes 20-23  credit: frames popped on its channel, modulo 2^32
//   bytes 24-27  credit: frames whose payload is no longer needed from the sender, all before them neither, modulo 2^32
//   bytes 28-29  generation of the sender's offers
//   bytes 30-31  generation of the receiver's offers up to which the sender of this has stopped reading older ones, modulo 2^16
//   bytes 32-47  the frame header: call and message bytes
// data:   the payload
// offer:  8 bytes address, 8 bytes key, 4 bytes length of memory of the sender's
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "transport/credit.hpp"
#include "transport/transport.hpp"
#include "transports/ofi/endpoint.hpp"

namespace tutti::transports::ofi {

inline constexpr size_t kHeaderBytes = 48;
inline constexpr size_t kOfferBytes = 20;
// One packet of EFA, whose MTU is larger; messages of up to 16 KiB go without a rendezvous of rxm's own.
inline constexpr size_t kMessageBytes = 8 * 1024;
// Larger payloads are offered.
inline constexpr size_t kEagerBytes = kMessageBytes - kHeaderBytes;
inline constexpr size_t kMaxFrameBytes = 512 * 1024;
inline constexpr size_t kMinFrameBytes = 4 * 1024;
// Frames on a channel that have been sent but not popped.
inline constexpr uint32_t kWindowFrames = 16;

constexpr transport::UnitsByChannel frames_by_channel(uint32_t frames) {
  return transport::units_by_channel([&](uint32_t) { return frames; });
}
using FrameCounts = std::array<uint32_t, transport::kChannelCount>;  // modulo 2^32

enum class Kind : uint8_t { data = 0xd1, offer = 0x0f, credit = 0xc2 };

struct Header {
  uint64_t token = 0;
  uint32_t source = 0;
  Kind kind = Kind::credit;
  uint8_t channel = 0;
  uint8_t credit_channel = 0;
  uint32_t number = 0;
  uint32_t popped = 0;
  uint32_t landed = 0;
  uint16_t generation = 0;
  uint16_t obeyed_generation = 0;
  transport::FrameHeader frame;

  bool operator==(const Header&) const = default;
};

struct OfferedMemory {
  RemoteMemory memory;
  uint32_t bytes = 0;
};

void encode(const Header& header, std::span<std::byte, kHeaderBytes> bytes);
void encode(const OfferedMemory& offered, std::span<std::byte, kOfferBytes> bytes);

// Whose token it must be, before more of a message is read; empty when it is shorter than a header.
struct Origin {
  uint64_t token = 0;
  uint32_t source = 0;
};
std::optional<Origin> origin_of(std::span<const std::byte> message);
// Empty when the message makes no sense: an unknown kind, a channel that does not exist, a length that does not fit the kind, a reserved byte
// that is not 0, or memory larger than a frame.
std::optional<Header> decode_header(std::span<const std::byte> message);
std::optional<OfferedMemory> decode_offer(std::span<const std::byte> message);

constexpr bool is_later(uint16_t generation, uint16_t than) { return static_cast<int16_t>(generation - than) > 0; }

// The number near `reference` whose low 32 bits are `low`.
constexpr uint64_t widen(uint32_t low, uint64_t reference) {
  return reference + static_cast<uint64_t>(int64_t{static_cast<int32_t>(low - static_cast<uint32_t>(reference))});
}

}  // namespace tutti::transports::ofi
