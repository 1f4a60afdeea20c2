// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/wire.hpp"

#include <algorithm>

#include "base/little_endian.hpp"

namespace tutti::bootstrap {

namespace {

bool is_known(FrameType type) {
  switch (type) {
    case FrameType::registration:
    case FrameType::introduction:
    case FrameType::successor:
    case FrameType::blocks:
    case FrameType::abandonment:
    case FrameType::goodbye:
    case FrameType::missing_ranks:
    case FrameType::failure: return true;
  }
  return false;
}

}  // namespace

Writer& Writer::number(uint64_t value, size_t byte_count) {
  append_little_endian(bytes_, value, byte_count);
  return *this;
}

Writer& Writer::bytes(std::span<const std::byte> more) {
  const size_t before = bytes_.size();
  bytes_.resize(before + more.size());
  std::copy(more.begin(), more.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(before));
  return *this;
}

std::optional<std::span<const std::byte>> Reader::bytes(size_t byte_count) {
  if (byte_count > rest_.size()) {
    return std::nullopt;
  }
  const auto taken = rest_.first(byte_count);
  rest_ = rest_.subspan(byte_count);
  return taken;
}

std::optional<uint32_t> Reader::u32() {
  const auto taken = bytes(sizeof(uint32_t));
  return taken ? std::optional(static_cast<uint32_t>(load_little_endian(*taken))) : std::nullopt;
}

std::optional<uint64_t> Reader::u64() {
  const auto taken = bytes(sizeof(uint64_t));
  return taken ? std::optional(load_little_endian(*taken)) : std::nullopt;
}

Bytes encode_frame(FrameType type, std::span<const std::byte> payload) {
  return Writer().u32(static_cast<uint32_t>(type)).u32(static_cast<uint32_t>(payload.size())).bytes(payload).take();
}

std::optional<FrameHeader> decode_frame_header(std::span<const std::byte, kFrameHeaderBytes> bytes) {
  Reader reader(bytes);
  const auto type = static_cast<FrameType>(*reader.u32());
  const size_t payload_bytes = *reader.u32();
  return is_known(type) ? std::optional(FrameHeader{type, payload_bytes}) : std::nullopt;
}

std::string sanitised(std::string_view text) {
  std::string clean(text.substr(0, kMaxTextBytes));
  std::replace_if(clean.begin(), clean.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return clean;
}

Bytes encode_status(const Status& status) {
  const std::string text = sanitised(status.message());
  return Writer().u32(static_cast<uint32_t>(status.code())).bytes(std::as_bytes(std::span(text))).take();
}

std::optional<Status> decode_status(std::span<const std::byte> payload) {
  Reader reader(payload);
  const auto code = reader.u32();
  if (!code || *code == tuttiSuccess || *code >= tuttiNumResults || *code == tuttiInProgress) {
    return std::nullopt;
  }
  const auto text = reader.rest();
  return Status(static_cast<tuttiResult_t>(*code),
                sanitised(std::string_view(reinterpret_cast<const char*>(text.data()), text.size())));
}

Share share_of(uint32_t root, uint32_t root_count, uint32_t rank_count) {
  const auto begin = [&](uint64_t index) { return static_cast<uint32_t>(index * rank_count / root_count); };
  return {.first = begin(root), .count = begin(uint64_t{root} + 1) - begin(root)};
}

Bytes encode_address(const SocketAddress& address) {
  Bytes bytes(SocketAddress::kEncodedBytes);
  address.encode(std::span(bytes).first<SocketAddress::kEncodedBytes>());
  return bytes;
}

std::optional<SocketAddress> decode_address(std::span<const std::byte> payload) {
  if (payload.size() != SocketAddress::kEncodedBytes) {
    return std::nullopt;
  }
  const auto address = SocketAddress::decode(payload.first<SocketAddress::kEncodedBytes>());
  return address ? std::optional(*address) : std::nullopt;
}

Bytes encode_registration(const Registration& registration) {
  return Writer().u32(registration.share.first).u32(registration.share.count).bytes(encode_address(registration.address)).take();
}

std::optional<Registration> decode_registration(std::span<const std::byte> payload) {
  Reader reader(payload);
  const auto first = reader.u32();
  const auto count = reader.u32();
  const auto address = decode_address(reader.rest());
  return first && count && address ? std::optional(Registration{.share = {.first = *first, .count = *count}, .address = *address})
                                   : std::nullopt;
}

void append_block(Bytes* blocks, std::span<const std::byte> contribution) {
  const Bytes length = Writer().u32(static_cast<uint32_t>(contribution.size())).take();
  blocks->insert(blocks->end(), length.begin(), length.end());
  blocks->insert(blocks->end(), contribution.begin(), contribution.end());
}

std::optional<size_t> size_of_blocks(std::span<const std::byte> blocks, uint32_t count) {
  Reader reader(blocks);
  for (uint32_t i = 0; i < count; ++i) {
    const auto length = reader.u32();
    if (!length || *length > kMaxContributionBytes || !reader.bytes(*length)) {
      return std::nullopt;
    }
  }
  return blocks.size() - reader.rest().size();
}

Bytes encode_missing(const MissingRanks& missing) {
  Writer writer;
  writer.u32(missing.count).u32(static_cast<uint32_t>(missing.listed.size()));
  for (const uint32_t rank : missing.listed) {
    writer.u32(rank);
  }
  return writer.take();
}

std::optional<MissingRanks> decode_missing(std::span<const std::byte> payload) {
  Reader reader(payload);
  const auto count = reader.u32();
  const auto listed_count = reader.u32();
  if (!count || !listed_count || *listed_count > *count || *listed_count > kMaxListedRanks ||
      reader.rest().size() != *listed_count * sizeof(uint32_t)) {
    return std::nullopt;
  }
  MissingRanks missing{.count = *count, .listed = std::vector<uint32_t>(*listed_count)};
  for (uint32_t& rank : missing.listed) {
    rank = *reader.u32();
  }
  return missing;
}

std::string to_string(const MissingRanks& missing) {
  std::string text = missing.count == 1 ? "rank " : "ranks ";
  for (size_t i = 0; i < missing.listed.size(); ++i) {
    fmt::format_to(std::back_inserter(text), "{}{}", i == 0 ? "" : ", ", missing.listed[i]);
  }
  if (missing.count > missing.listed.size()) {
    fmt::format_to(std::back_inserter(text), " and {} more", missing.count - missing.listed.size());
  }
  return text;
}

Status gave_up(uint32_t rank, const std::optional<Status>& why) {
  const bool concerns_all = why && (why->code() == tuttiMismatch || why->code() == tuttiTimeout || why->code() == tuttiAborted);
  return failure(concerns_all ? why->code() : tuttiRemoteError, "bootstrap: rank {} gave up: {}", rank,
                 why ? why->message() : "for an unreadable reason");
}

}  // namespace tutti::bootstrap
