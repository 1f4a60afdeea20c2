// SPDX-License-Identifier: Apache-2.0
#include "transports/ucx/wire.hpp"

#include <string_view>

#include "base/little_endian.hpp"

namespace tutti::transports::ucx {

namespace {

constexpr Tag kSessionBit = Tag{1} << 63;
constexpr int kChannelBits = 4;  // one for what is no payload, three for the channel
static_assert(transport::kChannelCount <= 1u << (kChannelBits - 1));

uint64_t directed(const Key& key, std::string_view label, Direction direction) {
  const Key derived = derive_key(key, label, uint64_t{direction.source} << 32 | direction.target);
  return load_little_endian<uint64_t>(derived.data());
}

bool has_right_size(const Header& header, size_t message_bytes) {
  switch (header.kind) {
    case Kind::data: return header.payload_bytes <= kInlineBytes && message_bytes == kHeaderBytes + header.payload_bytes;
    case Kind::announcement:
      return header.payload_bytes > kInlineBytes && header.payload_bytes <= kMaxFrameBytes && message_bytes == kHeaderBytes;
    case Kind::credit:
    case Kind::goodbye: return header.payload_bytes == 0 && message_bytes == kHeaderBytes;
  }
  return false;
}

}  // namespace

void encode(const Header& header, HeaderBytes bytes) {
  bytes[0] = static_cast<std::byte>(header.kind);
  bytes[1] = static_cast<std::byte>(header.channel);
  bytes[2] = static_cast<std::byte>(header.credit_channel);
  bytes[3] = std::byte{0};
  store_little_endian<uint32_t>(header.payload_bytes, &bytes[4]);
  store_little_endian<uint32_t>(header.credit_units, &bytes[8]);
  store_little_endian<uint32_t>(header.number, &bytes[12]);
  store_little_endian<uint64_t>(header.frame.call, &bytes[16]);
  store_little_endian<uint64_t>(header.frame.message_bytes, &bytes[24]);
}

std::optional<Header> decode(std::span<const std::byte> message) {
  if (message.size() < kHeaderBytes) {
    return std::nullopt;
  }
  Header header;
  header.kind = static_cast<Kind>(message[0]);
  header.channel = std::to_integer<uint8_t>(message[1]);
  header.credit_channel = std::to_integer<uint8_t>(message[2]);
  header.payload_bytes = load_little_endian<uint32_t>(&message[4]);
  header.credit_units = load_little_endian<uint32_t>(&message[8]);
  header.number = load_little_endian<uint32_t>(&message[12]);
  header.frame.call = load_little_endian<uint64_t>(&message[16]);
  header.frame.message_bytes = load_little_endian<uint64_t>(&message[24]);
  const bool known_channels = header.channel < transport::kChannelCount && header.credit_channel < transport::kChannelCount;
  if (!known_channels || message[3] != std::byte{0} || !has_right_size(header, message.size())) {
    return std::nullopt;
  }
  return header;
}

Tag proof_tag(const Key& key, Direction direction) { return directed(key, "ucx proof", direction) & ~kSessionBit; }

uint64_t session_of(const Key& key, std::span<const std::byte> transcript, Direction direction) {
  return directed(key, {reinterpret_cast<const char*>(transcript.data()), transcript.size()}, direction);
}

Tag message_tag(uint64_t session) { return kSessionBit | (session << kChannelBits & ~kSessionBit); }

Tag payload_tag(uint64_t session, uint32_t channel) { return message_tag(session) | 1u << (kChannelBits - 1) | channel; }

}  // namespace tutti::transports::ucx
