// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/wire.hpp"

#include "base/little_endian.hpp"

namespace tutti::transports::tcp {

void encode(const Header& header, HeaderBytes bytes) {
  bytes[0] = static_cast<std::byte>(header.kind);
  bytes[1] = static_cast<std::byte>(header.channel);
  bytes[2] = static_cast<std::byte>(header.credit_channel);
  bytes[3] = std::byte{0};
  store_little_endian<uint32_t>(header.payload_bytes, &bytes[4]);
  store_little_endian<uint32_t>(header.credit_units, &bytes[8]);
  store_little_endian<uint32_t>(0, &bytes[12]);
  store_little_endian<uint64_t>(header.frame.call, &bytes[16]);
  store_little_endian<uint64_t>(header.frame.message_bytes, &bytes[24]);
}

std::optional<Header> decode(ConstHeaderBytes bytes) {
  Header header;
  header.kind = static_cast<Kind>(bytes[0]);
  header.channel = std::to_integer<uint8_t>(bytes[1]);
  header.credit_channel = std::to_integer<uint8_t>(bytes[2]);
  header.payload_bytes = load_little_endian<uint32_t>(&bytes[4]);
  header.credit_units = load_little_endian<uint32_t>(&bytes[8]);
  header.frame.call = load_little_endian<uint64_t>(&bytes[16]);
  header.frame.message_bytes = load_little_endian<uint64_t>(&bytes[24]);
  const bool known_kind = header.kind == Kind::data || header.kind == Kind::credit;
  const bool known_channels = header.channel < transport::kChannelCount && header.credit_channel < transport::kChannelCount;
  const size_t payload_limit = header.kind == Kind::data ? kMaxFrameBytes : 0;
  const bool reserved_is_zero = bytes[3] == std::byte{0} && load_little_endian<uint32_t>(&bytes[12]) == 0;
  if (!known_kind || !known_channels || header.payload_bytes > payload_limit || !reserved_is_zero) {
    return std::nullopt;
  }
  return header;
}

}  // namespace tutti::transports::tcp
