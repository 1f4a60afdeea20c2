// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/rail_wire.hpp"

#include "base/little_endian.hpp"
#include "transports/tcp/rail_name.hpp"

namespace tutti::transports::tcp {

namespace {

bool makes_sense(const RailHeader& header) {
  switch (header.kind) {
    case RailKind::data:
      return header.channel < transport::kChannelCount && header.credit_channel < transport::kChannelCount &&
             header.payload_bytes <= kMaxRailFrameBytes;
    case RailKind::news: return header.credit_channel < transport::kChannelCount && header.payload_bytes == 0;
    case RailKind::loss: return header.channel < kMaxRails && header.payload_bytes == 0;
    case RailKind::beginning: return header.payload_bytes != 0 && header.payload_bytes < 1u << kMaxRails;
  }
  return false;
}

}  // namespace

void encode_rail_header(const RailHeader& header, RailHeaderBytes bytes) {
  bytes[0] = static_cast<std::byte>(header.kind);
  bytes[1] = static_cast<std::byte>(header.channel);
  bytes[2] = static_cast<std::byte>(header.credit_channel);
  bytes[3] = std::byte{0};
  store_little_endian<uint32_t>(header.payload_bytes, &bytes[4]);
  store_little_endian<uint32_t>(header.credit_total, &bytes[8]);
  store_little_endian<uint32_t>(header.arrived_count, &bytes[12]);
  store_little_endian<uint64_t>(header.frame.call, &bytes[16]);
  store_little_endian<uint64_t>(header.frame.message_bytes, &bytes[24]);
  store_little_endian<uint32_t>(header.start_units, &bytes[32]);
  store_little_endian<uint32_t>(0, &bytes[36]);
}

std::optional<RailHeader> decode_rail_header(ConstRailHeaderBytes bytes) {
  RailHeader header;
  header.kind = static_cast<RailKind>(bytes[0]);
  header.channel = std::to_integer<uint8_t>(bytes[1]);
  header.credit_channel = std::to_integer<uint8_t>(bytes[2]);
  header.payload_bytes = load_little_endian<uint32_t>(&bytes[4]);
  header.credit_total = load_little_endian<uint32_t>(&bytes[8]);
  header.arrived_count = load_little_endian<uint32_t>(&bytes[12]);
  header.frame.call = load_little_endian<uint64_t>(&bytes[16]);
  header.frame.message_bytes = load_little_endian<uint64_t>(&bytes[24]);
  header.start_units = load_little_endian<uint32_t>(&bytes[32]);
  const bool reserved_is_zero = bytes[3] == std::byte{0} && load_little_endian<uint32_t>(&bytes[36]) == 0;
  return reserved_is_zero && makes_sense(header) ? std::optional(header) : std::nullopt;
}

}  // namespace tutti::transports::tcp
