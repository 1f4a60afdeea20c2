// SPDX-License-Identifier: Apache-2.0
#include "transports/ofi/wire.hpp"

#include "base/little_endian.hpp"

namespace tutti::transports::ofi {

namespace {

template <typename Number>
void put(std::span<std::byte> bytes, size_t at, Number number) {
  store_little_endian(number, &bytes[at]);
}

template <typename Number>
Number get(std::span<const std::byte> bytes, size_t at) {
  return load_little_endian<Number>(&bytes[at]);
}

bool is_kind(std::byte byte) {
  return byte == std::byte{static_cast<uint8_t>(Kind::data)} || byte == std::byte{static_cast<uint8_t>(Kind::offer)} ||
         byte == std::byte{static_cast<uint8_t>(Kind::credit)};
}

bool fits(Kind kind, size_t message_bytes) {
  switch (kind) {
    case Kind::data: return message_bytes <= kMessageBytes;
    case Kind::offer: return message_bytes == kHeaderBytes + kOfferBytes;
    case Kind::credit: return message_bytes == kHeaderBytes;
  }
  return false;
}

}  // namespace

void encode(const Header& header, std::span<std::byte, kHeaderBytes> bytes) {
  put(bytes, 0, header.token);
  put(bytes, 8, header.source);
  put(bytes, 12, static_cast<uint8_t>(header.kind));
  put(bytes, 13, header.channel);
  put(bytes, 14, header.credit_channel);
  put(bytes, 15, uint8_t{0});
  put(bytes, 16, header.number);
  put(bytes, 20, header.popped);
  put(bytes, 24, header.landed);
  put(bytes, 28, header.generation);
  put(bytes, 30, header.obeyed_generation);
  put(bytes, 32, header.frame.call);
  put(bytes, 40, header.frame.message_bytes);
}

void encode(const OfferedMemory& offered, std::span<std::byte, kOfferBytes> bytes) {
  put(bytes, 0, offered.memory.address);
  put(bytes, 8, offered.memory.key);
  put(bytes, 16, offered.bytes);
}

std::optional<Origin> origin_of(std::span<const std::byte> message) {
  if (message.size() < kHeaderBytes) {
    return std::nullopt;
  }
  return Origin{.token = get<uint64_t>(message, 0), .source = get<uint32_t>(message, 8)};
}

std::optional<Header> decode_header(std::span<const std::byte> message) {
  if (message.size() < kHeaderBytes || !is_kind(message[12]) || message[15] != std::byte{0}) {
    return std::nullopt;
  }
  const Header header{.token = get<uint64_t>(message, 0),
                      .source = get<uint32_t>(message, 8),
                      .kind = static_cast<Kind>(get<uint8_t>(message, 12)),
                      .channel = get<uint8_t>(message, 13),
                      .credit_channel = get<uint8_t>(message, 14),
                      .number = get<uint32_t>(message, 16),
                      .popped = get<uint32_t>(message, 20),
                      .landed = get<uint32_t>(message, 24),
                      .generation = get<uint16_t>(message, 28),
                      .obeyed_generation = get<uint16_t>(message, 30),
                      .frame = {.call = get<uint64_t>(message, 32), .message_bytes = get<uint64_t>(message, 40)}};
  if (header.channel >= transport::kChannelCount || header.credit_channel >= transport::kChannelCount || !fits(header.kind, message.size())) {
    return std::nullopt;
  }
  return header;
}

std::optional<OfferedMemory> decode_offer(std::span<const std::byte> message) {
  if (message.size() != kHeaderBytes + kOfferBytes) {
    return std::nullopt;
  }
  const auto bytes = message.subspan(kHeaderBytes);
  const OfferedMemory offered{.memory = {.address = get<uint64_t>(bytes, 0), .key = get<uint64_t>(bytes, 8)}, .bytes = get<uint32_t>(bytes, 16)};
  return offered.bytes == 0 || offered.bytes > kMaxFrameBytes ? std::nullopt : std::optional(offered);
}

}  // namespace tutti::transports::ofi
