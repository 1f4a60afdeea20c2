// SPDX-License-Identifier: Apache-2.0
// What travels over each rail of a link that has several: headers of fixed size, little endian, each followed by its payload.
//
//   byte 0      kind: data, news, loss or beginning
//   byte 1      data: channel of the payload; loss: the rail that was lost; beginning: how many interfaces the rails go over
//   byte 2      channel of the credit; loss: the incarnation of the rail
//   byte 3      0
//   bytes 4-7   data: payload bytes; beginning: the rails that there are, one bit each
//   bytes 8-11  credit: units that the receiver of the credit's channel has freed since the link began, modulo 2^32
//   bytes 12-15 frames that have arrived whole on this rail, modulo 2^32: their sender need not keep them any longer
//   bytes 16-31 the frame header: call and message bytes
//   bytes 32-35 data: units of all earlier frames of the channel, modulo 2^32
//   bytes 36-39 0
//
// A frame whose rail was lost before the frame was acknowledged goes over another one, so a receiver may see it twice and out of order: the units
// before a frame tell where it belongs. Credit is a total, since the header that carries it may be lost or overtaken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "transport/transport.hpp"
#include "transports/tcp/wire.hpp"

namespace tutti::transports::tcp {

// Short enough that rails share a message evenly, long enough that system calls cost little.
inline constexpr size_t kMaxRailFrameBytes = 128 * 1024;
inline constexpr size_t kRailHeaderBytes = 40;

// Powers of two, so that a place in the window follows from a total modulo 2^32.
inline constexpr uint32_t kRailControlWindowUnits = 16 * 1024;
inline constexpr uint32_t kRailDataWindowUnits = 64 * 1024;
static_assert(kRailControlWindowUnits >= 2 * credit_units(kMaxRailFrameBytes));

constexpr uint32_t rail_window_units(uint32_t channel) {
  return channel == transport::kControlChannel ? kRailControlWindowUnits : kRailDataWindowUnits;
}

enum class RailKind : uint8_t { data = 0xd3, news = 0xc4, loss = 0xa5, beginning = 0xb6 };

struct RailHeader {
  RailKind kind = RailKind::news;
  uint8_t channel = 0;         // or the rail, or the number of interfaces
  uint8_t credit_channel = 0;  // or the incarnation
  uint32_t payload_bytes = 0;  // or the rails
  uint32_t credit_total = 0;
  uint32_t arrived_count = 0;
  transport::FrameHeader frame;
  uint32_t start_units = 0;

  bool operator==(const RailHeader&) const = default;
};

using RailHeaderBytes = std::span<std::byte, kRailHeaderBytes>;
using ConstRailHeaderBytes = std::span<const std::byte, kRailHeaderBytes>;

void encode_rail_header(const RailHeader& header, RailHeaderBytes bytes);
// Empty when the bytes are no header: an unknown kind, a channel or rail that does not exist, a payload beyond kMaxRailFrameBytes, or a reserved byte
// that is not 0.
std::optional<RailHeader> decode_rail_header(ConstRailHeaderBytes bytes);

}  // namespace tutti::transports::tcp
