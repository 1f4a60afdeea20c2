// SPDX-License-Identifier: Apache-2.0
// What travels over a link's socket once both ends have proven themselves: headers of fixed size, little endian, each followed by its payload.
//
//   byte 0      kind: data or credit
//   byte 1      channel of the payload
//   byte 2      channel of the credit
//   byte 3      0
//   bytes 4-7   payload bytes
//   bytes 8-11  credit: units the receiver of this header may send more on the credit's channel
//   bytes 12-15 0
//   bytes 16-31 the frame header: call and message bytes
//
// Flow control: each channel has a window of credit units. A frame costs one unit for its header and one for each kCreditUnitBytes of payload begun,
// which is also what it takes in staging memory. The sender never exceeds its credit and the receiver checks that it does not.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "transport/transport.hpp"

namespace tutti::transports::tcp {

// With its header a frame of this size fits four segments of loopback's largest size, 65,483 bytes. A fifth of a few hundred bytes would cost
// as much as a full one: frames of 64 KiB, two segments, stream at half the speed.
inline constexpr size_t kMaxFrameBytes = 248 * 1024;
// Between hosts shorter ones keep the line busy while the receiver reduces: two ranks' 64 MiB over 10 Gbit/s took 63 ms, and 66 in frames of 512 KiB.
inline constexpr size_t kMaxFrameBytesBetweenHosts = 128 * 1024;
// What a frame is cut down to at most when TUTTI_SLICE_BYTES asks for less.
inline constexpr size_t kMinFrameBytes = 4 * 1024;

inline constexpr size_t kHeaderBytes = 32;
inline constexpr size_t kCreditUnitBytes = 64;

// Credit units that a frame of `payload_bytes` costs.
constexpr uint32_t credit_units(size_t payload_bytes) {
  return 1 + static_cast<uint32_t>((payload_bytes + kCreditUnitBytes - 1) / kCreditUnitBytes);
}

// Every window holds at least one frame of the largest size, so that such a frame can pass at all.
inline constexpr uint32_t kControlWindowUnits = credit_units(kMaxFrameBytes) + 1024;
inline constexpr uint32_t kDataWindowUnits = 8 * credit_units(kMaxFrameBytes);
// What is popped and not yet returned stays below this, unless the peer has been told. So much that credit travels with data where both sides send: a
// packet of its own costs as much as one of 64 KiB, and with one for each frame two ranks' allreduce of 1 MiB over loopback took 164 us instead of 146.
inline constexpr uint32_t kCreditDueUnits = 4 * credit_units(kMaxFrameBytes);
static_assert(kDataWindowUnits - kCreditDueUnits >= credit_units(kMaxFrameBytes), "a frame passes, whatever has not been returned yet");

constexpr uint32_t window_units(uint32_t channel) {
  return channel == transport::kControlChannel ? kControlWindowUnits : kDataWindowUnits;
}

enum class Kind : uint8_t { data = 0xd1, credit = 0xc2 };

struct Header {
  Kind kind = Kind::data;
  uint8_t channel = 0;
  uint8_t credit_channel = 0;
  uint32_t payload_bytes = 0;
  uint32_t credit_units = 0;
  transport::FrameHeader frame;

  bool operator==(const Header&) const = default;
};

using HeaderBytes = std::span<std::byte, kHeaderBytes>;
using ConstHeaderBytes = std::span<const std::byte, kHeaderBytes>;

void encode(const Header& header, HeaderBytes bytes);
// Empty when the bytes are no header: an unknown kind, a channel that does not exist, a payload beyond kMaxFrameBytes or on a credit header,
// or a reserved byte that is not 0.
std::optional<Header> decode(ConstHeaderBytes bytes);

}  // namespace tutti::transports::tcp
